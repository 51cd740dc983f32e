"""What differs between two images, told to people: functions first, then what loaders are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.model import Difference
from verifier.semantic.layout import names
from verifier.semantic.layout.functions import same_shift

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.functions import Changed, Functions

_MANY = 20  # functions that differ: from here on another compiler is likelier than another source
_SOME = 8  # names of many
_LISTED = 100  # functions that are told one by one
_WEIGHT = ("call target", "call added", "call removed", "comparison or branch", "constant",
           "memory access", "instructions", "stack frame",
           "reordering or register allocation only")  # fmt: skip


def summary(other: Assembled, found: Functions) -> str:
    """How many functions differ, in one sentence."""
    count = len(found.changed) + found.unread
    parts = [f"{count} of {found.total} functions differ" if count != 1 else ""]
    if count == 1:
        each = found.changed[0]
        parts = [f"1 of {found.total} functions differs: {names.of(other, each.b)}"]
    if drifted(count, found.total):
        parts.append("as after another compiler or other options, rather than another source")
    for label, starts in (("added", found.added), ("removed", found.removed)):
        if starts:
            parts.append(f"{len(starts)} {label}")
    if found.encoded:
        count, verb = len(found.encoded), "differs" if len(found.encoded) == 1 else "differ"
        parts.append(f"{count} {verb} in the encoding of branches or padding alone")
    return "; ".join(parts) + "."


def functions(one: Assembled, other: Assembled, found: Functions) -> tuple[Difference, ...]:
    """Each function that differs, most telling first; many of one kind are told as one."""
    shift, lines = same_shift(found.changed)
    changed = [each for each in found.changed if each not in lines]
    order = {kind: rank for rank, kind in enumerate(_WEIGHT)}
    changed.sort(key=lambda each: (order.get(each.change.kind, 3), each.b))
    places = names.Places(one, other)
    count = len(found.changed) + found.unread
    if drifted(count, found.total):
        return (_drift(places, changed, count, found), *_lone_counts(found))
    result = [
        Difference(
            "function-changed",
            places.of(each.a, each.b),
            f"{each.change.summary[:-1]}{places.line(each.change.rebuilt_at, each.change.at)}.",
            detail=each.change.detail,
        )
        for each in changed[:_LISTED]
    ]
    more = len(changed) + found.unread - len(result)
    if more:
        result.append(Difference("function-changed", "more", f"{more} more functions differ."))
    if lines:
        result.append(_shifted(places, shift, lines))
    if found.encoded and not (result or found.added or found.removed):
        result += _encoded(places, found)
    return (
        *result,
        *_lone(other, found.added, "function-added", "shipped"),
        *_lone(one, found.removed, "function-removed", "rebuilt"),
    )


def _encoded(places: names.Places, found: Functions) -> Iterator[Difference]:
    """What keeps two images from being one program where no instruction differs."""
    summary = (
        "Its instructions are the same, in other encodings or with other padding between them."
    )
    for a, b in found.encoded[:_LISTED]:
        yield Difference("function-changed", places.of(a, b), summary)
    if len(found.encoded) > _LISTED:
        count = len(found.encoded) - _LISTED
        yield Difference("function-changed", "more", f"{count} more functions differ so.")


def drifted(count: int, total: int) -> bool:
    """Whether so much differs that the compiler or its options must."""
    return count > _MANY and count * 2 > total


def _drift(
    places: names.Places, changed: Sequence[Changed], count: int, found: Functions
) -> Difference:
    """All of them as one: what another compiler made is not told function by function."""
    told = ", ".join(places.of(each.a, each.b) for each in changed[:_SOME])
    summary = (
        f"{count} of {found.total} functions differ, as after another compiler or other options;"
        f" compare what both images say of their makers first. Among them: {told}."
    )
    return Difference("function-changed", f"{count} functions", summary)


def _lone_counts(found: Functions) -> Iterator[Difference]:
    for kind, starts, which in (
        ("function-added", found.added, "shipped"),
        ("function-removed", found.removed, "rebuilt"),
    ):
        if starts:
            summary = f"Only the {which} image has {len(starts)} functions."
            yield Difference(kind, f"{len(starts)} functions", summary)


def _shifted(places: names.Places, shift: int, lines: Sequence[Changed]) -> Difference:
    told = ", ".join(places.of(each.a, each.b) for each in lines[:8])
    told += ", …" if len(lines) > 8 else ""
    summary = (
        f"{len(lines)} functions differ only in numbers that are {shift:+d}, as line numbers that"
        f" are compiled in (__LINE__) do: {told}."
    )
    return Difference("line-numbers", f"shift of {shift:+d}", summary)


def _lone(image: Assembled, starts: Sequence[int], kind: str, which: str) -> Iterator[Difference]:
    for at in starts[:_LISTED]:
        summary = f"Only the {which} image has this function."
        yield Difference(kind, names.of(image, at), summary)
    if len(starts) > _LISTED:
        yield Difference(kind, "more", f"{len(starts) - _LISTED} more functions.")
