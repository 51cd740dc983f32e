"""DW_AT_producer of each unit: compiler, version and flags (DWARF 5, 3.1.1 and 7.5; 2 to 5)."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.formats.base import text
from verifier.limits import MIB
from verifier.semantic.layout.frames import Cursor
from verifier.semantic.layout.program import Piece
from verifier.semantic.parts import is_elf, part

if TYPE_CHECKING:
    from verifier.formats.base import Side

_LARGEST: Final = 64 * MIB  # bytes of one section, unpacked
_UNITS: Final = 4_000
_ATTRIBUTES: Final = 64  # before the producer, which is the first one of every known compiler
_COMPRESSED: Final = 0x800  # SHF_COMPRESSED
_PRODUCER: Final = 0x25
_STRING, _STRP, _LINE_STRP, _BLOCK, _UDATA, _SDATA = 0x08, 0x0E, 0x1F, 0x09, 0x0F, 0x0D
_STRX, _INDEXED = 0x1A, {0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
_FIXED: Final = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x0C: 1, 0x17: 4, 0x19: 0, 0x1E: 16, 0x10: 4}
_COMPILER: Final = re.compile(r"(GNU [A-Z][\w+]*|[A-Za-z ]*clang version|rustc version) ?(\S+)")
# Flags that every machine sets by itself say nothing; paths differ by nature.
_PLAIN: Final = re.compile(r" -(?:mtune|march|fdebug-prefix-map|ffile-prefix-map)=\S+")


def said(side: Side, _name: str) -> dict[str, str]:
    """Compilers with their versions, and the flags of each as a line of its own."""
    found: dict[str, dict[str, None]] = {}
    for line in _producers(side):
        head = _COMPILER.match(line)
        if head is None:
            found.setdefault("producer", {})[line] = None
            continue
        tool = head[1].removesuffix(" version").strip()
        found.setdefault(tool, {})[head[2]] = None
        flags = _PLAIN.sub("", line[head.end() :]).strip()
        if flags.startswith("-"):
            found.setdefault(f"flags of {tool}", {})[flags] = None
    return {tool: " | ".join(sorted(values)[:8]) for tool, values in found.items()}


def _producers(side: Side) -> list[str]:
    if not is_elf(side) or part(side, ".debug_info") is None:
        return []
    info, abbreviations = _section(side, ".debug_info"), _section(side, ".debug_abbrev")
    texts = {form: _section(side, name) for form, name in _TABLES.items()}
    found: dict[str, None] = {}
    at = units = 0
    while at + 11 <= len(info) and units < _UNITS:
        cursor = _cursor(info, at)
        size = cursor.number(4)
        if size >= 0xFFFFFFF0 or at + 4 + size > len(info):
            raise ParseError("A unit of debug information leaves its section", at)
        line = _unit(cursor, abbreviations, texts)
        if line:
            found[line] = None
        at += 4 + size
        units += 1
    return list(found)


_TABLES: Final = {_STRP: ".debug_str", _LINE_STRP: ".debug_line_str"}


def _unit(cursor: Cursor, abbreviations: bytes, texts: dict[int, bytes]) -> str:
    """The producer of one unit; empty where its first entry names none that can be read."""
    version = cursor.number(2)
    if not 2 <= version <= 5:
        raise ParseError(f"A unit of debug information has version {version}", cursor.at)
    kind = cursor.number(1) if version == 5 else 1
    width = cursor.number(1) if version == 5 else 0
    table = cursor.number(4)
    width = width or cursor.number(1)
    cursor.take({4: 8, 5: 8, 2: 12, 6: 12}.get(kind, 0))  # skeleton and type units say more
    code = cursor.uleb()
    shape = _shape(abbreviations, table, code)
    for attribute, form in shape[:_ATTRIBUTES]:
        if attribute == _PRODUCER:
            return _text(cursor, form, texts)
        if form == _STRING:
            cursor.text()
        elif form in (_UDATA, _SDATA, _STRX):
            cursor.uleb()
        elif form == _BLOCK:
            cursor.take(cursor.uleb())
        elif form in (*_TABLES, *_FIXED):
            cursor.take(_FIXED.get(form, 4))
        elif form in _INDEXED:
            cursor.take(_INDEXED[form])
        elif form == 0x01:
            cursor.take(width)
        else:
            return ""
    return ""


def _shape(abbreviations: bytes, table: int, wanted: int) -> list[tuple[int, int]]:
    """The attributes of one abbreviation code, which is near the start of its table."""
    cursor = _cursor(abbreviations, table)
    for _ in range(_UNITS):
        code = cursor.uleb()
        if code == 0:
            break
        cursor.uleb()
        cursor.take(1)
        shape: list[tuple[int, int]] = []
        while (pair := (cursor.uleb(), cursor.uleb())) != (0, 0):
            if pair[1] == 0x21:  # implicit_const stands in the table itself
                cursor.sleb()
            shape.append(pair)
        if code == wanted:
            return shape
    return []


def _text(cursor: Cursor, form: int, texts: dict[int, bytes]) -> str:
    if form == _STRING:
        return text(cursor.text(), 1_000)
    if form not in texts:
        return ""
    at = cursor.number(4)
    return text(texts[form][at : at + 1_000].partition(b"\0")[0], 1_000)


def _section(side: Side, label: str) -> bytes:
    """Its bytes, unpacked where they are compressed (gABI, Elf64_Chdr) by zlib."""
    section = part(side, label)
    if section is None:
        return b""
    raw = bytes(section.data(side)[:_LARGEST])
    header = side.layout.info.section(label)
    if header is None or not header.flags & _COMPRESSED:
        return raw
    if raw[:4] != b"\1\0\0\0":
        raise ParseError(f"{label} is compressed in a way that is not read", section.offset)
    skipped = 24 if side.layout.info.header.shape.bits == 64 else 12
    try:
        return zlib.decompressobj().decompress(raw[skipped:], _LARGEST)
    except zlib.error as error:
        raise ParseError(f"{label} does not unpack: {error}", section.offset) from error


def _cursor(data: bytes, at: int) -> Cursor:
    return Cursor(Piece("", 0, len(data), memoryview(data)), at, len(data))
