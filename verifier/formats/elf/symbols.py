"""Symbol, string and dynamic tables, read only when a difference is to be named."""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple, cast

from verifier import limits
from verifier.formats.base import text
from verifier.formats.elf.header import (
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_STRTAB,
    SHT_SYMTAB,
)

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image

SYMBOL_64 = (
    ("st_name", 4),
    ("st_info", 1),
    ("st_other", 1),
    ("st_shndx", 2),
    ("st_value", 8),
    ("st_size", 8),
)
SYMBOL_32 = (
    ("st_name", 4),
    ("st_value", 4),
    ("st_size", 4),
    ("st_info", 1),
    ("st_other", 1),
    ("st_shndx", 2),
)
_CODES = {64: "IBBHQQ", 32: "IIIBBH"}
_PLACED = {0, 1, 2, 10}  # NOTYPE, OBJECT, FUNC, GNU_IFUNC: symbols that name an address
_XINDEX = 0xFFFF
_UNDEFINED = 0
_NAME = 512  # bytes of one name that are shown

TAGS = {
    0: "DT_NULL", 1: "DT_NEEDED", 2: "DT_PLTRELSZ", 3: "DT_PLTGOT", 4: "DT_HASH", 5: "DT_STRTAB",
    6: "DT_SYMTAB", 7: "DT_RELA", 8: "DT_RELASZ", 9: "DT_RELAENT", 10: "DT_STRSZ",
    11: "DT_SYMENT", 12: "DT_INIT", 13: "DT_FINI", 14: "DT_SONAME", 15: "DT_RPATH",
    16: "DT_SYMBOLIC", 17: "DT_REL", 18: "DT_RELSZ", 19: "DT_RELENT", 20: "DT_PLTREL",
    21: "DT_DEBUG", 22: "DT_TEXTREL", 23: "DT_JMPREL", 24: "DT_BIND_NOW", 25: "DT_INIT_ARRAY",
    26: "DT_FINI_ARRAY", 27: "DT_INIT_ARRAYSZ", 28: "DT_FINI_ARRAYSZ", 29: "DT_RUNPATH",
    30: "DT_FLAGS", 32: "DT_PREINIT_ARRAY", 33: "DT_PREINIT_ARRAYSZ", 34: "DT_SYMTAB_SHNDX",
    35: "DT_RELRSZ", 36: "DT_RELR", 37: "DT_RELRENT", 0x6FFFFEF5: "DT_GNU_HASH",
    0x6FFFFFF0: "DT_VERSYM", 0x6FFFFFF9: "DT_RELACOUNT", 0x6FFFFFFA: "DT_RELCOUNT",
    0x6FFFFFFB: "DT_FLAGS_1", 0x6FFFFFFC: "DT_VERDEF", 0x6FFFFFFD: "DT_VERDEFNUM",
    0x6FFFFFFE: "DT_VERNEED", 0x6FFFFFFF: "DT_VERNEEDNUM", 0x7FFFFFFD: "DT_AUXILIARY",
    0x7FFFFFFF: "DT_FILTER",
}  # fmt: skip
TEXT_TAGS = {1, 14, 15, 29, 0x7FFFFFFD, 0x7FFFFFFF}


class Symbol(NamedTuple):
    """One symbol table entry, named by what `strings` say."""

    name: int
    info: int
    other: int
    shndx: int
    value: int
    size: int


class Places(NamedTuple):
    """Symbols of one section (or image) by address, for look-ups."""

    starts: list[int]
    symbols: list[Symbol]
    strings: bytes


def image_of(side: Side) -> Image:
    """The parsed view of an ELF side."""
    return cast("Image", side.layout.info)


def symbols_of(side: Side, section: Section) -> list[Symbol]:
    """All entries of a symbol table section."""
    bits = image_of(side).header.shape.bits
    code = struct.Struct(image_of(side).header.shape.order + _CODES[bits])
    whole = section.size // code.size * code.size
    raw = side.data[section.offset : section.offset + whole]
    if bits == 64:
        return [Symbol(*values) for values in code.iter_unpack(raw)]
    return [Symbol(a, d, e, f, b, c) for a, b, c, d, e, f in code.iter_unpack(raw)]


def strings_of(side: Side, index: int) -> bytes:
    """The contents of string table section `index`; empty where it is none."""
    sections = image_of(side).sections
    if index >= len(sections) or sections[index].type != SHT_STRTAB:
        return b""
    section = sections[index]
    return bytes(side.data[section.offset : section.offset + section.length])


