"""The dynamic section, symbol versions and symbol hash tables of an ELF image (gABI 5)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import ParseError
from verifier.formats.elf.header import (
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_RELA,
    SHT_STRTAB,
    SHT_VERDEF,
    SHT_VERNEED,
)
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image
    from verifier.semantic.layout.program import Program

_HASH, _GNU_HASH, _VERSYM, _RELR = 5, 0x6FFFFFF6, 0x6FFFFFFF, 19
# DT_NEEDED, SONAME, RPATH, RUNPATH, CONFIG, DEPAUDIT, AUDIT, AUXILIARY, FILTER
_TEXTS = {1, 14, 15, 29, 0x6FFFFEFA, 0x6FFFFEFB, 0x6FFFFEFC, 0x7FFFFFFD, 0x7FFFFFFF}
_CODE = {12, 13, 0x70000000}  # DT_INIT, DT_FINI, DT_X86_64_PLT
_ADDRESSES = range(0x6FFFFE00, 0x6FFFFF00)  # DT_ADDRRNGLO to DT_ADDRRNGHI
_TABLES = {4: _HASH, 5: SHT_STRTAB, 6: SHT_DYNSYM, 7: SHT_RELA, 23: SHT_RELA, 36: _RELR,
           0x6FFFFEF5: _GNU_HASH, 0x6FFFFFF0: _VERSYM, 0x6FFFFFFC: SHT_VERDEF,
           0x6FFFFFFE: SHT_VERNEED, 25: 14, 26: 15, 32: 16}  # fmt: skip
_SIZES = {8: 7, 2: 23, 35: 36, 27: 25, 28: 26, 33: 32}  # DT_RELASZ is the size of DT_RELA …
_STRSZ, _RELACOUNT, _PLTGOT = 10, 0x6FFFFFF9, 3
_VERSIONED = 0x7FFF


def strings(data: Buffer, image: Image, index: int) -> bytes:
    """The string table with that section number."""
    if index >= len(image.sections) or image.sections[index].type != SHT_STRTAB:
        raise ParseError("A table of symbols names no table of texts")
    section = image.sections[index]
    return bytes(data[section.offset : section.offset + section.length])


def text_at(table: bytes, at: int) -> bytes:
    """The text at `at`."""
    end = table.find(b"\0", at, at + limits.NAME_BYTES)
    if at >= len(table) or end < 0:
        raise ParseError("A name does not end in its table of texts")
    return table[at:end]


def dynamic(data: Buffer, image: Image, section: Section, program: Program) -> None:
    """What the loader is told, in its order: texts, sections, addresses and numbers."""
    raw = bytes(data[section.offset : section.offset + section.size])
    texts = strings(data, image, section.link)
    entries = []
    for tag, value in struct.iter_unpack("<QQ", raw[: len(raw) // 16 * 16]):
        if not tag:
            break
        entries.append((tag, value))
    rest = raw[16 * len(entries) :]
    if any(rest):
        raise ParseError("Bytes follow the end of the dynamic section", section.offset)
    homes = dict(entries)
    for number, (tag, value) in enumerate(entries):
        program.facts.append(("dynamic", number, tag, _meaning(image, texts, homes, tag, value)))
    program.facts.append(("dynamic-end", len(rest)))


def _meaning(image: Image, texts: bytes, homes: dict[int, int], tag: int, value: int) -> object:
    if tag in _TEXTS:
        return text_at(texts, value)
    if tag in _TABLES:
        return _at(image, value, _TABLES[tag]).label
    if tag in _CODE or tag == _PLTGOT or tag in _ADDRESSES:
        return Address(value)
    if tag in _SIZES and _SIZES[tag] in homes:
        home = _at(image, homes[_SIZES[tag]], _TABLES[_SIZES[tag]])
        if home.size != value:
            raise ParseError(f"Dynamic tag {tag} is not the size of {home.label}")
        return home.label
    if tag == _STRSZ and value == len(texts):
        return "size of the table of texts"
    return value


def _at(image: Image, address: int, kind: int) -> Section:
    for section in image.sections:
        if section.addr == address and section.type == kind and section.flags & 2:
            return section
    raise ParseError(f"The dynamic section points at {address:#x}, where no such section begins")


def versions(data: Buffer, image: Image) -> list[str]:
    """The version of each dynamic symbol: `GLIBC_2.34` of `libc.so.6`, hidden ones marked."""
    if "layout-versions" in image.cache:
        known: list[str] = image.cache["layout-versions"]
        return known
    names = named(data, image)
    indexes: tuple[int, ...] = ()
    for section in image.sections:
        if section.type == _VERSYM:
            raw = data[section.offset : section.offset + section.length]
            if len(raw) % 2:
                raise ParseError("The table of versions does not hold whole numbers")
            indexes = struct.unpack_from(f"<{len(raw) // 2}H", raw)
    found = []
    if indexes and indexes[0]:
        raise ParseError("The symbol that is none has a version")
    for index in indexes:
        if index & _VERSIONED not in names:
            raise ParseError("A symbol has a version that no table names")
        found.append(names[index & _VERSIONED] + (" hidden" if index > _VERSIONED else ""))
    image.cache["layout-versions"] = found
    return found


def named(data: Buffer, image: Image) -> dict[int, str]:
    """What each index of a version stands for."""
    names = {0: "local", 1: "global"}
    for section in image.sections:
        if section.type in (SHT_VERNEED, SHT_VERDEF):
            raw = bytes(data[section.offset : section.offset + section.length])
            read = _needed if section.type == SHT_VERNEED else _defined
            more = read(raw, strings(data, image, section.link))
            if more.keys() & names.keys() - {0, 1}:
                raise ParseError("Two versions have one number", section.offset)
            names.update(more)
    return names


def relative_count(data: Buffer, image: Image) -> int:
    """DT_RELACOUNT: how many relocations the loader takes as relative without looking."""
    for section in image.sections:
        if section.type == SHT_DYNAMIC:
            raw = bytes(data[section.offset : section.offset + section.size])
            for tag, value in struct.iter_unpack("<QQ", raw[: len(raw) // 16 * 16]):
                if tag == _RELACOUNT:
                    return int(value)
    return 0


def _needed(raw: bytes, texts: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    at = 0
    while at + 16 <= len(raw):
        version, count, file, first, following = struct.unpack_from("<HHIII", raw, at)
        if version != 1:
            raise ParseError(f"The table of needed versions has version {version}")
        place = at + first
        for left in reversed(range(count)):
            if place + 16 > len(raw):
                raise ParseError("A needed version leaves its table")
            value, flags, other, name, step = struct.unpack_from("<IHHII", raw, place)
            if value != _sysv(text_at(texts, name)):
                raise ParseError("A needed version has the hash of another name")
            hidden = " hidden" if other > _VERSIONED else ""
            label = f"{text_at(texts, name)!r} of {text_at(texts, file)!r} ({flags}){hidden}"
            if other & _VERSIONED in found:
                raise ParseError("Two needed versions have one number")
            found[other & _VERSIONED] = label
            place = _next(place, step, left)
        if not following:
            _nothing(raw, place + (16 if count else 0), "needed")
            return found
        at += following
    raise ParseError("The table of needed versions has no end")


def _next(place: int, step: int, left: int) -> int:
    """The next entry of a list, whose length and last step must say the same."""
    if bool(step) != bool(left):
        raise ParseError("A list of versions is shorter or longer than it says")
    return place + step


def _nothing(raw: bytes, at: int, what: str) -> None:
    if any(raw[at:]):
        raise ParseError(f"Bytes follow the table of {what} versions")


def _defined(raw: bytes, texts: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    at = 0
    while at + 20 <= len(raw):
        version, flags, index, count, value, first, following = struct.unpack_from(
            "<HHHHIII", raw, at
        )
        if version != 1:
            raise ParseError(f"The table of defined versions has version {version}")
        place, first_name = at + first, b""
        names: list[str] = []
        for left in reversed(range(count)):
            if place + 8 > len(raw):
                raise ParseError("A defined version leaves its table")
            name, step = struct.unpack_from("<II", raw, place)
            first_name = text_at(texts, name) if not names else first_name
            names.append(repr(text_at(texts, name)))
            place = _next(place, step, left)
        if not names or value != _sysv(first_name):
            raise ParseError("A defined version has the hash of another name")
        if index in found:
            raise ParseError("Two defined versions have one number")
        found[index] = f"defined {' '.join(names)} ({flags})"
        if not following:
            _nothing(raw, place + 8, "defined")
            return found
        at += following
    raise ParseError("The table of defined versions has no end")


def hashes(data: Buffer, image: Image) -> None:
    """Each exported name is found by its hash; ParseError where a table would not find one.

    Symbols before the first that the GNU table hashes are undefined, or local.
    """
    for section in image.sections:
        if section.type == _GNU_HASH and section.flags & 2:
            _gnu_hash(data, image, section)
        elif section.type == _HASH and section.flags & 2:
            _sysv_hash(data, image, section)


def _names(data: Buffer, image: Image, link: int) -> list[tuple[bytes, bool]]:
    """(name, whether others can find it: defined, and not local) of each symbol of a table."""
    if link >= len(image.sections) or image.sections[link].type != SHT_DYNSYM:
        raise ParseError("A hash table speaks of no table of symbols")
    table = image.sections[link]
    texts = strings(data, image, table.link)
    raw = bytes(data[table.offset : table.offset + table.size])
    rows = struct.iter_unpack("<IBBHQQ", raw[: len(raw) // 24 * 24])
    return [(text_at(texts, row[0]), row[3] != 0 and row[1] >> 4 != 0) for row in rows]


def _gnu_hash(data: Buffer, image: Image, section: Section) -> None:
    raw = bytes(data[section.offset : section.offset + section.size])
    names = _names(data, image, section.link)
    if len(raw) < 16:
        raise ParseError("The GNU hash table is cut short", section.offset)
    buckets, first, words, shift = struct.unpack_from("<4I", raw)
    chain = 16 + 8 * words + 4 * buckets
    count = max(0, len(names) - first)
    if not buckets or not words or len(raw) not in (chain + 4 * count, chain):
        raise ParseError("The GNU hash table has another size", section.offset)
    if len(raw) == chain and count:
        first = len(names)
    if any(found for _name, found in names[:first]):
        raise ParseError("The GNU hash table leaves out a symbol", section.offset)
    filters = struct.unpack_from(f"<{words}Q", raw, 16)
    heads = struct.unpack_from(f"<{buckets}I", raw, 16 + 8 * words)
    links = struct.unpack_from(f"<{(len(raw) - chain) // 4}I", raw, chain)
    seen: dict[int, int] = {}
    bits = [0] * words
    for number in range(first, len(names)):
        value = _djb(names[number][0])
        bucket = value % buckets
        seen.setdefault(bucket, number)
        last = number + 1 == len(names) or _djb(names[number + 1][0]) % buckets != bucket
        if links[number - first] != (value & ~1 | last):
            raise ParseError("The GNU hash table would not find a symbol", section.offset)
        bits[value // 64 % words] |= 1 << (value % 64) | 1 << ((value >> shift) % 64)
    right = (
        tuple(seen.get(index, 0) for index in range(buckets)) == heads and tuple(bits) == filters
    )
    if not right and (first < len(names) or any(heads) or any(filters[1:])):
        raise ParseError("The GNU hash table would not find a symbol", section.offset)


def _djb(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _sysv_hash(data: Buffer, image: Image, section: Section) -> None:
    raw = bytes(data[section.offset : section.offset + section.size])
    names = _names(data, image, section.link)
    buckets, count = struct.unpack_from("<II", raw) if len(raw) >= 8 else (0, 0)
    if not buckets or count != len(names) or len(raw) != 8 + 4 * (buckets + count):
        raise ParseError("The hash table has another size", section.offset)
    heads = struct.unpack_from(f"<{buckets}I", raw, 8)
    chain = struct.unpack_from(f"<{count}I", raw, 8 + 4 * buckets)
    found: list[int] = []
    for bucket, head in enumerate(heads):
        at = head
        while at and len(found) <= count:
            if at >= count or _sysv(names[at][0]) % buckets != bucket:
                raise ParseError("The hash table would not find a symbol", section.offset)
            found.append(at)
            at = chain[at]
    if sorted(found) != list(range(1, count)):
        raise ParseError("The hash table would not find a symbol", section.offset)


def _sysv(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value
