"""Whether something can begin where a map cuts data: a reference, a symbol or an end says so."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Piece


class Begins:
    """Look-ups for one image."""

    def __init__(self, image: Assembled) -> None:
        self._image = image
        program = image.program
        self._known = {*image.slots.target.tolist(), *program.objects, *program.names}
        self._known.update(program.tables)
        self._objects = sorted(program.objects.items())

    def at(self, address: int, piece: Piece) -> bool:
        """Whether something is known to begin at an address, or a zero or a reference ends there.

        A text is so never cut inside, nor a number that fills its bytes: two texts that begin
        alike could otherwise exchange their beginnings, and each reference still fit.
        """
        place = address - piece.address
        masked = self._image.masked.get(piece.name)
        return address in self._known or masked is None or not place or not masked[place - 1]

    def rest(self, address: int) -> int:
        """How many bytes of an object that begins before an address lie from there on."""
        index = bisect_left(self._objects, (address,)) - 1
        return max(sum(self._objects[index]) - address, 0) if index >= 0 else 0

    def told(self, address: int) -> bool:
        """Whether a reference or a symbol says that something begins at an address."""
        return address in self._known

    def zeros(self, address: int, piece: Piece, most: int) -> int:
        """How many zeros stand at an address, `most` at most, without references among them."""
        place = address - piece.address
        raw = self._image.masked[piece.name][place : place + most]
        count = len(raw) - len(raw.lstrip(b"\0"))
        slots = self._image.slots
        first = slots.between(address, address + count)
        return int(slots.at[first.start]) - address if first.start < first.stop else count
