"""Real ELF files with their tables put into another order, references following."""

from __future__ import annotations

import struct

from verifier.formats import elf
from verifier.formats.elf.header import SHT_DYNAMIC, SHT_DYNSYM, SHT_RELA, SHT_SYMTAB, Section

_VERNEED = 0x6FFFFFFE
_VERDEF = 0x6FFFFFFD
_SYMBOL = struct.Struct("<IBBHQQ")
_TEXTS = {1, 14, 15, 29}


def _sections(data: bytes) -> tuple[Section, ...]:
    sections: tuple[Section, ...] = elf.FORMAT.layout(memoryview(data)).info.sections
    return sections


def _of(data: bytes, kind: int) -> Section:
    return next(item for item in _sections(data) if item.type == kind)


def strings_reversed(data: bytes, kind: int = SHT_DYNSYM) -> bytes:
    """The strings of a symbol table in the opposite order (64-bit little-endian)."""
    sections = _sections(data)
    symbols = _of(data, kind)
    table = sections[symbols.link]
    old = data[table.offset : table.offset + table.size]
    starts = [0]
    while old.find(b"\0", starts[-1]) + 1 < len(old):
        starts.append(old.find(b"\0", starts[-1]) + 1)
    out, moved = b"\0", {0: 0}
    for start in reversed(starts[1:]):
        text = old[start : old.find(b"\0", start) + 1]
        for at in range(len(text)):  # suffixes are shared
            moved[start + at] = len(out) + at
        out += text
    result = bytearray(data)
    result[table.offset : table.offset + table.size] = out
    for at, width in _references(data, [item for item in sections if item.link == symbols.link]):
        value = int.from_bytes(data[at : at + width], "little")
        result[at : at + width] = moved[value].to_bytes(width, "little")
    assert bytes(result) != data
    return bytes(result)


def _references(data: bytes, sections: list[Section]) -> list[tuple[int, int]]:
    found = []
    for section in sections:
        start, end = section.offset, section.offset + section.size
        if section.type in {SHT_DYNSYM, SHT_SYMTAB}:
            found += [(at, 4) for at in range(start, end, 24)]
        elif section.type == SHT_DYNAMIC:
            tags = ((at, struct.unpack_from("<q", data, at)[0]) for at in range(start, end, 16))
            found += [(at + 8, 8) for at, tag in tags if tag in _TEXTS]
        elif section.type in {_VERNEED, _VERDEF}:
            found += _versions(data, section)
    return found


def _versions(data: bytes, section: Section) -> list[tuple[int, int]]:
    needed = section.type == _VERNEED
    found = []
    at = section.offset
    for _entry in range(section.info):
        (count,) = struct.unpack_from("<H", data, at + (2 if needed else 6))
        aux, following = struct.unpack_from("<II", data, at + (8 if needed else 12))
        if needed:
            found.append((at + 4, 4))
        inner = at + aux
        for _part in range(count):
            found.append((inner + (8 if needed else 0), 4))
            inner += struct.unpack_from("<I", data, inner + (12 if needed else 4))[0]
        at += following
    return found


def locals_reversed(data: bytes) -> bytes:
    """The named local symbols of an object in the opposite order, relocations following."""
    table = _of(data, SHT_SYMTAB)
    sections = _sections(data)
    entries = [data[at : at + 24] for at in range(table.offset, table.offset + table.size, 24)]
    order = [*range(2), *reversed(range(2, table.info)), *range(table.info, len(entries))]
    place = {old: new for new, old in enumerate(order)}
    result = bytearray(data)
    result[table.offset : table.offset + table.size] = b"".join(entries[old] for old in order)
    for section in sections:
        if section.type == SHT_RELA:
            for at in range(section.offset, section.offset + section.size, 24):
                (info,) = struct.unpack_from("<Q", data, at + 8)
                info = place[info >> 32] << 32 | info & 0xFFFFFFFF
                struct.pack_into("<Q", result, at + 8, info)
    assert bytes(result) != data
    return bytes(result)
