"""ClamAV databases: CVD, CUD, and CLD as freshclam writes them (libclamav/cvd.c).

512 bytes of header, then gzip around a tar, or the bare tar. What the loader
skips is no place to hide: gzip's header has its one form, nothing follows it,
and each byte of the header lies in a field, a colon or the padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits, names
from verifier.errors import ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout
from verifier.formats.clamav import header
from verifier.formats.clamav.payload import Info, Watch
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.content import Buffer

GZIP = b"\x1f\x8b\x08\x00"  # method deflate, no flags
STORED = b"COPYING"
CHECKED = frozenset(
    f"header.{name}" for name in ("time", "count", "md5", "dsig", "builder", "stime", "padding")
)


def layout(data: Buffer) -> Layout:
    """The header's fields, then `gzip.*`, `body` and `trailer.*`; or `payload`, a bare tar."""
    cutter = Cutter("cvd", data)
    if len(data) < header.SIZE:
        raise ParseError("The header of a ClamAV database is cut short", len(data))
    fields, end = header.read(bytes(data[: header.SIZE]))
    header.add(cutter, fields)
    cutter.add("header.padding", end, header.SIZE - end)
    watch = Watch()
    if bytes(data[header.SIZE : header.SIZE + len(STORED)]) == STORED:
        cutter.add(
            "payload", header.SIZE, len(data) - header.SIZE, member=names.PAYLOAD, codec="stored"
        )
        walk(watch, data[header.SIZE :])
    else:
        end = gzip(cutter, data, header.SIZE, watch)
        if end != len(data):
            raise ParseError(f"{len(data) - end} bytes follow the compressed database", end)
    return cutter.finish(Info(watch.crc, watch.size, None, watch.listing, {}))


def walk(watch: Watch, payload: Buffer) -> None:
    """Let `watch` look for the `.info` of a payload that is not compressed."""
    for at in range(0, len(payload), limits.MIB):
        if watch.over:
            return
        watch.walk(bytes(payload[at : at + limits.MIB]))


def gzip(cutter: Cutter, data: Buffer, at: int, watch: Watch) -> int:
    """Spans for one gzip member at `at`, named so that gzip's own rules hold; returns its end."""
    if bytes(data[at : at + len(GZIP)]) != GZIP:
        raise ParseError("The payload is neither a tar nor plain gzip", at)
    cutter.add("gzip.magic", at, 4)
    cutter.add("gzip.mtime", at + 4, 4)
    cutter.add("gzip.xfl", at + 8, 1, "header.xfl")
    cutter.add("gzip.os", at + 9, 1)
    start = at + 10
    end = codecs.end_of("deflate", data, watch, start)
    cutter.add("body", start, end - start, member=names.PAYLOAD, codec="deflate")
    return cutter.fields("trailer", end, (("crc32", 4), ("isize", 4)))


FORMAT = Format(
    "cvd",
    magic.cvd,
    layout,
    container=True,
    unpacks=True,
    families=("gzip",),
    follows=CHECKED | {"trailer.crc32", "trailer.isize"},
)
