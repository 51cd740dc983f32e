"""The files inside a ClamAV database or update, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats.clamav import archive, cdiff, cvd, header
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Layout

_LARGEST = limits.WORKER_MEMORY // 2


def members(data: Buffer) -> dict[str, bytes]:
    """The members of a database by name, in order; ParseError where one occurs twice."""
    tar = _payload(data, cvd.layout(data))
    found: dict[str, bytes] = {}
    for entry in archive.layout(tar).info.entries.values():
        name = entry.name.decode("utf-8", "surrogateescape")
        if name in found:
            raise ParseError(f"The database holds {entry.label.partition('#')[0]} twice")
        found[name] = bytes(tar[entry.data : entry.data + entry.size])
    return found


def script(data: Buffer) -> bytes:
    """The script of an update; ParseError unless it is as long as the header says."""
    cut = cdiff.layout(data)
    text = bytes(_payload(data, cut))
    length = next(span for span in cut.spans if span.name == "header.length")
    if len(text) != int(bytes(data[length.offset : length.end])):
        raise ParseError("The script is not as long as the update's header says", length.offset)
    return text


def head(data: Buffer) -> dict[str, bytes]:
    """The fields of a database's header by name."""
    fields, _ = header.read(bytes(data[: header.SIZE]))
    return {field.name: field.value for field in fields}


def _payload(data: Buffer, cut: Layout) -> Buffer:
    """What the one span with a member holds."""
    span = next(span for span in cut.spans if span.member)
    raw = data[span.offset : span.end]
    if span.codec == "stored":
        return raw
    whole = bytearray()
    for chunk in codecs.decode(span.codec, raw):
        whole += chunk
        if len(whole) > _LARGEST:
            raise LimitError(f"A database that unpacks to more than {_LARGEST} bytes.")
    return memoryview(bytes(whole))
