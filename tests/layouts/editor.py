"""Change an image as an adversary would: one reference, one table entry, one field at a time."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import lief

from tests.layouts import builds, places, rich
from tests.layouts.twins import unsummed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind


class Editor:
    """The bytes of an image, addressed as it is loaded (relative to its base)."""

    def __init__(self, kind: Kind, path: Path, named: Path) -> None:
        self.kind = kind
        self.path = path
        self.data = bytearray(unsummed(path.read_bytes(), kind))
        self.symbols = places.addresses(kind, named)
        self.image = places.image(path)
        self.sections = {str(each.name): each for each in self.image.sections}
        self.base = places.base(path)

    def offset(self, address: int) -> int:
        """Where a loaded address stands in the file."""
        for section in self.sections.values():
            start = section.virtual_address
            inside = start <= address < start + max(section.size, 1)
            if start and inside and str(section.name) not in (".bss", ".tbss"):
                return section.offset + address - start
        raise AssertionError(f"{address:#x} is not in {self.path}")

    def word(self, address: int, size: int = 0) -> int:
        """A number in the image, as wide as an address where no size is given."""
        size = size or self.kind.word
        at = self.offset(address)
        return int.from_bytes(self.data[at : at + size], "little", signed=size == 4)

    def put(self, address: int, value: int, size: int = 0) -> None:
        size = size or self.kind.word
        at = self.offset(address)
        self.data[at : at + size] = (value % (1 << (8 * size))).to_bytes(size, "little")

    def write(self, address: int, raw: bytes) -> None:
        at = self.offset(address)
        self.data[at : at + len(raw)] = raw

    def swap(self, one: int, other: int, size: int = 0) -> None:
        """Exchange two fields at addresses."""
        first, second = self.word(one, size), self.word(other, size)
        assert first != second
        self.put(one, second, size)
        self.put(other, first, size)

    def swap_at(self, one: int, other: int, size: int) -> None:
        """Exchange two fields at file offsets."""
        data = self.data
        first, second = data[one : one + size], data[other : other + size]
        assert first != second
        data[one : one + size], data[other : other + size] = second, first

    def put_at(self, offset: int, value: int, size: int) -> None:
        before = bytes(self.data[offset : offset + size])
        self.data[offset : offset + size] = value.to_bytes(size, "little")
        assert bytes(self.data[offset : offset + size]) != before

    def symbol(self, name: str) -> int:
        return self.symbols[name]

    def end(self, name: str) -> int:
        """Where the next symbol after a function begins."""
        start = self.symbol(name)
        return min(each for each in self.symbols.values() if each > start)

    def reference(self, function: str, target: int) -> int:
        """The address of the distance by which a function's code refers to `target`.

        In 32-bit code it may also be the target's address itself.
        """
        start, end = self.symbol(function), self.end(function)
        places = range(start, end - 3)
        found = [at for at in places if self.word(at, 4) + at + 4 == target]
        if self.kind.word == 4:
            found += [at for at in places if self.word(at, 4) == target + self.base]
        assert found, f"{function} does not refer to {target:#x}"
        return found[0]

    def retarget(self, function: str, target: int, wanted: int) -> None:
        """Aim a function's reference at another address."""
        self.aim(self.reference(function, target), wanted - target)

    def aim(self, place: int, distance: int) -> None:
        """Let a reference lead so many bytes further on."""
        self.put(place, self.word(place, 4) + distance, 4)

    def text(self, text: str, section: str) -> int:
        """The address of a text in a section."""
        one = self.sections[section]
        at = self.data.index(text.encode() + b"\0", one.offset)
        return one.virtual_address + at - one.offset

    def header(self, number: int) -> int:
        """The offset of the first program header of a type (ELF)."""
        for at in range(64, 64 + 56 * struct.unpack_from("<H", self.data, 56)[0], 56):
            if struct.unpack_from("<I", self.data, at)[0] == number:
                return at
        raise AssertionError(number)

    def dynamic(self, tag: int) -> int:
        """The offset of the value of a dynamic entry (ELF)."""
        section = self.sections[".dynamic"]
        for at in range(section.offset, section.offset + section.size, 16):
            if struct.unpack_from("<Q", self.data, at)[0] == tag:
                return at + 8
        raise AssertionError(tag)

    def relocation(self, section: str, place: int) -> int:
        """The offset of the relocation of a place (ELF)."""
        table = self.sections[section]
        for at in range(table.offset, table.offset + table.size, 24):
            if struct.unpack_from("<Q", self.data, at)[0] == place:
                return at
        raise AssertionError(hex(place))

    def rows(self, section: str, size: int) -> list[int]:
        """Offsets of the entries of a table."""
        table = self.sections[section]
        return list(range(table.offset, table.offset + table.size, size))

    def dynamic_symbol(self, name: str) -> int:
        """The offset of a dynamic symbol (ELF)."""
        assert isinstance(self.image, lief.ELF.Binary)
        names = [str(each.name) for each in self.image.dynamic_symbols]
        return self.rows(".dynsym", 24)[names.index(name)]

    def directory(self, number: int) -> int:
        """The offset of a data directory (PE)."""
        return self.optional(96 if self.kind.word == 4 else 112) + 8 * number

    def optional(self, place: int) -> int:
        """The offset of a field of the optional header (PE)."""
        return int.from_bytes(self.data[0x3C:0x40], "little") + 24 + place

    def rva(self, number: int) -> int:
        return int.from_bytes(self.data[self.directory(number) :][:4], "little")

    def frames(self) -> list[int]:
        """Offsets of the functions' entries of the unwind table; of a PE image under its number."""
        at = self.sections[".eh_frame" if ".eh_frame" in self.sections else "/4"].offset
        found = []
        while length := struct.unpack_from("<I", self.data, at)[0]:
            if struct.unpack_from("<I", self.data, at + 4)[0]:
                found.append(at)
            at += 4 + length
        return found


def of_rich(kind: Kind, *, turned: bool, bare: bool, table: bool = False) -> Editor:
    """The small library, to be changed."""
    path = rich.library(kind, turned=turned, bare=bare, table=table)
    named = rich.library(kind, turned=turned, bare=False, table=table)
    return Editor(kind, path, named)


__all__ = ["Editor", "builds", "of_rich"]
