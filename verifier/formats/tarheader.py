"""One tar header block and the records of a PAX extended header (POSIX.1-2017, pax)."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError

BLOCK = 512
FIELDS = (
    ("name", 100),
    ("mode", 8),
    ("uid", 8),
    ("gid", 8),
    ("size", 12),
    ("mtime", 12),
    ("chksum", 8),
    ("typeflag", 1),
    ("linkname", 100),
    ("magic", 8),  # with the two bytes of version
    ("uname", 32),
    ("gname", 32),
    ("device", 16),  # major and minor
    ("prefix", 155),
    ("reserved", 12),
)
_SPLIT = struct.Struct("".join(f"{size}s" for _, size in FIELDS))
_OCTAL = re.compile(rb" *([0-7]*)[\0 ]*\Z")
_LENGTH = re.compile(rb"([1-9][0-9]{0,9}) ")


class Header(NamedTuple):
    """The raw fields of one header block, in the order of `FIELDS`."""

    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    chksum: bytes
    typeflag: bytes
    linkname: bytes
    magic: bytes
    uname: bytes
    gname: bytes
    device: bytes
    prefix: bytes
    reserved: bytes

    @property
    def path(self) -> bytes:
        """The name, with the prefix where the magic is that of POSIX."""
        name = cstring(self.name)
        prefix = cstring(self.prefix) if self.magic == b"ustar\x0000" else b""
        return prefix + b"/" + name if prefix else name


def split(block: bytes) -> Header:
    """The fields of a block of 512 bytes."""
    return Header(*_SPLIT.unpack(block))


def cstring(field: bytes) -> bytes:
    """A field up to its first NUL."""
    return field.partition(b"\0")[0]


def number(field: bytes) -> int | None:
    """An octal or (GNU) base-256 number; None where it is neither, or negative."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    found = _OCTAL.match(field) if field else None
    return int(found.group(1) or b"0", 8) if found else None


class Record(NamedTuple):
    """One record of an extended header: where it stands in it, its key and value."""

    offset: int
    length: int
    key: bytes
    value: bytes


def records(body: bytes, at: int) -> tuple[Record, ...]:
    """All records of an extended header at file offset `at`; ParseError on any disorder."""
    result: dict[bytes, Record] = {}
    start = 0
    while start < len(body):
        found = _LENGTH.match(body, start)
        end = start + int(found.group(1)) if found else 0
        if not found or end > len(body) or end <= found.end() or body[end - 1] != 10:
            raise ParseError("A record of a PAX header has a wrong length", at + start)
        key, equals, value = body[found.end() : end - 1].partition(b"=")
        if not equals or not key:
            raise ParseError("A record of a PAX header has no key", at + start)
        if key in result:
            raise ParseError(f"A PAX header sets {key!r} twice", at + start)
        if len(result) >= limits.SECTIONS:
            raise LimitError("A PAX header has too many records.")
        result[key] = Record(start, end - start, key, value)
        start = end
    return tuple(result.values())
