"""xz streams: one stream, whole, as one member. `info` says how it was made.

The .xz file format 1.1.0: stream header, blocks, index, footer. Header and
footer are read here for evidence; the decoder checks them and all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import names
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.content import Buffer

MAGIC = b"\xfd7zXZ\0"
_CHECKS = {0: "none", 1: "CRC32", 4: "CRC64", 10: "SHA-256"}
_LZMA2 = 0x21


class Info(NamedTuple):
    """Integrity check and LZMA2 dictionary size in bytes; `sized` blocks come from threads."""

    check: str
    dictionary: int | None
    sized: bool


def layout(data: Buffer) -> Layout:
    """The span `stream`; bytes after its end are `tail`."""
    cutter = Cutter("xz", data)
    end = len(data) if _ends_well(data) else codecs.end_of("xz", data)
    cutter.add("stream", 0, end, member=names.PAYLOAD, codec="xz")
    cutter.add("tail", end, len(data) - end)
    return cutter.finish(read_info(data))


def read_info(data: Buffer) -> Info:
    """Check and first block header of a stream, as far as they can be read."""
    check = _CHECKS.get(data[7] & 15, "unknown") if len(data) > 7 else "unknown"
    header = bytes(data[12:14])
    if len(header) < 2 or header[0] == 0:
        return Info(check, None, sized=False)
    flags, rest = header[1], bytes(data[14 : 12 + 4 * (header[0] + 1)])
    at = 0
    for _ in range((flags >> 6 & 1) + (flags >> 7 & 1)):
        while at < len(rest) and rest[at] & 0x80:
            at += 1
        at += 1
    if rest[at : at + 2] != bytes((_LZMA2, 1)) or at + 2 >= len(rest):
        return Info(check, None, sized=bool(flags & 0xC0))
    bits = rest[at + 2] & 63
    size = 0xFFFFFFFF if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)
    return Info(check, size, sized=bool(flags & 0xC0))


def _ends_well(data: Buffer) -> bool:
    """Whether a footer stands at the very end that agrees with the header's flags."""
    footer = bytes(data[-12:])
    return len(data) >= 32 and footer[10:] == b"YZ" and footer[8:10] == bytes(data[6:8])


FORMAT = Format("xz", magic.xz, layout, container=True)
