"""Symbol versions that an ELF image asks of its libraries, and those that it offers.

gABI extension of Sun and GNU: Elf64_Verneed, Elf64_Verdef (the same in 32 bit).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.formats.elf.header import SHT_VERDEF, SHT_VERNEED
from verifier.formats.elf.symbols import image_of, string_at, strings_of, table
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side

_MOST = 10_000  # entries of one table
_SHOWN = 100  # differences of one kind
_BASE: Final = 1  # VER_FLG_BASE: the file's own name, no version


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Versions that one image alone needs or defines."""
    for verb, read in (("needs", needed), ("defines", _defined)):
        one, other = read(shipped), read(rebuilt)
        for change, which, names in (
            ("added", "shipped", one - other),
            ("removed", "rebuilt", other - one),
        ):
            for name in sorted(names)[:_SHOWN]:
                summary = f"Only the {which} file {verb} this version."
                yield Difference(f"symbol-version-{change}", name, summary)


def needed(side: Side) -> set[str]:
    """What an image asks for, as `GLIBC_2.34 of libc.so.6`; ParseError for a table cut short."""
    found: set[str] = set()
    section = table(side, SHT_VERNEED)
    if section is None:
        return found
    raw = bytes(side.data[section.offset : section.offset + section.length])
    order, strings = image_of(side).header.shape.order, strings_of(side, section.link)
    at = 0
    for _ in range(_MOST):
        _version, count, file, first, following = _unpack(f"{order}HHIII", raw, at)
        library = string_at(strings, file)
        inner = at + first
        for _ in range(min(count, _MOST)):
            _hash, _flags, _other, name, step = _unpack(f"{order}IHHII", raw, inner)
            found.add(f"{string_at(strings, name)} of {library}")
            if not step or len(found) > _MOST:
                break
            inner += step
        if not following or len(found) > _MOST:
            break
        at += following
    return found


def _defined(side: Side) -> set[str]:
    found: set[str] = set()
    section = table(side, SHT_VERDEF)
    if section is None:
        return found
    raw = bytes(side.data[section.offset : section.offset + section.length])
    order, strings = image_of(side).header.shape.order, strings_of(side, section.link)
    at = 0
    for _ in range(_MOST):
        _version, flags, _index, _count, _hash, first, following = _unpack(
            f"{order}HHHHIII", raw, at
        )
        if not flags & _BASE:
            found.add(string_at(strings, _unpack(f"{order}II", raw, at + first)[0]))
        if not following:
            break
        at += following
    return found


def _unpack(code: str, raw: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(code, raw, at)
    except struct.error as error:
        raise ParseError("A table of symbol versions is cut short", at) from error
