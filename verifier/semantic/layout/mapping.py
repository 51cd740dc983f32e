"""The map between two images as sorted arrays, and where it sends an address."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent
    from verifier.semantic.layout.program import Ints, Piece

NOWHERE = -1
_MARGIN = 16  # bytes behind an empty list that code names, and does not read
_STEPS = (1, 2, 4, 8, 16, 32, 64)  # alignments of a symbol at the end of a section
_NEAR = 1 << 12  # bytes that a biased base may lie before its object


class Mapping:
    """Sends addresses of `one` to addresses of `other`."""

    def __init__(self, one: Assembled, other: Assembled, extents: Sequence[Extent]) -> None:
        table = np.array(sorted(extents), dtype=np.int64).reshape(-1, 3)
        self.a, self.b, self.length = table[:, 0], table[:, 1], table[:, 2]
        self._a: list[int] = self.a.tolist()
        self._b: list[int] = self.b.tolist()
        self._length: list[int] = self.length.tolist()
        self._twins = {piece.name: piece for piece in other.program.pieces}
        self._images = one, other
        self._first = [
            min((piece.address for piece in image.program.pieces), default=0)
            for image in (one, other)
        ]
        self._ends: dict[int, list[Piece]] = {}
        for piece in one.program.pieces:
            self._ends.setdefault(piece.end, []).append(piece)
        self._starts = {piece.address: piece for piece in one.program.pieces if piece.size}
        self._order = sorted(self._ends)
        self._begins = tuple(
            sorted(piece.address for piece in image.program.pieces if piece.size)
            for image in (one, other)
        )
        self._marks = one.program.marks
        self._places = {name: place for place, name in other.program.marks.items()}

    def all(self, addresses: Ints) -> Ints:
        """Where the extents send each address; NOWHERE outside of them."""
        if not len(self.a):
            return np.full(len(addresses), NOWHERE, dtype=np.int64)
        index = np.searchsorted(self.a, addresses, side="right") - 1
        place = np.maximum(index, 0)
        inside = (index >= 0) & (addresses < self.a[place] + self.length[place])
        return np.where(inside, self.b[place] + addresses - self.a[place], NOWHERE)

    def one(self, address: int) -> int:
        """As `all`, for a single address."""
        index = bisect_right(self._a, address) - 1
        if index < 0 or address >= self._a[index] + self._length[index]:
            return NOWHERE
        return self._b[index] + address - self._a[index]

    def extent(self, address: int) -> int:
        """The index of the extent that holds an address; NOWHERE outside of them."""
        index = int(np.searchsorted(self.a, address, side="right")) - 1
        if index < 0 or address >= int(self.a[index] + self.length[index]):
            return NOWHERE
        return index

    def edge(self, address: int) -> set[int]:
        """Where an address goes that is the start or the end of a section in both images."""
        return self.first(address) | self.last(address)

    def first(self, address: int) -> set[int]:
        """Where an address goes that is the start of a section, or of the image."""
        found = set()
        if (piece := self._starts.get(address)) and piece.name in self._twins:
            found.add(self._twins[piece.name].address)
        if address == 0:
            found.add(0)
        return found

    def last(self, address: int) -> set[int]:
        """Where an address goes that is the end of a section, as it is or aligned in the gap."""
        found = set()
        if (mark := self._marks.get(address)) and mark in self._places:
            found.add(self._places[mark])
        index = bisect_right(self._order, address) - 1
        if index >= 0 and _aligned(self._order[index], address):
            for piece in self._ends[self._order[index]]:
                if piece.name in self._twins and self._empty(address, piece.end, 0):
                    end = self._twins[piece.name].end
                    ups = {-(-end // step) * step for step in _STEPS}
                    found |= {up for up in ups if self._empty(up, end, 1)}
        return found

    def margin(self, address: int) -> set[int]:
        """Where an address of a PE image goes that lies in the headers, or just after a section."""
        one, twin = self._images
        if not one.program.relative or one.piece_at(address) is not None:
            return set()
        found = {address} if address < min(self._first) else set()
        for piece in one.program.pieces:
            if piece.end <= address < piece.end + _MARGIN and piece.name in self._twins:
                there = self._twins[piece.name].end + address - piece.end
                found |= {there} if twin.piece_at(there) is None else set()
        return found

    def unmapped(self, start: int, size: int, shift: int) -> bool:
        """Whether sections without a map that reach into a range moved by `shift` as well."""
        return all(
            piece.name in self._twins and self._twins[piece.name].address - address == shift
            for address, piece in self._starts.items()
            if not piece.content and address < start + size and piece.end > start
        )

    def _empty(self, address: int, end: int, which: int) -> bool:
        """Whether an address is `end`, or lies behind it where no section is."""
        begin = self._begins[which]
        place = bisect_left(begin, end)
        return address == end or place >= len(begin) or address < begin[place]

    def after(self, address: int) -> set[int]:
        """Where an address goes that is the end of an extent (one past an object)."""
        index = int(np.searchsorted(self.a, address, side="left")) - 1
        if index >= 0 and int(self.a[index] + self.length[index]) == address:
            return {int(self.b[index] + self.length[index])}
        return set()

    def before(self, address: int) -> set[int]:
        """Where an address goes that lies shortly before an extent (a biased base)."""
        index = int(np.searchsorted(self.a, address, side="right"))
        if index < len(self.a) and int(self.a[index]) - address <= _NEAR:
            return {int(self.b[index]) - (int(self.a[index]) - address)}
        return set()


def _aligned(end: int, address: int) -> bool:
    """Whether `address` is `end` aligned to a small power of two."""
    return any(-(-end // step) * step == address for step in _STEPS)
