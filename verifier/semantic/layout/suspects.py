"""Numbers that may be references nobody declared: each is an assumption of the map.

A self-relative word (`.long f - .`), a word relative to a table or to the image, left as it is
while what it points at moved, would make the shipped program another one. Such words are found
by reading each aligned word outside of slots all three ways and asking whether it hits the start
of code that moved by another distance than the word itself. Behind an address that functions with
computed jumps take, any instruction is hit as well as a start: a jump table may reach further
than its slots. Numbers of which all lead to where data begins are a table of texts (LLVM,
RelLookupTableConverter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import chance
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.mapping import NOWHERE
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.mapping import Mapping
    from verifier.semantic.layout.program import Ints, Piece

_SHOWN = 16
_TABLE = 16  # bytes between two entries of a table
_HOPS = 3  # direct jumps between the parts of one function

Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]


def find(image: Assembled, mapping: Mapping) -> tuple[list[str], list[str]]:
    """(faults, assumptions): such words side by side, in a table of them, are no chance."""
    faults: list[str] = []
    found: list[str] = []
    taken = np.isin(image.slots.kind, (Kind.TAKEN, Kind.INDEXED))
    bases = np.unique(image.slots.target[taken])
    jumping = _jumping(image)
    objects = image.program.objects.items()
    edges = [edge for start, size in objects for edge in (start, start + size)]
    known = np.unique(np.concatenate([image.slots.target, np.array(edges, dtype=np.int64)]))
    for piece in image.program.pieces:
        if piece.content and not piece.code and piece.data is not None and piece.size >= 4:
            for what, places, targets, rows in _piece(image, mapping, piece, bases, jumping, known):
                faults += _sentences(image, what, places[rows], targets[rows])
                found += _sentences(image, what, places[~rows], targets[~rows])
    if len(found) > _SHOWN:
        found = [*found[:_SHOWN], f"{len(found) - _SHOWN} more words may be references."]
    return faults[:_SHOWN], found


def _sentences(image: Assembled, what: str, places: Ints, targets: Ints) -> list[str]:
    return [
        f"The word at {image.program.label(at)} may be a distance {what} to "
        f"{image.program.label(to)}, which moved."
        for at, to in zip(places.tolist(), targets.tolist(), strict=True)
    ]


def _piece(
    image: Assembled, mapping: Mapping, piece: Piece, bases: Ints, jumping: Ints, known: Ints
) -> Iterator[tuple[str, Ints, Ints, Bools]]:
    """For each way of reading: its name, suspect words, what they hit, which are in a table."""
    first = -piece.address % 4
    count = (piece.size - first) // 4
    masked = image.masked[piece.name]
    words = np.frombuffer(masked, dtype="<i4", count=count, offset=first).astype(np.int64)
    places = piece.address + first + 4 * np.arange(count, dtype=np.int64)
    used = words != 0
    words, places = words[used], places[used]
    moved = mapping.all(places)
    owners = np.searchsorted(bases, places, side="right") - 1
    owner = bases[np.maximum(owners, 0)] if len(bases) else places
    readings = [
        ("from itself", places, moved),
        ("from the table before it", owner, mapping.all(owner)),
    ]
    if image.program.relative:
        readings.append(("from the image's start", np.zeros_like(places), np.zeros_like(places)))
    for what, base, there in readings:
        target = base + words
        hits = _among(image.starts, target)
        inner = np.zeros(len(places), dtype=np.bool_)
        if base is owner:
            texts = _texts(image, known, base, places, target)
            inner = _among(jumping, base) & _among(image.instructions, target) & ~hits & ~texts
            hits |= texts
        expected = mapping.all(target)
        apart = (there != NOWHERE) & (expected != NOWHERE) & (expected - there != words)
        wrong = (hits | inner) & apart
        if not np.any(wrong):
            continue
        table = _beside(places, wrong)
        if base is owner:
            group = np.searchsorted(known, places, side="right")
            table &= chance.tabled(group, places, hits) | chance.continued(
                image, base, places, hits | inner
            )
        yield what, places[wrong], target[wrong], table[wrong]


def _beside(places: Ints, hits: Bools) -> Bools:
    """Those hits that have another one near by."""
    at = np.flatnonzero(hits)
    near = np.diff(places[at]) <= _TABLE
    found = np.zeros(len(places), dtype=np.bool_)
    found[at] = np.concatenate([near, [False]]) | np.concatenate([[False], near])
    return found


def _among(known: Ints, addresses: Ints) -> Bools:
    """Which addresses are among the known ones, which are in order."""
    if not len(known):
        return np.zeros(len(addresses), dtype=np.bool_)
    index = np.minimum(np.searchsorted(known, addresses), len(known) - 1)
    found: Bools = known[index] == addresses
    return found


def _jumping(image: Assembled) -> Ints:
    """Addresses that are taken by functions, or parts of them, that jump through a register."""
    slots = image.slots
    jumps = np.array(image.indirect, dtype=np.int64)
    last = [np.int64(FARTHEST)]
    following = np.append(slots.at, last)[np.searchsorted(slots.at, jumps)]
    after = np.searchsorted(image.instructions, jumps, side="right")
    computed = jumps[following >= np.append(image.instructions, last)[after]]  # not by a slot
    parts = np.unique(_parts(image, computed))
    branches = slots.kind == Kind.BRANCH
    sources, targets = (_parts(image, each[branches]) for each in (slots.at, slots.target))
    for _ in range(_HOPS):
        linked = np.isin(sources, parts) | np.isin(targets, parts)
        parts = np.unique(np.concatenate([parts, sources[linked], targets[linked]]))
    taken = np.isin(slots.kind, (Kind.TAKEN, Kind.INDEXED))
    return np.unique(slots.target[taken][np.isin(_parts(image, slots.at[taken]), parts)])


def _parts(image: Assembled, addresses: Ints) -> Ints:
    """The numbers of the code atoms that hold addresses."""
    return np.searchsorted(image.starts, addresses, side="right")


def _texts(image: Assembled, known: Ints, base: Ints, places: Ints, target: Ints) -> Bools:
    """Which words are one of a table of distances to texts or objects: all that it holds are."""
    group = np.searchsorted(known, places, side="right")
    mine = np.flatnonzero((group > 0) & (known[np.maximum(group - 1, 0)] == base))
    good = np.zeros(len(places), dtype=np.bool_)
    good[mine] = _begins(image, target[mine])
    counts = np.bincount(group, minlength=len(known) + 1)
    whole = (np.bincount(group[good], minlength=len(known) + 1) == counts) & (counts > 1)
    found: Bools = good & whole[group]
    return found


def _begins(image: Assembled, addresses: Ints) -> Bools:
    """Whether something that is not zero follows a zero, or the start of a section, there."""
    found = np.zeros(len(addresses), dtype=np.bool_)
    for piece in image.program.pieces:
        if piece.content and not piece.code and piece.data is not None:
            raw = np.frombuffer(b"\0" + image.masked[piece.name], dtype=np.uint8)
            inside = np.flatnonzero((addresses >= piece.address) & (addresses < piece.end))
            at = addresses[inside] - piece.address
            found[inside] = (raw[at] == 0) & (raw[at + 1] != 0)
    return found
