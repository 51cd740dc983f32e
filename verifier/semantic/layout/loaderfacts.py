"""What loaders are told differently, where it is about more than functions that moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats.base import text
from verifier.model import Difference
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verifier.semantic.layout.assembled import Assembled

_LISTED = 100
_TOLD = {"entry", "section", "coff", "resolver", "header", "import"}
_SEGMENTS = {
    1: "PT_LOAD", 2: "PT_DYNAMIC", 3: "PT_INTERP", 4: "PT_NOTE", 6: "PT_PHDR", 7: "PT_TLS",
    0x6474E550: "PT_GNU_EH_FRAME", 0x6474E551: "PT_GNU_STACK", 0x6474E552: "PT_GNU_RELRO",
    0x6474E553: "PT_GNU_PROPERTY",
}  # fmt: skip
_RIGHTS = {4: "R", 2: "W", 1: "X"}


def facts(one: Assembled, other: Assembled) -> tuple[Difference, ...]:
    """What the loader is told differently, where it is about more than moved functions."""
    mine, theirs = _plain(one), _plain(other)
    told = tuple(
        Difference("field", fact.split(" ", 1)[0], f"Only the {which} image says: {fact}.")
        for which, told in (("rebuilt", mine - theirs), ("shipped", theirs - mine))
        for fact in sorted(told)
    )
    return (*_header(one, other), *_segments(one, other), *told)[:_LISTED]


def _header(one: Assembled, other: Assembled) -> Iterator[Difference]:
    """Fields of a PE image's optional header, each by its name."""
    before, now = _optional(one), _optional(other)
    for name in now:
        if name in before and before[name] != now[name]:
            summary = f"Shipped {now[name]}, rebuilt {before[name]}."
            yield Difference("field", f"optional.{name}", summary)


def _optional(image: Assembled) -> dict[str, object]:
    return {
        str(item[0]): item[1]
        for fact in image.program.facts
        if fact[0] == "optional"
        for item in fact[1:]
        if isinstance(item, tuple)
    }


def _plain(image: Assembled) -> set[str]:
    """Facts without addresses, as text."""
    return {
        " ".join(text(str(item).encode()) for item in fact if not isinstance(item, Address))[:300]
        for fact in image.program.facts
        if fact[0] in _TOLD
    }


def _segments(one: Assembled, other: Assembled) -> Iterator[Difference]:
    """Program headers of one number: rights, alignment, and what they hold."""
    before, now = _headers(one), _headers(other)
    for number in sorted(before.keys() | now.keys()):
        mine, theirs = now.get(number), before.get(number)
        if mine is None or theirs is None:
            kind, which = (mine or theirs or [0])[0], "shipped" if mine else "rebuilt"
            summary = f"Only the {which} image has this segment, {_called(kind)}."
            yield Difference("field", f"segment {number}", summary)
        elif mine != theirs:
            where = f"segment {number} ({_called(mine[0])})"
            yield Difference("field", where, _unlike(mine, theirs))


def _headers(image: Assembled) -> dict[int, list[object]]:
    """(type, rights, alignment, contents, sizes) of each program header by its number."""
    return {
        fact[1]: list(fact[2:])
        for fact in image.program.facts
        if fact[0] == "segment" and isinstance(fact[1], int)
    }


def _called(kind: object) -> str:
    return _SEGMENTS.get(kind, f"type {kind:#x}") if isinstance(kind, int) else str(kind)


def _unlike(mine: list[object], theirs: list[object]) -> str:
    said = []
    if mine[0] != theirs[0]:
        said.append(f"shipped {_called(mine[0])}, rebuilt {_called(theirs[0])}")
    if mine[1] != theirs[1]:
        said.append(f"shipped {_rights(mine[1])}, rebuilt {_rights(theirs[1])}")
    if mine[2] != theirs[2]:
        said.append(f"shipped aligned to {mine[2]}, rebuilt to {theirs[2]}")
    held = [{text(each.encode()) for each in _flat(fact[3:])} for fact in (mine, theirs)]
    for which, names in (("shipped", held[0] - held[1]), ("rebuilt", held[1] - held[0])):
        if names:
            said.append(f"only in the {which} image: {', '.join(sorted(names))}")
    told = "; ".join(said) or "the order or size of what it holds differs"
    return f"{told[0].upper()}{told[1:]}."


def _rights(flags: object) -> str:
    if not isinstance(flags, int):
        return str(flags)
    return "".join(name for bit, name in _RIGHTS.items() if flags & bit) or "no rights"


def _flat(items: Iterable[object]) -> Iterator[str]:
    """The texts in nested tuples, addresses and numbers apart."""
    for item in items:
        if isinstance(item, Address):
            continue
        if isinstance(item, tuple):
            yield from _flat(item)
        elif isinstance(item, str) and item:
            yield item
