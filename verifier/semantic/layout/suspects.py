"""Numbers that may be references nobody declared: each is an assumption of the map.

A self-relative word (`.long f - .`), a word relative to a table or to the image, left as it is
while what it points at moved, would make the shipped program another one. Such words are found
by reading each aligned word outside of slots all three ways and asking whether it hits the start
of code that moved by another distance than the word itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.mapping import NOWHERE
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.mapping import Mapping
    from verifier.semantic.layout.program import Ints, Piece

_SHOWN = 16
_TABLE = 16  # bytes between two entries of a table


def find(image: Assembled, mapping: Mapping) -> tuple[list[str], list[str]]:
    """(faults, assumptions): two such words side by side are a table, one may be chance."""
    faults: list[str] = []
    found: list[str] = []
    bases = np.unique(image.slots.target[image.slots.kind == Kind.TAKEN])
    for piece in image.program.pieces:
        if piece.content and not piece.code and piece.data is not None and piece.size >= 4:
            for what, places, targets in _piece(image, mapping, piece, bases):
                near = np.diff(places) <= _TABLE
                rows = np.concatenate([near, [False]]) | np.concatenate([[False], near])
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
    image: Assembled, mapping: Mapping, piece: Piece, bases: Ints
) -> Iterator[tuple[str, Ints, Ints]]:
    """For each way of reading: its name, the words that it makes suspect, what they hit."""
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
        hits = _begins(image, target) & (there != NOWHERE)
        expected = mapping.all(target)
        wrong = hits & (expected != NOWHERE) & (expected - there != words)
        if np.any(wrong):
            yield what, places[wrong], target[wrong]


def _begins(image: Assembled, addresses: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(image.starts):
        return np.zeros(len(addresses), dtype=np.bool_)
    index = np.minimum(np.searchsorted(image.starts, addresses), len(image.starts) - 1)
    begins: np.ndarray[tuple[int], np.dtype[np.bool_]] = image.starts[index] == addresses
    return begins