def string_at(strings: bytes, at: int) -> str:
    """The text at `at`, escaped; a question mark where there is none."""
    if at >= len(strings):
        return "?"
    end = strings.find(b"\0", at, at + _NAME)
    return text(strings[at : end if end >= 0 else at + _NAME])


def table(side: Side, kind: int) -> Section | None:
    """The first section of that type with contents."""
    image = image_of(side)
    if "tables" not in image.cache:
        found = reversed([item for item in image.sections if item.length])
        image.cache["tables"] = {item.type: item for item in found}
    return cast("Section | None", image.cache["tables"].get(kind))


def symbol_at(side: Side, section: Section, address: int) -> tuple[str, int] | None:
    """The symbol that covers `address` and the offset in it; objects count from the section."""
    places = _places(side, section)
    if places is None:
        return None
    index = bisect_right(places.starts, address) - 1
    for at in range(index, max(index - 16, -1), -1):
        symbol = places.symbols[at]
        if address < symbol.value + max(symbol.size, 1) or (symbol.size == 0 and at == index):
            return string_at(places.strings, symbol.name), address - symbol.value
    return None


def symbol_before(side: Side, section: Section, address: int) -> tuple[str, int] | None:
    """The last symbol that starts at or before `address`, and the distance."""
    places = _places(side, section)
    index = bisect_right(places.starts, address) - 1 if places else -1
    if places is None or index < 0:
        return None
    symbol = places.symbols[index]
    return string_at(places.strings, symbol.name), address - symbol.value


def _places(side: Side, section: Section) -> Places | None:
    image = image_of(side)
    key = f"places{section.number}"
    if key not in image.cache:
        source = table(side, SHT_SYMTAB) or table(side, SHT_DYNSYM)
        image.cache[key] = source and _sorted_places(side, source, section.number)
    return cast("Places | None", image.cache[key])


def _sorted_places(side: Side, source: Section, index: int) -> Places:
    image = image_of(side)
    if "symbols" not in image.cache:
        symbols = _by_section(symbols_of(side, source))
        image.cache["symbols"] = symbols, strings_of(side, source.link)
    by_section, strings = image.cache["symbols"]
    kept = sorted(by_section.get(index, ()), key=lambda symbol: (symbol.value, symbol.size))
    return Places([symbol.value for symbol in kept], kept, strings)


def _by_section(symbols: list[Symbol]) -> dict[int, list[Symbol]]:
    found: dict[int, list[Symbol]] = {}
    for symbol in symbols:
        if symbol.info & 15 in _PLACED and symbol.name:
            found.setdefault(symbol.shndx, []).append(symbol)
    return found


def dynamic_entries(side: Side) -> list[tuple[int, int, str]]:
    """(tag, value, text) of the dynamic section up to DT_NULL; text for the tags that have one."""
    section = table(side, SHT_DYNAMIC)
    if section is None:
        return []
    shape = image_of(side).header.shape
    code = struct.Struct(shape.order + ("QQ" if shape.bits == 64 else "II"))
    strings = strings_of(side, section.link)
    result = []
    whole = min(section.length, limits.MIB) // code.size * code.size
    raw = side.data[section.offset : section.offset + whole]
    for tag, value in code.iter_unpack(raw):
        if tag == 0:
            break
        result.append((tag, value, string_at(strings, value) if tag in TEXT_TAGS else ""))
    return result


def tag_name(tag: int) -> str:
    """`DT_RUNPATH`, or the number."""
    return TAGS.get(tag, f"{tag:#x}")


def dynamic_symbols(side: Side) -> tuple[set[bytes], set[bytes]]:
    """(imported names, exported names) of the dynamic symbol table, as they stand there."""
    section = table(side, SHT_DYNSYM)
    if section is None:
        return set(), set()
    strings = strings_of(side, section.link)
    imported: set[bytes] = set()
    exported: set[bytes] = set()
    for symbol in symbols_of(side, section)[1:]:
        if symbol.info >> 4:  # not STB_LOCAL
            chosen = imported if symbol.shndx == _UNDEFINED else exported
            end = strings.find(b"\0", symbol.name, symbol.name + limits.NAME_BYTES)
            chosen.add(strings[symbol.name : end if end >= 0 else symbol.name + limits.NAME_BYTES])
    return imported, exported


def same_dynamic_symbols(one: Side, other: Side) -> bool:
    """Whether both dynamic symbol tables and their strings are equal, byte for byte."""
    tables = []
    for side in (one, other):
        section = table(side, SHT_DYNSYM)
        if section is None:
            tables.append((b"", b""))
            continue
        raw = bytes(side.data[section.offset : section.offset + section.length])
        tables.append((raw, strings_of(side, section.link)))
    return tables[0] == tables[1]
