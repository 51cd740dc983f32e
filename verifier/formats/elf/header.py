"""ELF headers as plain tuples: identification, file header, program and section headers.

System V ABI (gABI), chapters 4 and 5; elf(5). Both classes, both byte orders.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from verifier.content import Buffer

MAGIC: Final = b"\x7fELF"

ET_REL: Final = 1
PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_INTERP: Final = 3
PT_NOTE: Final = 4
PF_X: Final = 1
SHT_PROGBITS: Final = 1
SHT_SYMTAB: Final = 2
SHT_STRTAB: Final = 3
SHT_RELA: Final = 4
SHT_DYNAMIC: Final = 6
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_REL: Final = 9
SHT_DYNSYM: Final = 11
SHT_GROUP: Final = 17
SHT_VERDEF: Final = 0x6FFFFFFD
SHT_VERNEED: Final = 0x6FFFFFFE
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4
SHF_STRINGS: Final = 0x20
SHF_TLS: Final = 0x400
SHF_COMPRESSED: Final = 0x800

IDENT: Final = (
    ("EI_MAG", 4),
    ("EI_CLASS", 1),
    ("EI_DATA", 1),
    ("EI_VERSION", 1),
    ("EI_OSABI", 1),
    ("EI_ABIVERSION", 1),
    ("EI_PAD", 7),
)
# fmt: off
_FILE = ("e_type", "e_machine", "e_version", "e_entry", "e_phoff", "e_shoff", "e_flags",
         "e_ehsize", "e_phentsize", "e_phnum", "e_shentsize", "e_shnum", "e_shstrndx")
_SEGMENT_32 = ("p_type", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_flags",
               "p_align")
_SEGMENT_64 = ("p_type", "p_flags", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz",
               "p_align")
_SECTION = ("sh_name", "sh_type", "sh_flags", "sh_addr", "sh_offset", "sh_size", "sh_link",
            "sh_info", "sh_addralign", "sh_entsize")
# fmt: on


class Shape(NamedTuple):
    """How the structures of one ELF class and byte order lie in the file."""

    order: str  # of `struct`
    bits: int
    file: tuple[tuple[str, int], ...]
    segment: tuple[tuple[str, int], ...]
    section: tuple[tuple[str, int], ...]
    codes: tuple[struct.Struct, struct.Struct, struct.Struct]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Bytes of the file header, of a program header and of a section header."""
        return 16 + self.codes[0].size, self.codes[1].size, self.codes[2].size


class Segment(NamedTuple):
    """One program header."""

    number: int
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class Section(NamedTuple):
    """One section header; `label` is its name made unique and safe to show."""

    number: int
    label: str
    name: bytes
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int

    @property
    def length(self) -> int:
        """Bytes of the file that the section takes."""
        return 0 if self.type in {0, SHT_NOBITS} else self.size


class Header(NamedTuple):
    """The file header; counts are those after resolving the extended numbering of section 0."""

    shape: Shape
    type: int
    machine: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    phnum: int
    shnum: int
    shstrndx: int


def _shape(bits: int, order: str) -> Shape:
    codes = (
        ("HHIIIIIHHHHHH", "8I", "10I")
        if bits == 32
        else ("HHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ")
    )
    segment = _SEGMENT_32 if bits == 32 else _SEGMENT_64
    sized = [
        tuple(
            (name, struct.calcsize("=" + one))
            for name, one in zip(names, _letters(code), strict=True)
        )
        for names, code in zip((_FILE, segment, _SECTION), codes, strict=True)
    ]
    structs = [struct.Struct(order + code) for code in codes]
    return Shape(order, bits, sized[0], sized[1], sized[2], (structs[0], structs[1], structs[2]))


def _letters(code: str) -> str:
    return {"8I": "I" * 8, "10I": "I" * 10}.get(code, code)


SHAPES: Final = {
    (kind, order): _shape(bits, mark)
    for kind, bits in ((1, 32), (2, 64))
    for order, mark in ((1, "<"), (2, ">"))
}


def read_header(data: Buffer) -> Header:
    """The file header; ParseError where class, byte order or structure sizes are not ELF's."""
    if len(data) < 16 or bytes(data[:4]) != MAGIC:
        raise ParseError("The file does not begin as an ELF file", 0)
    shape = SHAPES.get((data[4], data[5]))
    if shape is None:
        raise ParseError("EI_CLASS or EI_DATA has no meaning", 4)
    size, segment_size, section_size = shape.sizes
    if len(data) < size:
        raise ParseError("The file ends inside the ELF header", 16)
    (
        kind,
        machine,
        _version,
        entry,
        phoff,
        shoff,
        flags,
        ehsize,
        phentsize,
        phnum,
        shentsize,
        shnum,
        shstrndx,
    ) = shape.codes[0].unpack_from(data, 16)
    if ehsize != size:
        raise ParseError(f"e_ehsize is {ehsize} instead of {size}", 16)
    if (phnum and phentsize != segment_size) or (shoff and shentsize != section_size):
        raise ParseError("e_phentsize or e_shentsize is not the size of such a header", 16)
    if shoff:
        phnum, shnum, shstrndx = _extended(data, shape, shoff, (phnum, shnum, shstrndx))
    elif shnum or shstrndx:
        raise ParseError("e_shnum or e_shstrndx is set, but there are no section headers", 16)
    if max(phnum, shnum) > limits.SECTIONS:
        raise LimitError(f"An ELF file of more than {limits.SECTIONS} headers.")
    return Header(shape, kind, machine, entry, phoff, shoff, flags, phnum, shnum, shstrndx)


def _extended(
    data: Buffer, shape: Shape, shoff: int, counts: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Counts that do not fit into 16 bits stand in section 0 (gABI, e_shnum, e_shstrndx)."""
    phnum, shnum, shstrndx = counts
    if shoff + shape.sizes[2] > len(data):
        raise ParseError("The section headers lie beyond the file's end", shoff)
    first = shape.codes[2].unpack_from(data, shoff)
    return (
        first[7] if phnum == 0xFFFF else phnum,
        first[5] if shnum == 0 else shnum,
        first[6] if shstrndx == 0xFFFF else shstrndx,
    )


def read_segments(data: Buffer, header: Header) -> tuple[Segment, ...]:
    """All program headers; ParseError where they leave the file."""
    code = header.shape.codes[1]
    end = header.phoff + header.phnum * code.size
    if header.phnum and end > len(data):
        raise ParseError("The program headers lie beyond the file's end", header.phoff)
    result = []
    for index in range(header.phnum):
        values = code.unpack_from(data, header.phoff + index * code.size)
        if header.shape.bits == 32:
            kind, offset, vaddr, paddr, filesz, memsz, flags, align = values
        else:
            kind, flags, offset, vaddr, paddr, filesz, memsz, align = values
        result.append(Segment(index, kind, flags, offset, vaddr, paddr, filesz, memsz, align))
    return tuple(result)
