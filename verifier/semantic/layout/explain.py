"""One pair of images: a map that makes them one program, or what they do differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.semantic.layout import (
    elf,
    functions,
    gofunctions,
    loaderfacts,
    nearby,
    neutral,
    objects,
    patched,
    pe,
    proof,
    remembering,
    startup,
    story,
    unnamed,
    unproven,
)
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.match import Match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.content import Buffer
    from verifier.model import Difference, Place
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent

LOADERS = {"elf": elf.load, "pe": pe.load}
_WHY = 4  # reasons why there is no total map, where no function differs


class Explained(NamedTuple):
    """The judged map, differences of meaning in order of weight, and sentences for people.

    `facts` are what loaders are told differently; `code` names the sections whose functions
    were compared. `instead` are beginnings of kinds that a format tells too, by place or by name,
    and that are told better here.
    """

    finding: proof.Finding
    extents: tuple[Extent, ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    facts: tuple[Difference, ...] = ()
    code: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


def explain(
    kind: str,
    shipped: Buffer,
    rebuilt: Buffer,
    settled: Sequence[Place] = (),
    unsettled: Sequence[Place] = (),
) -> Explained:
    """Map, judge, and where the map is not total, compare function by function.

    Args:
        kind: the format, `elf` or `pe`.
        shipped: the shipped file.
        rebuilt: the rebuilt file.
        settled: places that rules of their own speak for.
        unsettled: places that differ otherwise, where they are known.

    Raises:
        VerifierError: an image is not well-formed.
    """
    if unsettled and (near := nearby.explain(kind, shipped, rebuilt, unsettled)) is not None:
        found, image = near
        finding = proof.Finding(("Nothing moved, and code differs.",), ())
        told = story.functions(image, image, found)
        names = tuple(piece.name for piece in image.program.pieces if piece.code)
        return Explained(finding, (), (story.summary(image, found),), told, (), names)
    if kind == "elf" and (compared := gofunctions.explain(shipped, rebuilt)) is not None:
        return _go(compared)
    mine = [(place.rebuilt_offset, place.rebuilt_length) for place in settled]
    theirs = [(place.offset, place.length) for place in settled]
    one, other = _read(kind, (rebuilt, mine), (shipped, theirs))
    doubts = [*one.doubts, *other.doubts]
    notes = [f"Layout equivalence was not decided: {doubt}" for doubt in doubts[:1]]
    if not (one.program.whole and other.program.whole):
        return Explained(proof.check(one, other, ()), (), tuple(notes))
    match = Match(one, other)
    extents = match.run()
    finding = proof.check(one, other, extents)
    if finding.total:
        return Explained(finding, tuple(extents), tuple(_standing(finding)))
    return _compared(match, finding, notes)


def _read(
    kind: str, *files: tuple[Buffer, Sequence[tuple[int, int]]]
) -> tuple[Assembled, Assembled]:
    """Both images; what was remembered to decode the second one is let go."""
    decode = remembering.Remembering()
    one, other = (
        assemble(LOADERS[kind](neutral.without(data, ranges)), decode) for data, ranges in files
    )
    return one, other


def _go(compared: gofunctions.Compared) -> Explained:
    """Functions of Go, of programs of which nothing can be proven."""
    found, one, other, section, more = compared
    finding = proof.Finding((unproven.FIXED,), ())
    notes = [story.summary(other, found), f"Layout equivalence was not decided: {unproven.FIXED}"]
    told = story.functions(one, other, found)
    lone = found.changed or found.added or found.removed or found.unread
    code = (section,) if lone or not more else ()  # what was not compared must stay in sight
    return Explained(finding, (), (*notes, *more), told, (), code)


def _standing(finding: proof.Finding) -> list[str]:
    notes = [
        (
            "The map between the two layouts is total. It assumes that the program observes neither"
            " addresses, nor its own bytes, nor whether two equal functions are one."
        )
    ]
    return notes + [f"Assumed: {item}" for item in finding.assumptions]


def _compared(match: Match, finding: proof.Finding, notes: list[str]) -> Explained:
    one, other = match.one, match.other
    found = functions.compare(match)
    started = startup.differences(match)
    differences = (started or ()) + story.functions(one, other, found)
    differences += objects.changed(match, functions.Namer(match))
    differences += unnamed.changed(match)
    notes = [story.summary(other, found), *notes]
    if not notes[1:] and not (found.changed or found.added or found.removed or found.unread):
        notes += [f"No map makes them one program: {fault}" for fault in finding.faults[:_WHY]]
    code = tuple(piece.name for piece in other.program.pieces if piece.code and piece.content)
    instead = [] if started is None else [*startup.KINDS]
    if other.program.relative:
        instead += patched.KINDS
        starts = {each.a for each in found.changed}
        differences += patched.differences(match, starts, startup.places(match)[0])
    facts = loaderfacts.facts(one, other)
    return Explained(finding, (), tuple(notes), differences, facts, code, tuple(instead))
