"""Objects laid out and relocated here, so that their code reads like that of an image.

psABI x86-64, i386, AAELF64, AAELF32: relocation types. What no section defines gets a place
behind all sections. Types that are not known here leave their bytes as they are.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.formats.elf.header import SHF_ALLOC, SHT_REL, SHT_RELA
from verifier.semantic.layout.program import Kind, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image
    from verifier.semantic.layout.program import Program
    from verifier.semantic.layout.unproven import Symbol

_BASE = 0x10000
_SIZE_MOST = 1 << 30  # bytes of all sections: every distance fits 32 bits
_ALIGN_MOST = 1 << 16
_ROOM = 16  # bytes of a place for what no section defines
EXTERN = "extern"
# How a relocation writes S + A: absolute or relative to its place, and how many bytes.
_PLAIN = {
    62: {1: ("abs", 8), 2: ("pc", 4), 4: ("pc", 4), 9: ("pc", 4), 10: ("abs", 4), 11: ("abs", 4),
         19: ("pc", 4), 20: ("pc", 4), 21: ("abs", 4), 22: ("pc", 4), 23: ("abs", 4),
         24: ("pc", 8), 26: ("pc", 4), 41: ("pc", 4), 42: ("pc", 4)},
    3: {1: ("abs", 4), 2: ("pc", 4), 3: ("abs", 4), 4: ("pc", 4), 9: ("abs", 4), 10: ("pc", 4),
        14: ("abs", 4), 15: ("abs", 4), 16: ("abs", 4), 17: ("abs", 4), 18: ("abs", 4),
        32: ("abs", 4), 43: ("abs", 4)},
    183: {257: ("abs", 8), 258: ("abs", 4), 260: ("pc", 8), 261: ("pc", 4)},
    40: {2: ("abs", 4), 3: ("pc", 4), 24: ("abs", 4), 25: ("pc", 4), 26: ("abs", 4),
         38: ("abs", 4), 42: ("pc", 4), 96: ("pc", 4), 104: ("abs", 4), 105: ("abs", 4),
         106: ("abs", 4), 107: ("abs", 4), 108: ("abs", 4)},
}  # fmt: skip
# AArch64 instructions: bits of the field's start and width, right shift of the value, page or not.
_FIELDS = {
    274: ("adr", 0), 275: ("adr", 12), 276: ("adr", 12), 311: ("adr", 12), 541: ("adr", 12),
    562: ("adr", 12), 277: ("low", 0), 278: ("low", 0), 284: ("low", 1), 285: ("low", 2),
    286: ("low", 3), 299: ("low", 4), 312: ("low", 3), 542: ("low", 3), 563: ("low", 3),
    564: ("low", 0), 549: ("low", 0), 550: ("low", 0), 551: ("low", 0), 279: (5, 14),
    280: (5, 19), 282: (0, 26), 283: (0, 26),
}  # fmt: skip
_DECODED = {
    62: {2, 4, 9, 19, 20, 22, 26, 41, 42},
    3: {2, 4},
    40: {3, 25, 96},
}  # in code: decoders find these
_THUMB = {10, 30}
_ARM = {1, 27, 28, 29}


def place(image: Image) -> dict[int, int]:
    """An address for each allocated section, by its number, in their order.

    Raises:
        LimitError: they take more room than distances of 32 bits reach.
    """
    at = _BASE
    found = {}
    for section in image.sections:
        if section.flags & SHF_ALLOC:
            align = min(max(section.align, 16), _ALIGN_MOST)
            at = -(-at // align) * align
            found[section.number] = at
            at += section.size
            if at > _SIZE_MOST:
                raise LimitError("The sections of an object take more than 1 GiB")
    return found


def entries(data: Buffer, image: Image, section: Section) -> Iterator[tuple[int, int, int, int]]:
    """(offset, type, number of the symbol, addend or 0) of each relocation."""
    wide, explicit = image.header.shape.bits == 64, section.type == SHT_RELA
    form = struct.Struct(("<QQ" if wide else "<II") + (("q" if wide else "i") if explicit else ""))
    raw = bytes(data[section.offset : section.offset + section.length])
    if len(raw) % form.size:
        raise ParseError(f"{section.label} does not hold whole relocations", section.offset)
    for at, info, *rest in form.iter_unpack(raw):
        kind, number = (info & 0xFFFFFFFF, info >> 32) if wide else (info & 255, info >> 8)
        yield at, kind, number, rest[0] if rest else 0


def resolve(
    data: Buffer,
    image: Image,
    program: Program,
    placed: dict[int, int],
    symbols: dict[int, list[Symbol]],
) -> list[tuple[int, int, int, int, int]]:
    """Relocate the program's pieces; the slots of words, which no decoder finds."""
    rows: list[tuple[int, int, int, int, int]] = []
    outside = _Outside(program)
    contents = {
        piece.address: bytearray(piece.data) for piece in program.pieces if piece.data is not None
    }
    code = {piece.address for piece in program.pieces if piece.code}
    for section in image.sections:
        if section.type in (SHT_REL, SHT_RELA) and placed.get(section.info) in contents:
            base = placed[section.info]
            writer = _Writer(
                image.header.machine, contents[base], base, outside, rows, code=base in code
            )
            table = symbols.get(section.link, [])
            for at, kind, number, addend in entries(data, image, section):
                if number < len(table):
                    extra = None if section.type == SHT_REL else addend
                    writer.write(at, kind, table[number], extra)
    program.pieces = tuple(
        piece
        if piece.data is None
        else piece._replace(data=memoryview(bytes(contents[piece.address])))
        for piece in program.pieces
    )
    outside.finish()
    return rows


