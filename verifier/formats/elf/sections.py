"""Section headers with their names. A name labels spans; it never decides alone what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import ParseError
from verifier.formats.base import text
from verifier.formats.elf.header import SHT_STRTAB, Header, Section

if TYPE_CHECKING:
    from verifier.content import Buffer

_NAME = 256  # bytes of a section name that its label shows


def read_sections(data: Buffer, header: Header) -> tuple[Section, ...]:
    """All section headers; ParseError where headers, contents or names leave the file."""
    if not header.shoff:
        return ()
    code = header.shape.codes[2]
    if header.shoff + header.shnum * code.size > len(data):
        raise ParseError("The section headers lie beyond the file's end", header.shoff)
    table = bytes(data[header.shoff : header.shoff + header.shnum * code.size])
    raw = list(code.iter_unpack(table))
    names = _names(data, header, raw)
    used: dict[str, int] = {}
    result = []
    for index, values in enumerate(raw):
        name = _name(names, values[0], index)
        kind, flags, addr, offset, size, link, info, align, entsize = values[1:]
        section = Section(
            index,
            _label(name, index, used),
            name,
            kind,
            flags,
            addr,
            offset,
            size,
            link,
            info,
            align,
            entsize,
        )
        if section.length and section.offset + section.length > len(data):
            raise ParseError(f"Section {section.label} reaches beyond the file's end", offset)
        result.append(section)
    return tuple(result)


def _names(data: Buffer, header: Header, raw: list[tuple[int, ...]]) -> bytes:
    if header.shstrndx == 0:
        return b"\0"
    if header.shstrndx >= len(raw):
        raise ParseError("e_shstrndx names a section that does not exist", header.shoff)
    _name_at, kind, _flags, _addr, offset, size, *_rest = raw[header.shstrndx]
    if kind != SHT_STRTAB or offset + size > len(data):
        raise ParseError("The table of section names is no string table in the file", offset)
    if size > limits.MIB * 16:
        raise ParseError("The table of section names is larger than 16 MiB", offset)
    return bytes(data[offset : offset + size]) or b"\0"


def _name(names: bytes, at: int, index: int) -> bytes:
    end = names.find(b"\0", at, at + limits.NAME_BYTES)
    if at >= len(names) or end < 0:
        raise ParseError(f"The name of section {index} does not end in the table of names")
    return names[at:end]


def _label(name: bytes, index: int, used: dict[str, int]) -> str:
    """The name as a unique label: `.text`, `.text#2`; sections without a name by number."""
    base = text(name[:_NAME]) if name else f"#{index}"
    count = used[base] = used.get(base, 0) + 1
    return base if count == 1 else f"{base}#{count}"
