"""What each byte of a member is: stretches of the shipped file, painted one over another."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Strength, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.model import Member

CLASSES = (
    "equal",
    *(strength.value for strength in Strength),
    "around",
    "unknown",
    "unsettled",
    "difference",
)
"""Least to most notable; the page gives each a colour and a pattern of its own."""
EQUAL, AROUND, UNKNOWN, UNSETTLED, DIFFERENCE = (
    CLASSES.index(name) for name in ("equal", "around", "unknown", "unsettled", "difference")
)


class What(IntEnum):
    """What a piece refers to, by its number in the member or the report."""

    PATCH = 0
    DIFFERENCE = 1
    UNSETTLED = 2
    MEMBER = 3


class Piece(NamedTuple):
    """Bytes of one class; `number` counts what it refers to."""

    offset: int
    length: int
    kind: int
    what: What
    number: int


class Map(NamedTuple):
    """A whole file: its pieces in order, and the class of all bytes between them."""

    base: int
    pieces: tuple[Piece, ...]


def of(member: Member, children: Sequence[tuple[int, Member]], kinds: Sequence[int]) -> Map:
    """The map of a shipped file. `children` are the members in it by their numbers in the report.

    `kinds` is the most notable class of every member of the report (`notable`).
    """
    if member.shipped is None:
        return Map(UNKNOWN, ())
    size = member.shipped.size
    patches = (
        Piece(each.offset, each.length, rank(each.strength), What.PATCH, number)
        for number, each in enumerate(member.patches)
    )
    named, around = _named(member)
    open_ones = (
        Piece(each.offset, each.length, UNSETTLED, What.UNSETTLED, number)
        for number, each in enumerate(member.unsettled)
    )
    inside = (
        Piece(each.within.offset, each.within.length, kinds[number], What.MEMBER, number)
        for number, each in children
        if each.within is not None
    )
    layers = [_clipped(layer, size) for layer in (patches, named, open_ones, around, inside)]
    found: list[Piece] = []
    for layer in layers:
        found = _over(found, layer)
    return Map(_base(member, found), tuple(found))


def _named(member: Member) -> tuple[list[Piece], list[Piece]]:
    """Where differences with a place lie: their differing bytes, and equal bytes around these.

    Of a difference with no unsettled byte in it (a field that is alike, and wrong) all is named.
    """
    named: list[Piece] = []
    around: list[Piece] = []
    places = sorted(member.unsettled)
    for number, each in enumerate(member.differences):
        if each.offset is None:
            continue
        end = each.offset + (each.length or 0)
        whole = Piece(each.offset, end - each.offset, DIFFERENCE, What.DIFFERENCE, number)
        found = []
        for place in places:
            if place.offset > end:
                break
            start, stop = max(place.offset, each.offset), min(place.offset + place.length, end)
            if start < stop or (place.length == 0 and each.offset <= place.offset <= end):
                found.append(whole._replace(offset=start, length=stop - start))
        named += found or [whole]
        if found and whole.length:
            around.append(whole._replace(kind=AROUND))
    return named, around


def notable(members: Sequence[Member], parents: Sequence[int]) -> list[int]:
    """The most notable class of each member, with all that is in it."""
    found = [_own(member) for member in members]
    for number in range(len(members) - 1, -1, -1):
        if parents[number] >= 0:
            found[parents[number]] = max(found[parents[number]], found[number])
    return found


def _own(member: Member) -> int:
    if member.verdict is Verdict.DIFFERENT:
        return DIFFERENCE
    if member.verdict is Verdict.INCONCLUSIVE:
        return UNKNOWN
    return max((rank(patch.strength) for patch in member.patches), default=EQUAL)


def rank(strength: Strength) -> int:
    """The class of bytes that a rule of this strength settled."""
    return 1 + strength.rank


def _base(member: Member, pieces: Sequence[Piece]) -> int:
    """What the bytes are that nothing is said of: only what is known to be equal is called so."""
    if member.shipped is None or member.rebuilt is None:
        return DIFFERENCE if member.verdict is Verdict.DIFFERENT else UNKNOWN
    if member.shipped.sha256 == member.rebuilt.sha256:
        return EQUAL
    told = all(each.offset is not None for each in member.differences) or member.unsettled
    if member.problems or not pieces or not told:
        return UNKNOWN
    return EQUAL


def _clipped(pieces: Iterable[Piece], size: int) -> list[Piece]:
    """In order, within the file, each beginning where the one before has ended."""
    found: list[Piece] = []
    end = 0
    for piece in sorted(pieces):
        start = max(piece.offset, end)
        stop = min(piece.offset + piece.length, size)
        if piece.length == 0 and piece.offset <= size:
            found.append(piece)
        elif start < stop:
            found.append(piece._replace(offset=start, length=stop - start))
            end = stop
    return found


def _over(top: list[Piece], below: list[Piece]) -> list[Piece]:
    """Both layers, the lower one only where the upper one leaves room."""
    if not top or not below:
        return top or below
    found = list(top)
    solid = [piece for piece in top if piece.length]
    at = 0
    for piece in below:
        start, end = piece.offset, piece.offset + piece.length
        if start == end:
            found.append(piece)
            continue
        while at < len(solid) and solid[at].offset + solid[at].length <= start:
            at += 1
        ahead = at
        while start < end:
            stop = solid[ahead].offset if ahead < len(solid) else end
            if start < min(stop, end):
                found.append(piece._replace(offset=start, length=min(stop, end) - start))
            if ahead == len(solid):
                break
            start = max(start, solid[ahead].offset + solid[ahead].length)
            ahead += 1
    return sorted(found)
