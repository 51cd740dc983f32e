"""One pair of images: a map that makes them one program, or what they do differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.semantic.layout import elf, functions, neutral, pe, proof, story, x86
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.match import Match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.content import Buffer
    from verifier.model import Difference, Place
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.stretches import Extent

LOADERS = {"elf": elf.load, "pe": pe.load}
_WHY = 4  # reasons why there is no total map, where no function differs


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
    decode = x86.Remembering()
    images = [
        assemble(LOADERS[kind](neutral.without(data, ranges)), decode)
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
        (
            "The map between the two layouts is total. It assumes that the program observes neither"
            " addresses, nor its own bytes, nor whether two equal functions are one."
        )
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
    differences = (*story.functions(one, other, found), *story.facts(one, other))
    notes = [story.summary(other, found), *notes]
    if not (found.changed or found.added or found.removed or found.unread):
        notes += [f"No map makes them one program: {fault}" for fault in finding.faults[:_WHY]]
    return Explained(finding, (), differences, tuple(notes))
