"""Container metadata (cdb, zmd, rmd) and icons (idb).

Source: libclamav 1.4 (`readdb.c: cli_loadcdb`, `cli_loadmd`, `cli_loadidb`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Record
from verifier.sigdb.clamav import posix, text

_CONTAINER = (
    "container", "container-size", "file-name", "stored-size", "real-size",
    "encrypted", "position", "res1", "res2",
)  # fmt: skip
_RANGES = frozenset({"container-size", "stored-size", "real-size", "position"})
_METADATA = (
    "encrypted", "file-name", "real-size", "stored-size", "crc32", "method", "position", "depth",
)  # fmt: skip
_NUMBERS = frozenset({"encrypted", "real-size", "stored-size", "method", "position", "depth"})
_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){1,4}")
_ICON = re.compile(r"[0-9a-fA-F]{124}")


def container(line: bytes, scope: str) -> Record:
    """`name` and nine more fields`[:minFL[:maxFL]]`."""
    fields = text.decoded(line).split(":")
    if not 10 <= len(fields) <= 12:
        raise ParseError(f"A container signature has {len(fields)} fields instead of 10 to 12")
    values = dict(zip(_CONTAINER, fields[1:10], strict=True))
    if values["container"] != "*" and values["container"] not in text.FILE_TYPES:
        raise ParseError("The container is no file type")
    _expression(values["file-name"])
    for name in _RANGES:
        values[name] = _range(values[name], name)
    if values["encrypted"] not in {"0", "1", "*"}:
        raise ParseError("The encryption flag is neither 0, 1 nor *")
    body = (*values.items(), *text.levels(fields, 10))
    return Record(scope, text.name_of(fields[0]), body)


def _expression(value: str) -> None:
    if value != "*":
        posix.check(value)


def _range(value: str, name: str) -> str:
    if value == "*":
        return value
    found = _RANGE.fullmatch(value)
    if found is None:
        raise ParseError(f"The field {name} is neither *, a number nor a range")
    low, high = int(found.group(1)), int(found.group(2) or found.group(1))
    return str(low) if low == high else f"{low}-{high}"


def metadata(line: bytes, scope: str) -> Record:
    """`name` and eight more fields, of a member of a zip or RAR archive."""
    fields = text.decoded(line).split(":")
    if len(fields) != 9:
        raise ParseError(f"A metadata signature has {len(fields)} fields instead of 9")
    values = dict(zip(_METADATA, fields[1:], strict=True))
    _expression(values["file-name"])
    for name in _NUMBERS:
        values[name] = text.star(values[name], f"The field {name}")
    if values["crc32"] != "*":
        if not _HEX.fullmatch(values["crc32"]):
            raise ParseError("The CRC is no hex number")
        values["crc32"] = values["crc32"].lower()
    return Record(scope, text.name_of(fields[0]), tuple(values.items()))


def icon(line: bytes, scope: str) -> Record:
    """`name:group1:group2:hash of an icon`."""
    fields = text.decoded(line).split(":")
    if len(fields) != 4:
        raise ParseError(f"An icon signature has {len(fields)} fields instead of 4")
    digest = fields[3].lower()
    if not _ICON.fullmatch(digest):
        raise ParseError("The icon's hash has not 124 hex digits")
    size = int(digest[:2], 16)
    if size not in {16, 24, 32} or not _plausible(digest, size):
        raise ParseError("The icon's hash holds values that no icon has")
    body = (("group1", fields[1]), ("group2", fields[2]), ("hash", digest))
    return Record(scope, text.name_of(fields[0]), body)


def _plausible(digest: str, size: int) -> bool:
    """Averages, places and sums within what the loader accepts."""
    at = 2
    limit = size - size // 8
    for digits in (3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2):
        average, x, y = (
            int(digest[at : at + digits], 16),
            int(digest[at + digits : at + digits + 2], 16),
            int(digest[at + digits + 2 : at + digits + 4], 16),
        )
        if x > limit or y > limit or (digits == 3 and average > 4072):
            return False
        at += digits + 4
    red, green, blue, count = (int(digest[at + i : at + i + 2], 16) for i in (0, 2, 4, 6))
    return red + green + blue <= 103 and count <= 100
