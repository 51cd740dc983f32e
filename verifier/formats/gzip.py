"""gzip streams (RFC 1952): one member; what follows it is `tail`."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits, names
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout, unpack
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.content import Buffer

_HCRC, _EXTRA, _NAME, _COMMENT, _RESERVED = 2, 4, 8, 16, 0xE0


class Info(NamedTuple):
    """What the trailer must say: CRC-32 and length of the payload; where the header's CRC is."""

    crc: int
    size: int
    header_crc: int | None


def layout(data: Buffer) -> Layout:
    """Header fields, the compressed `body`, checksum and length of the payload.

    The body is unpacked once, since nothing else tells where it ends.
    """
    cutter = Cutter("gzip", data)
    flags = unpack("<3xB", data, 0, "the gzip header")[0]
    if flags & _RESERVED:
        raise ParseError("The gzip header sets reserved flags", 3)
    at = cutter.fields(
        "header",
        0,
        (("magic", 2), ("method", 1), ("flags", 1), ("mtime", 4), ("xfl", 1), ("os", 1)),
    )
    if flags & _EXTRA:
        (size,) = unpack("<H", data, at, "the extra field")
        cutter.add("header.extra", at, 2 + size)
        at += 2 + size
    for bit, name in ((_NAME, "name"), (_COMMENT, "comment")):
        if flags & bit:
            length = _string(data, at)
            cutter.add(f"header.{name}", at, length)
            at += length
    header_crc = at if flags & _HCRC else None
    if header_crc is not None:
        cutter.add("header.hcrc", at, 2)
        at += 2
    counted = _Counted()
    end = codecs.end_of("deflate", data, counted, at)
    cutter.add("body", at, end - at, member=names.PAYLOAD, codec="deflate")
    at = cutter.fields("trailer", end, (("crc32", 4), ("isize", 4)))
    cutter.add("tail", at, len(data) - at)
    return cutter.finish(Info(counted.crc, counted.size & 0xFFFFFFFF, header_crc))


class _Counted:
    """Checksum and length of a payload that passes by."""

    def __init__(self) -> None:
        self.crc = 0
        self.size = 0

    def __call__(self, chunk: bytes, /) -> None:
        self.crc = zlib.crc32(chunk, self.crc)
        self.size += len(chunk)


def _string(data: Buffer, at: int) -> int:
    """The length of a NUL-terminated text, its NUL included."""
    end = bytes(data[at : at + limits.NAME_BYTES]).find(b"\0")
    if end < 0 and at + limits.NAME_BYTES < len(data):
        raise LimitError(f"A gzip name or comment of more than {limits.NAME_BYTES} bytes.")
    if end < 0:
        raise ParseError("The gzip header is cut short", at)
    return end + 1


FORMAT = Format(
    "gzip",
    magic.gzip,
    layout,
    container=True,
    unpacks=True,
    follows=frozenset({"trailer.crc32", "trailer.isize", "header.hcrc"}),
)