class _Outside:
    """Places for symbols that no section of the object defines."""

    def __init__(self, program: Program) -> None:
        self._program = program
        end = max((piece.end for piece in program.pieces), default=_BASE)
        self.start = -(-end // 4096) * 4096
        self._known: dict[str, int] = {}

    def at(self, name: str) -> int:
        """The place of a name."""
        return self._known.setdefault(name, self.start + _ROOM * len(self._known))

    def finish(self) -> None:
        if self._known:
            size = _ROOM * len(self._known)
            piece = Piece(EXTERN, self.start, size, None)
            self._program.pieces = (*self._program.pieces, piece)
            for name, at in self._known.items():
                self._program.names[at] = [name]


class _Writer:
    """Relocates one section."""

    def __init__(
        self,
        machine: int,
        raw: bytearray,
        base: int,
        outside: _Outside,
        rows: list[tuple[int, int, int, int, int]],
        *,
        code: bool,
    ) -> None:
        self._machine, self._raw, self._base, self._code = machine, raw, base, code
        self._outside, self._rows = outside, rows

    def write(self, at: int, kind: int, symbol: Symbol, addend: int | None) -> None:
        """One relocation; `addend` is None where the bytes themselves hold it."""
        value = symbol.address if symbol.address >= 0 else self._outside.at(symbol.name)
        if kind in _PLAIN[self._machine]:
            how, size = _PLAIN[self._machine][kind]
            if at + size > len(self._raw):
                raise ParseError("A relocation leaves its section")
            if addend is None:
                addend = int.from_bytes(self._raw[at : at + size], "little", signed=True)
            if self._machine == 40 and symbol.kind == 2:
                value &= ~1
            target = value + addend
            self._put(at, size, target - self._base - at if how == "pc" else target)
            if not (self._code and kind in _DECODED.get(self._machine, ())):
                self._rows.append((self._base + at, size, int(Kind.POINTER), target, 0))
        elif at + 4 > len(self._raw):
            raise ParseError("A relocation leaves its section")
        elif self._machine == 183 and kind in _FIELDS:
            got = 300 <= kind < 600
            if got and symbol.address % 8:
                value = self._outside.at(f"{symbol.name}@got")
            self._a64(at, kind, value + (addend or 0))
        elif self._machine == 40 and kind in _ARM | _THUMB:
            self._arm(at, kind, value & ~1)

    def _put(self, at: int, size: int, value: int) -> None:
        self._raw[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")

    def _a64(self, at: int, kind: int, target: int) -> None:
        first, width = _FIELDS[kind]
        word = int.from_bytes(self._raw[at : at + 4], "little")
        here = self._base + at
        if first == "adr":
            value = (target >> width) - (here >> width)
            word = word & 0x9F00001F | (value & 3) << 29 | (value >> 2 & 0x7FFFF) << 5
        elif first == "low":
            word = word & ~(0xFFF << 10) | ((target & 0xFFF) >> width) << 10
        else:
            assert isinstance(first, int)
            mask = (1 << width) - 1
            word = word & ~(mask << first) | (((target - here) >> 2) & mask) << first
        self._put(at, 4, word)

    def _arm(self, at: int, kind: int, target: int) -> None:
        """Branches of 24 bits; AAELF32 4.6.1.6 and .7. A call's own addend is that of its pc."""
        here = self._base + at
        if kind in _ARM:
            word = int.from_bytes(self._raw[at : at + 4], "little")
            self._put(at, 4, word & 0xFF000000 | ((target - here - 8) >> 2) & 0xFFFFFF)
            return
        distance = target - here - 4
        first, second = struct.unpack_from("<HH", self._raw, at)
        sign, one, two = (distance >> bit & 1 for bit in (24, 23, 22))
        first = first & 0xF800 | sign << 10 | distance >> 12 & 0x3FF
        second = second & 0xD000 | (1 ^ one ^ sign) << 13 | (1 ^ two ^ sign) << 11
        second |= distance >> 1 & 0x7FF
        struct.pack_into("<HH", self._raw, at, first, second)
