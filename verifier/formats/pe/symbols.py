"""Names for addresses: COFF symbols, exports, and function ranges of the exception table."""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING

from verifier.formats.base import text
from verifier.formats.pe.directories import string_at

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image

_SYMBOLS_MOST = 500_000
_EXPORTS_MOST = 65_536
_AMD64 = 0x8664
_NAME_MOST = 512


def name_at(data: Buffer, image: Image, address: int, *, exact: bool = False) -> str:
    """The symbol, export or function that holds a relative virtual address; empty if unknown.

    A function that nothing names is `sub_<address>`. `exact`: only what begins there.
    """
    table = image.cache.get("symbols")
    if table is None:
        table = image.cache["symbols"] = _table(data, image)
    addresses, names = table
    index = bisect_right(addresses, address) - 1
    section = image.section_at(address)
    named = ""
    if index >= 0 and section is image.section_at(addresses[index]):
        named = names[index]
    start = _function(data, image, address)
    if exact:
        return str(named) if index >= 0 and addresses[index] == address else ""
    if start is None or (named and addresses[index] >= start):
        return str(named)
    return f"sub_{start:x}"


def exports(data: Buffer, image: Image) -> dict[str, int]:
    """Address of each export by its name, or `#ordinal` where it has none."""
    address, size = image.directory("export")
    at = image.offset_of(address, 40) if size >= 40 else None
    if at is None:
        return {}
    base, count, named, functions, names, ordinals = struct.unpack_from("<6I", data, at + 16)
    count, named = min(count, _EXPORTS_MOST), min(named, _EXPORTS_MOST)
    values = _words(data, image, functions, count, "I")
    labels: dict[int, str] = {}
    pairs = zip(
        _words(data, image, names, named, "I"),
        _words(data, image, ordinals, named, "H"),
        strict=False,
    )
    result: dict[str, int] = {}
    for name, index in pairs:
        if index < len(values):
            labels[index] = string_at(data, image, name)
            result[labels[index]] = values[index]
    for index, value in enumerate(values):
        if value and index not in labels:
            result[f"#{base + index}"] = value
    return result


def _words(data: Buffer, image: Image, address: int, count: int, code: str) -> tuple[int, ...]:
    size = struct.calcsize(code)
    at = image.offset_of(address, count * size) if count else None
    return () if at is None else struct.unpack_from(f"<{count}{code}", data, at)


def _table(data: Buffer, image: Image) -> tuple[list[int], list[str]]:
    found = {value: name for name, value in exports(data, image).items()}
    found.update(_coff(data, image))
    ordered = sorted(found.items())
    return [address for address, _name in ordered], [name for _address, name in ordered]


def _coff(data: Buffer, image: Image) -> dict[int, str]:
    """Symbols of the COFF table that stand in a section; the first of an address wins."""
    result: dict[int, str] = {}
    if image.symbols is None or image.strings is None:
        return result
    raw = bytes(data[image.symbols.offset : image.symbols.end])
    strings = bytes(data[image.strings.offset : image.strings.end])
    skip = 0
    for number, symbol in enumerate(struct.iter_unpack("<8sIhHBB", raw)):
        if number > _SYMBOLS_MOST:
            break
        if skip:
            skip -= 1
            continue
        name, value, section, _kind, storage, skip = symbol
        if not 0 < section <= len(image.sections) or storage not in (2, 3, 6) or name[:1] == b".":
            continue
        result.setdefault(image.sections[section - 1].address + value, _symbol_name(name, strings))
    return result


def _symbol_name(name: bytes, strings: bytes) -> str:
    if name[:4] != b"\0\0\0\0":
        return text(name.rstrip(b"\0"))
    at = int.from_bytes(name[4:], "little")
    end = strings.find(b"\0", at)
    return text(strings[at : min(end if end >= 0 else len(strings), at + _NAME_MOST)])


def _function(data: Buffer, image: Image, address: int) -> int | None:
    """Where the function around an address begins, by the exception table of x86-64 images."""
    table = image.cache.get("functions")
    if table is None:
        table = image.cache["functions"] = _functions(data, image)
    index = bisect_right(table[0], address) - 1
    if index < 0 or address >= table[1][index]:
        return None
    begin: int = table[0][index]
    return begin


def _functions(data: Buffer, image: Image) -> tuple[list[int], list[int]]:
    address, size = image.directory("exception")
    count = size // 12
    at = image.offset_of(address, count * 12) if count and image.machine == _AMD64 else None
    if at is None:
        return [], []
    rows = sorted(struct.iter_unpack("<III", bytes(data[at : at + count * 12])))
    return [row[0] for row in rows], [row[1] for row in rows]
