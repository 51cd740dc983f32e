"""Random single changes of an image: one reference aimed elsewhere, or one instruction changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from verifier.semantic.layout import elf, pe, x86
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.program import VECTORS, Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled

LOADERS = {"elf": elf.load, "pe": pe.load}
_IN_PLACE = {"elf": (), "pe": (Kind.POINTER,)}  # ELF keeps pointers in its relocations
_CODE = (Kind.TAKEN, Kind.ACCESS, Kind.BRANCH, Kind.CALL, Kind.TABLE, *VECTORS)


class Mutator:
    """Makes changes of one image, from a seed."""

    def __init__(self, kind: str, data: bytes) -> None:
        self._kind = kind
        self.data = data
        self.image: Assembled = assemble(LOADERS[kind](memoryview(data)), x86.decode)
        image = self.image
        kinds = (*_CODE, *_IN_PLACE[kind])
        self._slots = [
            index
            for index, (at, each) in enumerate(
                zip(image.slots.at.tolist(), image.slots.kind.tolist(), strict=True)
            )
            if each in kinds and self._offset(at) >= 0
        ]
        self._targets = sorted(set(image.slots.target.tolist()))
        does = image.flows != x86.Flow.PADS
        places = image.instructions.tolist()
        self._code = [
            (at, end - at)
            for at, end, real in zip(places, [*places[1:], places[-1] + 1], does, strict=True)
            if real and end - at < 16
        ]

    def change(self, seed: int) -> tuple[bytes, str]:
        """The changed image, and what was changed."""
        chance = random.Random(seed)
        return self._reference(chance) if chance.random() < 0.6 else self._instruction(chance)

    def _offset(self, address: int) -> int:
        """The file offset of an address; -1 where the file has none."""
        piece = self.image.piece_at(address)
        if piece is None or piece.data is None or not piece.content:
            return -1
        if self._kind == "elf":
            return _elf_offset(self.data, address)
        return _pe_offset(self.data, address)

    def _reference(self, chance: random.Random) -> tuple[bytes, str]:
        slots = self.image.slots
        while True:
            index = chance.choice(self._slots)
            at, old = int(slots.at[index]), int(slots.target[index])
            near = [old + step for step in (-16, -8, -4, -1, 1, 4, 8, 16)]
            new = chance.choice([*near, *chance.choices(self._targets, k=8)])
            size = int(slots.size[index])
            where = self._offset(at)
            raw = int.from_bytes(self.data[where : where + size], "little", signed=True)
            wanted = raw + new - old
            if new == old or not -(1 << (8 * size - 1)) <= wanted < 1 << (8 * size - 1):
                continue
            changed = bytearray(self.data)
            changed[where : where + size] = wanted.to_bytes(size, "little", signed=True)
            return bytes(changed), f"{at:#x} leads to {new:#x} instead of {old:#x}"

    def _instruction(self, chance: random.Random) -> tuple[bytes, str]:
        while True:
            at, size = chance.choice(self._code)
            place = at + chance.randrange(size)
            where = self._offset(place)
            if where < 0:
                continue
            changed = bytearray(self.data)
            changed[where] ^= 1 << chance.randrange(8)
            return bytes(changed), f"the instruction at {at:#x} changed at {place:#x}"


def _elf_offset(data: bytes, address: int) -> int:
    count = int.from_bytes(data[56:58], "little")
    for at in range(64, 64 + 56 * count, 56):
        kind = int.from_bytes(data[at : at + 4], "little")
        offset, start, _other, size = (
            int.from_bytes(data[at + 8 + 8 * n : at + 16 + 8 * n], "little") for n in range(4)
        )
        if kind == 1 and start <= address < start + size:
            return offset + address - start
    return -1


def _pe_offset(data: bytes, address: int) -> int:
    nt = int.from_bytes(data[0x3C:0x40], "little")
    count = int.from_bytes(data[nt + 6 : nt + 8], "little")
    table = nt + 24 + int.from_bytes(data[nt + 20 : nt + 22], "little")
    for at in range(table, table + 40 * count, 40):
        _size, start, stored, offset = (
            int.from_bytes(data[at + 8 + 4 * n : at + 12 + 4 * n], "little") for n in range(4)
        )
        if start <= address < start + stored:
            return offset + address - start
    return -1
