"""What moved between two images whose functions are paired: references that follow it.

For reports alone. A reference is known by the byte before it and by where it leads in both
images; whatever does not fit is decoded.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.program import Ints, Piece

_Span = tuple[int, int]
_Bools = NDArray[np.bool_]
_WINDOW = 8  # references before and after that tell how far data around moved
_AGREE = 3
_FIELD = 4  # bytes of a distance
_BYTES_MOST = 1 << 23  # that differ: how many are looked at, for memory
_TEXT = 16  # bytes by which two places in data are one


class Moves:
    """Pairs of functions, and by how much data moved."""

    def __init__(
        self,
        pieces: tuple[tuple[Piece, ...], tuple[Piece, ...]],
        code: tuple[Piece, Piece],
        pairs: Sequence[tuple[_Span, _Span]],
    ) -> None:
        self._pieces = pieces
        self._code = code
        self.pairs = sorted(pairs)
        self._starts = np.array([a for (a, _), _ in self.pairs], dtype=np.int64)
        self._ends = np.array([end for (_, end), _ in self.pairs], dtype=np.int64)
        self._shifts = np.array([b - a for (a, _), (b, _) in self.pairs], dtype=np.int64)
        lengths = [end - a == stop - b for (a, end), (b, stop) in self.pairs]
        self._even = np.array(lengths, dtype=np.bool_)
        self._places: Ints = np.zeros(0, dtype=np.int64)  # of references to data, sorted
        self._moved: Ints = np.zeros(0, dtype=np.int64)  # how far each moved

    def unlike(self, raw: tuple[bytes, bytes]) -> list[tuple[_Span, _Span]]:
        """The pairs that differ by more than references that moved."""
        one, other = (np.frombuffer(each, dtype=np.uint8) for each in raw)
        base, there = self._code[0].address, self._code[1].address
        owners, places, shifts = [], [], []
        unlike = set(np.flatnonzero(~self._even).tolist())
        room = _BYTES_MOST
        for index in np.flatnonzero(self._even).tolist():
            (a, end), (b, stop) = self.pairs[index]
            found = np.flatnonzero(one[a - base : end - base] != other[b - there : stop - there])
            room -= len(found)
            if room < 0:
                unlike.add(index)
            elif len(found):
                owners.append(np.full(len(found), index))
                places.append(found + (a - base))
                shifts.append(np.full(len(found), (b - there) - (a - base)))
        if places:
            at, moved = np.concatenate(places), np.concatenate(shifts)
            known = self._explained((one, other), at, moved)
            unlike |= set(np.concatenate(owners)[~known].tolist())
        return [self.pairs[index] for index in sorted(unlike)]

    def _explained(self, raw: tuple[_Raw, _Raw], at: Ints, moved: Ints) -> _Bools:
        """Which differing bytes are part of a reference that followed what it refers to."""
        self._learn(raw, at, moved)
        known = np.zeros(len(at), dtype=np.bool_)
        for back in range(_FIELD):
            fits, jumps, memory, target, lands = self._field(raw, at - back, moved)
            known |= fits & (jumps | memory) & self._follows(target, lands)
            known |= fits & memory & self._data(target, lands)
        return known

    def _field(
        self, raw: tuple[_Raw, _Raw], place: Ints, moved: Ints
    ) -> tuple[_Bools, _Bools, _Bools, Ints, Ints]:
        """Distances at `place`: whether one fits, is a jump's or of memory; where both lead.

        Intel's manual, 2A: E8, E9 and 0F 80 to 0F 8F jump; memory by distance has ModRM 00xxx101.
        """
        one, other = raw
        twin = place + moved
        fits = (place >= 2) & (place + _FIELD <= len(one)) & (twin >= 0)
        fits &= twin + _FIELD <= len(other)
        place, twin = np.where(fits, place, 2), np.where(fits, twin, 2)
        before, two = one[place - 1], one[place - 2]
        jumps = (before == 0xE8) | (before == 0xE9) | ((two == 0x0F) & (before & 0xF0 == 0x80))
        target = self._code[0].address + place + _FIELD + _word(one, place)
        lands = self._code[1].address + twin + _FIELD + _word(other, twin)
        return fits, jumps, before & 0xC7 == 0x05, target, lands

    def _learn(self, raw: tuple[_Raw, _Raw], differing: Ints, moved: Ints) -> None:
        """How far data moved, by what most references to what lies around say."""
        places, shifts = [], []
        for back in range(_FIELD):
            fits, _jumps, memory, target, lands = self._field(raw, differing - back, moved)
            kept = fits & memory & self._in_data(0, target) & self._in_data(1, lands)
            places.append(target[kept])
            shifts.append((lands - target)[kept])
        at, by = np.concatenate(places), np.concatenate(shifts)
        order = np.lexsort((by, at))
        at, by = at[order], by[order]
        agree = np.zeros(len(at), dtype=np.int64)
        for step in range(1, min(_WINDOW + 1, len(at))):
            same = by[step:] == by[:-step]
            agree[step:] += same
            agree[:-step] += same
        kept = agree >= _AGREE
        self._places, self._moved = at[kept], by[kept]

    def _in_data(self, side: int, values: Ints) -> _Bools:
        found = np.zeros(len(values), dtype=np.bool_)
        for piece in self._pieces[side]:
            if not piece.code:
                found |= (values >= piece.address) & (values < piece.end)
        return found

    def _follows(self, target: Ints, lands: Ints) -> _Bools:
        """Whether each pair of addresses is the same place of a paired function."""
        if not len(self._starts):
            return np.zeros(len(target), dtype=np.bool_)
        index = np.maximum(np.searchsorted(self._starts, target, side="right") - 1, 0)
        inside = (target >= self._starts[index]) & (target < self._ends[index])
        inside &= self._even[index] | (target == self._starts[index])
        found: _Bools = inside & (lands - target == self._shifts[index])
        return found

    def _data(self, target: Ints, lands: Ints) -> _Bools:
        """Whether each pair of addresses is as far apart as what lies around moved."""
        found = np.zeros(len(target), dtype=np.bool_)
        if len(self._places):
            index = np.searchsorted(self._places, target)
            for step in (-1, 0):
                near = np.clip(index + step, 0, len(self._places) - 1)
                found |= self._moved[near] == lands - target
        return found

    def there(self, address: int) -> int | None:
        """Where data of the rebuilt image stands in the shipped one, as what lies around tells."""
        index = min(bisect_left(self._places, address), len(self._places) - 1)
        return address + int(self._moved[index]) if index >= 0 else None

    def same(self, a: int, b: int) -> bool:
        """Whether two addresses are one thing: a paired place, or data that moved or is equal."""
        pair = np.array([a], dtype=np.int64), np.array([b], dtype=np.int64)
        if self._follows(*pair)[0] or self._data(*pair)[0]:
            return True
        mine, theirs = self._text(0, a), self._text(1, b)
        return len(mine) == _TEXT and mine == theirs and any(mine)

    def _text(self, side: int, address: int) -> bytes:
        for piece in self._pieces[side]:
            if not piece.code and piece.data is not None and piece.address <= address < piece.end:
                at = address - piece.address
                return bytes(piece.data[at : at + _TEXT])
        return b""


_Raw = NDArray[np.uint8]


def _word(raw: _Raw, at: Ints) -> Ints:
    """Signed words of four bytes, little-endian, at any places."""
    value = np.zeros(len(at), dtype=np.int64)
    for step in range(_FIELD):
        value |= raw[at + step].astype(np.int64) << (8 * step)
    result: Ints = value - ((value >> 31) << 32)
    return result
