"""One pair of images: a map that makes them one program, or what they do differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import VerifierError
from verifier.formats.base import text
from verifier.model import Difference
from verifier.semantic.layout import elf, functions, names, neutral, pe, proof, x86
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.content import Buffer
    from verifier.model import Place
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.functions import Functions
    from verifier.semantic.layout.stretches import Extent

LOADERS = {"elf": elf.load, "pe": pe.load}
_MANY = 20  # functions that differ: from here on another compiler is likelier than another source
_LISTED = 100  # functions that are told one by one
_TOLD = {"entry", "segment", "section", "optional", "coff", "resolver", "header", "import"}


class Explained(NamedTuple):
    """The judged map, differences of meaning in order of weight, and sentences for people."""

    finding: proof.Finding
    extents: tuple[Extent, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def explain(
    kind: str, shipped: Buffer, rebuilt: Buffer, settled: Sequence[Place] = ()
) -> Explained:
    """Map, judge, and where the map is not total, compare function by function.

    Args:
        kind: the format, `elf` or `pe`.
        shipped: the shipped file.
        rebuilt: the rebuilt file.
        settled: places that rules of their own speak for.

    Raises:
        VerifierError: an image is not well-formed.
    """
    mine = [(place.rebuilt_offset, place.rebuilt_length) for place in settled]
    theirs = [(place.offset, place.length) for place in settled]
    images = [
        assemble(LOADERS[kind](neutral.without(data, ranges)), x86.decode)
        for data, ranges in ((rebuilt, mine), (shipped, theirs))
    ]
    one, other = images
    if doubts := [doubt for image in images for doubt in image.doubts]:
        finding = proof.check(one, other, ())
        notes = [f"Layout equivalence was not decided: {doubts[0]}"]
        if len(one.instructions) and len(other.instructions):
            return _compared(one, other, finding, notes)
        return Explained(finding, (), (), tuple(notes))
    match = Match(one, other)
    extents = match.run()
    finding = proof.check(one, other, extents)
    if finding.total:
        return Explained(finding, tuple(extents), (), tuple(_standing(finding)))
    return _compared(one, other, finding, [], match)


def _standing(finding: proof.Finding) -> list[str]:
    notes = [
        "The map between the two layouts is total. It assumes that the program observes neither"
        " addresses, nor its own bytes, nor whether two equal functions are one."
    ]
    return notes + [f"Assumed: {item}" for item in finding.assumptions]


def _compared(
    one: Assembled,
    other: Assembled,
    finding: proof.Finding,
    notes: list[str],
    match: Match | None = None,
) -> Explained:
    if match is None:
        match = Match(one, other)
        match.run()
    found = functions.compare(match)
    differences = [
        *_functions(one, other, found),
        *_facts(one, other, finding),
    ]
    notes = [_summary(one, other, found), *notes]
    return Explained(finding, (), tuple(differences), tuple(notes))


def _summary(one: Assembled, other: Assembled, found: Functions) -> str:
    count = len(found.changed) + found.unread
    parts = [f"{count} of {found.total} functions differ" if count != 1 else ""]
    if count == 1:
        each = found.changed[0]
        parts = [f"1 of {found.total} functions differs: {names.of(other, each.b)}"]
    if count > _MANY and count * 2 > found.total:
        parts.append("as after another compiler or other options, rather than another source")
    for label, starts in (("added", found.added), ("removed", found.removed)):
        if starts:
            parts.append(f"{len(starts)} {label}")
    if found.encoded:
        parts.append(f"{found.encoded} differ in the encoding of branches or padding alone")
    del one
    return "; ".join(parts) + "."


def _functions(one: Assembled, other: Assembled, found: Functions) -> list[Difference]:
    result: list[Difference] = []
    shift, lines = functions.same_shift(found.changed)
    changed = [each for each in found.changed if each not in lines]
    order = {kind: rank for rank, kind in enumerate(_WEIGHT)}
    changed.sort(key=lambda each: (order.get(each.change.kind, 3), each.b))
    for each in changed[:_LISTED]:
        result.append(
            Difference(
                *("function-changed", names.of(other, each.b), each.change.summary),
                *_place(other, each.b, found),
                detail=each.change.detail,
            )
        )
    if len(changed) + found.unread > _LISTED:
        more = len(changed) + found.unread - min(len(changed), _LISTED)
        result.append(Difference("function-changed", "more", f"{more} more functions differ."))
    if lines:
        told = ", ".join(names.of(other, each.b) for each in lines[:8])
        summary = (
            f"{len(lines)} functions differ only in numbers that are {shift:+d}, as line numbers"
            f" that are compiled in (__LINE__) do: {told}{', …' if len(lines) > 8 else ''}."
        )
        result.append(Difference("line-numbers", f"shift of {shift:+d}", summary))
    for image, starts, kind, which in (
        (other, found.added, "function-added", "shipped"),
        (one, found.removed, "function-removed", "rebuilt"),
    ):
        for at in starts[:_LISTED]:
            summary = f"Only the {which} image has this function."
            result.append(Difference(kind, names.of(image, at), summary))
        if len(starts) > _LISTED:
            summary = f"{len(starts) - _LISTED} more functions."
            result.append(Difference(kind, "more", summary))
    return result


_WEIGHT = ("call target", "call added", "call removed", "comparison or branch", "constant",
           "memory access", "instructions", "stack frame",
           "reordering or register allocation only")  # fmt: skip


def _place(other: Assembled, at: int, found: Functions) -> tuple[None, None]:
    """Offsets in the file are told by the format's own spans; a function has an address."""
    del other, at, found
    return None, None


def _facts(one: Assembled, other: Assembled, finding: proof.Finding) -> list[Difference]:
    """What the loader is told differently, where it is about more than moved functions."""
    result: list[Difference] = []
    mine, theirs = _plain(one), _plain(other)
    for which, facts in (("rebuilt", mine - theirs), ("shipped", theirs - mine)):
        for fact in sorted(facts):
            result.append(
                Difference("field", fact.split(" ", 1)[0], f"Only the {which} image says: {fact}.")
            )
    del finding
    return result[:_LISTED]


def _plain(image: Assembled) -> set[str]:
    """Facts without addresses, as text."""
    return {
        " ".join(text(str(item).encode()) for item in fact if not isinstance(item, Address))[:300]
        for fact in image.program.facts
        if fact[0] in _TOLD
    }
