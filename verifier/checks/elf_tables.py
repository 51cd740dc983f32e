"""Checks of ELF tables whose entries or strings stand in another order.

Nothing here is taken on trust: every reference into a string or symbol table
is resolved in both files and must lead to the same string, at the same place in
it, or to the same symbol; and every string must be there once, and be referred
to. What is left to choose is the order alone: no reference could have another
value that also passes.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, cast

from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.errors import ParseError
from verifier.formats.elf.header import (
    ET_REL,
    SHF_ALLOC,
    SHF_COMPRESSED,
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_GROUP,
    SHT_REL,
    SHT_RELA,
    SHT_STRTAB,
    SHT_SYMTAB,
    SHT_VERDEF,
    SHT_VERNEED,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.formats.base import Side
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image

# Sections that hold symbol indexes which this check would have to follow, and does not.
_INDEXED = {18: "SHT_SYMTAB_SHNDX", 0x6FFF4C03: "SHT_LLVM_ADDRSIG",
            0x6FFF4C09: "SHT_LLVM_CALL_GRAPH_PROFILE"}  # fmt: skip
# DT_NEEDED, SONAME, RPATH, RUNPATH, CONFIG, DEPAUDIT, AUDIT, AUXILIARY, FILTER
_TEXT_TAGS = {1, 14, 15, 29, 0x6FFFFEFA, 0x6FFFFEFB, 0x6FFFFEFC, 0x7FFFFFFD, 0x7FFFFFFF}
_XINDEX = 0xFFFF  # the section's number stands in another table
_MOST = 2_000_000  # references of one table


class Strings:
    """A string table whose references are numbers that do not depend on its order."""

    def __init__(self, raw: bytes) -> None:
        entries = raw[:-1].split(b"\0")
        if raw[:1] != b"\0" or raw[-1:] != b"\0" or len(entries) > _MOST:
            raise ParseError("the string table does not begin and end with a zero byte")
        self.entries = sorted(entries)
        if any(one == other for one, other in pairwise(self.entries)):
            raise ParseError("the string table holds one string twice")
        rank = {entry: index for index, entry in enumerate(self.entries)}
        self._ranks = [rank[entry] for entry in entries]
        self._starts = [0, *accumulate(len(entry) + 1 for entry in entries[:-1])]
        self._size = len(raw)
        self._unused = set(range(1, len(entries)))

    def resolve(self, offset: int) -> tuple[int, int]:
        """(rank of the string among all, offset in it) of a reference."""
        if offset >= self._size:
            raise ParseError("a reference leaves the string table")
        index = bisect_right(self._starts, offset) - 1
        inner = offset - self._starts[index]
        if inner == 0:
            self._unused.discard(self._ranks[index])
        return self._ranks[index], inner

    def all_used(self) -> None:
        """ParseError if nothing refers to the start of a string."""
        if self._unused:
            raise ParseError("the string table has strings that nothing refers to")


def dynamic_strings(question: Question) -> Answer:
    """The dynamic string table in another order, and the offsets into it that follow."""
    return _once(question, "dynstr", _dynamic_strings)


def local_symbols(question: Question) -> Answer:
    """Local symbols and their names in another order, and the relocations that follow."""
    return _once(question, "locals", _local_symbols)


def _once(question: Question, key: str, check: Callable[[Side, Side], str]) -> Answer:
    """Several fields share one answer: it is computed for the first of them."""
    one, other = _image(question.shipped), _image(question.rebuilt)
    if question.span is None or question.rebuilt_span is None:
        return Refused("Only one of the files has this table.", describe=True)
    if one.quarrels or other.quarrels:
        return Refused("The headers contradict each other.", describe=True)
    kept = one.cache.get(key)
    if kept is None or kept[0] is not other:
        try:
            answer: Answer = Accepted(check(question.shipped, question.rebuilt), group=key)
        except ParseError as error:
            answer = Refused(f"It is not only in another order: {error}", describe=True)
        kept = one.cache[key] = other, answer
    return cast("Answer", kept[1])


def _image(side: Side) -> Image:
    return cast("Image", side.layout.info)


def _dynamic_strings(shipped: Side, rebuilt: Side) -> str:
    views = [_dynamic_view(side) for side in (shipped, rebuilt)]
    (table, strings, masked, found), (other, *_rest) = views
    if table != other or masked != views[1][2]:
        raise ParseError("more than offsets into the string table differs")
    if strings.entries != views[1][1].entries:
        raise ParseError("the strings are not the same")
    if found != views[1][3]:
        raise ParseError("a reference gives another text")
    return f"{len(found)} references give the same texts in the same order; no string is unused"


def _dynamic_view(side: Side) -> tuple[Section, Strings, list[bytes], list[tuple[int, int]]]:
    """(string table, its strings, its users without their references, the references)."""
    users = _dynamic_users(side)
    table = _image(side).sections[users[0].link]
    strings = Strings(_contents(side, table))
    _addresses(side, table)
    order = "little" if _image(side).header.shape.order == "<" else "big"
    found: list[tuple[int, int]] = []
    masked: list[bytes] = []
    for user in users:
        raw = bytearray(_contents(side, user))
        for at, width in _references(side, user, bytes(raw)):
            offset = int.from_bytes(raw[at : at + width], order)  # type: ignore[arg-type]
            found.append(strings.resolve(offset))
            raw[at : at + width] = bytes(width)
        masked.append(bytes(raw))
    strings.all_used()
    return table, strings, masked, found


def _dynamic_users(side: Side) -> list[Section]:
    """All sections with offsets into the dynamic string table; ParseError for unknown ones."""
    sections = _image(side).sections
    known = {SHT_DYNSYM, SHT_DYNAMIC, SHT_VERNEED, SHT_VERDEF}
    chosen = [item for item in sections if item.type in known]
    kinds = [item.type for item in chosen]
    if (
        kinds.count(SHT_DYNSYM) != 1
        or kinds.count(SHT_DYNAMIC) != 1
        or len(set(kinds)) != len(kinds)
    ):
        raise ParseError("there is not exactly one dynamic section and one table of each type")
    link = chosen[0].link
    if link == 0 or link >= len(sections) or sections[link].type != SHT_STRTAB:
        raise ParseError("the dynamic sections have no string table")
    others = [item for item in sections if item.link == link and item.type not in known]
    if others or any(item.link != link for item in chosen) or _image(side).header.shstrndx == link:
        raise ParseError("the string table is shared with an unknown section")
    if not all(item.flags & SHF_ALLOC for item in (*chosen, sections[link])):
        raise ParseError("a dynamic table is not loaded")
    return chosen


def _addresses(side: Side, table: Section) -> None:
    """DT_STRTAB and DT_STRSZ must speak of the string table that the sections name."""
    from verifier.formats.elf.symbols import dynamic_entries  # noqa: PLC0415 - used here alone

    values = [(tag, value) for tag, value, _text in dynamic_entries(side) if tag in {5, 10}]
    if sorted(values) != [(5, table.addr), (10, table.size)]:
        raise ParseError("DT_STRTAB or DT_STRSZ is not that of the string table")


def _references(side: Side, user: Section, raw: bytes) -> Iterable[tuple[int, int]]:
    """(offset in the section, width) of each offset into the string table."""
    shape = _image(side).header.shape
    if user.type == SHT_DYNSYM:
        size = 24 if shape.bits == 64 else 16
        if len(raw) % size or user.entsize != size:
            raise ParseError("the symbol table is not made of whole entries")
        return ((at, 4) for at in range(0, len(raw), size))
    if user.type == SHT_DYNAMIC:
        return _tags(raw, shape.order, shape.bits // 8)
    return _versions(raw, shape.order, needed=user.type == SHT_VERNEED)


def _tags(raw: bytes, order: str, width: int) -> list[tuple[int, int]]:
    code = struct.Struct(order + ("qq" if width == 8 else "ii"))
    found: list[tuple[int, int]] = []
    for at in range(0, len(raw) - code.size + 1, code.size):
        tag = code.unpack_from(raw, at)[0]
        if tag == 0:
            return found
        if tag in _TEXT_TAGS:
            found.append((at + width, width))
    raise ParseError("the dynamic section has no end")


def _versions(raw: bytes, order: str, *, needed: bool) -> list[tuple[int, int]]:
    """Version needs (vn_file, vna_name) and definitions (vda_name), along their chains."""
    # (bytes, of vn_cnt, of vn_aux, of vn_next) and (bytes, of vna_name, of vna_next)
    entry, part = ((16, 2, 8, 12), (16, 8, 12)) if needed else ((20, 6, 12, 16), (8, 0, 4))
    found: list[tuple[int, int]] = []
    at = 0
    while True:
        _fits(raw, at, entry[0], found)
        if needed:
            found.append((at + 4, 4))
        (count,) = struct.unpack_from(order + "H", raw, at + entry[1])
        aux, following = (struct.unpack_from(order + "I", raw, at + entry[k])[0] for k in (2, 3))
        inner = at + aux
        for _index in range(count):
            _fits(raw, inner, part[0], found)
            found.append((inner + part[1], 4))
            inner += struct.unpack_from(order + "I", raw, inner + part[2])[0]
        if not following:
            return found
        at += following


def _fits(raw: bytes, at: int, size: int, found: list[tuple[int, int]]) -> None:
    if at + size > len(raw) or len(found) > min(_MOST, len(raw)):
        raise ParseError("the version chain leaves its section")


def _local_symbols(shipped: Side, rebuilt: Side) -> str:
    views = [_symbol_view(side) for side in (shipped, rebuilt)]
    (one, first, groups, *around), (other, _first, other_groups, *other_around) = views
    if around != other_around:
        raise ParseError("the sections around the symbol tables, or the names, differ")
    if sorted(one[:first]) != sorted(other[:first]):
        raise ParseError("the local symbols are not the same")
    if one[first:] != other[first:]:
        raise ParseError("a global symbol differs")
    if groups != other_groups:
        raise ParseError("a group of sections is known by another symbol")
    count = 0
    for section in _image(shipped).sections:
        if section.type in {SHT_REL, SHT_RELA} and _follows(shipped, section):
            pairs = _relocations(shipped, section, one), _relocations(rebuilt, section, other)
            if pairs[0] != pairs[1]:
                raise ParseError(f"a relocation in {section.label} means another symbol")
            count += len(pairs[0])
    return f"{first} local symbols in another order; {count} relocations mean the same symbols"


def _follows(side: Side, section: Section) -> bool:
    """Whether these relocations hold indexes of the symbol table, not of the dynamic one."""
    image = _image(side)
    link = section.link
    linked = link < len(image.sections) and image.sections[link].type == SHT_SYMTAB
    return linked or image.header.type == ET_REL


# (name, info, other, section, value, size, how many such symbols stand before it)
_Entry = tuple[tuple[int, int], int, int, int, int, int, int]


def _symbol_view(
    side: Side,
) -> tuple[list[_Entry], int, list[_Entry], tuple[Section, ...], list[bytes]]:
    """(symbols, index of the first global one, those of groups, all section headers, all names)."""
    from verifier.formats.elf.symbols import symbols_of  # noqa: PLC0415 - used here alone

    image = _image(side)
    tables = [item for item in image.sections if item.type == SHT_SYMTAB]
    if len(tables) != 1 or any(item.type in _INDEXED for item in image.sections):
        raise ParseError("other sections hold symbol indexes")
    table = tables[0]
    followed = {SHT_REL, SHT_RELA, SHT_GROUP}
    users = [
        item
        for item in image.sections
        if item is not table
        and (item.link == table.link or (item.link == table.number and item.type not in followed))
    ]
    size = 24 if image.header.shape.bits == 64 else 16
    if table.link >= len(image.sections) or image.header.shstrndx == table.link or users:
        raise ParseError("another section speaks of the symbols or their names")
    names = image.sections[table.link]
    if (table.flags | names.flags) & (SHF_ALLOC | SHF_COMPRESSED) or names.type != SHT_STRTAB:
        raise ParseError("the symbol table is loaded")
    if table.size % size or table.entsize != size or not 0 < table.info <= table.size // size:
        raise ParseError("the symbol table is not made of whole entries")
    strings = Strings(_contents(side, names))
    symbols = symbols_of(side, table)
    result: list[_Entry] = []
    seen: dict[tuple[object, ...], int] = {}
    for symbol in symbols:
        key = (strings.resolve(symbol.name), *symbol[1:])
        before = seen[key] = seen.get(key, -1) + 1
        result.append((*key, before))
    odd = any(symbol.info >> 4 for symbol in symbols[: table.info])
    if odd or any(symbol.shndx == _XINDEX for symbol in symbols) or any(symbols[0]):
        raise ParseError("the local symbols are not in their place")
    strings.all_used()
    groups = [item for item in image.sections if item.type == SHT_GROUP]
    if any(item.link != table.number or item.info >= len(result) for item in groups):
        raise ParseError("a group of sections names a symbol that does not exist")
    signatures = [result[item.info] for item in groups]
    return result, table.info, signatures, image.sections, strings.entries


def _relocations(
    side: Side, section: Section, symbols: list[_Entry]
) -> list[tuple[int, int, int, _Entry]]:
    """(offset, type, addend, symbol) of each relocation, in order."""
    image = _image(side)
    shape = image.header.shape
    addend = section.type == SHT_RELA
    wide = shape.bits == 64
    code = struct.Struct(
        shape.order
        + {(True, True): "QQq", (True, False): "QQ", (False, True): "IIi", (False, False): "II"}[
            wide, addend
        ]
    )
    target = image.sections[section.link] if section.link < len(image.sections) else None
    if image.header.type != ET_REL or target is None or target.type != SHT_SYMTAB:
        raise ParseError(f"{section.label} has relocations outside of an object")
    if image.header.machine == 8:
        raise ParseError("MIPS packs several relocations into one")
    raw = _contents(side, section)
    if len(raw) % code.size or section.entsize != code.size:
        raise ParseError(f"{section.label} is not made of whole entries")
    shift = 32 if wide else 8
    result = []
    for values in code.iter_unpack(raw):
        index = values[1] >> shift
        if index >= len(symbols):
            raise ParseError(f"{section.label} names a symbol that does not exist")
        kind = values[1] & ((1 << shift) - 1)
        result.append((values[0], kind, values[2] if addend else 0, symbols[index]))
    return result


def _contents(side: Side, section: Section) -> bytes:
    return bytes(side.data[section.offset : section.offset + section.length])
