"""The line of fields that starts a ClamAV database, and its `.info` (libclamav/cvd.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from verifier.formats.base import Cutter

SIZE = 512
MAGIC = b"ClamAV-VDB"
NAMES = ("magic", "time", "version", "count", "level", "md5", "dsig", "builder", "stime")
_SHORTEST = 8  # fields; files before 2006 have no stime
_TEXT = re.compile(rb"[\x20-\x7e]*\Z")
_DIGITS = re.compile(rb"[0-9]*")
_NUMBER = re.compile(rb"[0-9]{1,10}\Z")


class Field(NamedTuple):
    """One field: `offset` counts from the start of the line."""

    name: str
    offset: int
    value: bytes


def read(line: bytes) -> tuple[tuple[Field, ...], int]:
    """The fields of a line, and where they end; what follows is padding.

    ParseError unless there are eight or nine, of printable ASCII, and the
    numbers that an engine acts on are plain ones: it reads them by `atoi`, which
    would pass over what follows the digits.
    """
    values = line.split(b":", len(NAMES) - 1)
    if values[0] != MAGIC or len(values) < _SHORTEST:
        raise ParseError("The header has not the fields of a ClamAV database", 0)
    last = values[-1]
    values[-1] = _DIGITS.match(last)[0] if len(values) == len(NAMES) else last.rstrip(b" ")  # type: ignore[index]  # it matches always
    fields: list[Field] = []
    at = 0
    for name, value in zip(NAMES, values, strict=False):
        if not _TEXT.match(value):
            raise ParseError(f"The header's field {name} is not printable", at)
        if name in {"version", "count", "level"} and not _NUMBER.match(value):
            raise ParseError(f"The header's field {name} is no number", at)
        fields.append(Field(name, at, value))
        at += len(value) + 1
    return tuple(fields), at - 1


def add(cutter: Cutter, fields: tuple[Field, ...]) -> None:
    """A span for each field of a line at offset 0, and for each colon between them."""
    for field in fields:
        if field.offset:
            name = f"header.separator[{field.name}]"
            cutter.add(name, field.offset - 1, 1, "header.separator")
        cutter.add(f"header.{field.name}", field.offset, len(field.value))
