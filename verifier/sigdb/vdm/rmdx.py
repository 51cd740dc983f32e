"""The container of a Defender database: an RMDX resource, raw deflate, and deltas to a base.

Sources: public write-ups of the format (commial/experiments, "Windows
Defender's VDM Format"; WDExtract, whose size and checksum of a merged database
settle how a delta counts). Microsoft documents none of it.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats.base import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

MAGIC = b"RMDX"
RECINFO, BLOB = 0x74, 0x73  # types of the two entries that a delta consists of
_LARGEST = 384 * limits.MIB  # inflated
_HEADER = 0x40
_STAMP_AND_CHECKSUM = slice(4, 12)
_PLACE = slice(0x18, 0x20)  # offset and inflated size of the data
_COPY, _LENGTH, _SHORTEST = 0x8000, 0x7FFF, 6


class Container(NamedTuple):
    """What a resource holds: its header without what is recomputed, and the stream inflated."""

    header: bytes
    stream: bytes


class Entry(NamedTuple):
    """One type-length-value entry of a stream; `offset` is where it starts."""

    kind: int
    value: bytes
    offset: int


def container(data: Buffer) -> Container:
    """Open a resource.

    Raises:
        ParseError: no RMDX, a stream that is not whole, or bytes behind it.
        LimitError: a stream larger than we inflate.
    """
    if bytes(data[:4]) != MAGIC:
        raise ParseError("No RMDX resource", 0)
    place, size = unpack("<II", data, _PLACE.start, "the RMDX header")
    length, _checksum = unpack("<II", data, place, "the head of the stream")
    if place < _HEADER or place > 0x1000 or length > len(data) - place - 8:
        raise ParseError("An RMDX header that leads out of its resource", _PLACE.start)
    if size > _LARGEST or (size > limits.RATIO_FREE and size > limits.RATIO * length):
        raise LimitError(f"A Defender database that grows to {size} bytes.")
    packed = data[place + 8 : place + 8 + length]
    inflater = zlib.decompressobj(-15)
    try:
        stream = inflater.decompress(packed, size + 1)
    except zlib.error as error:
        raise ParseError(f"The stream cannot be inflated: {error}", place + 8) from error
    if len(stream) != size or not inflater.eof or inflater.unused_data:
        raise ParseError("The stream has not the size and length that are declared", place)
    if bytes(data[place + 8 + length :]).strip(b"\0"):
        raise ParseError("Bytes behind the stream", place + 8 + length)
    header = bytearray(data[:place])
    header[_STAMP_AND_CHECKSUM] = bytes(8)
    header[_PLACE] = bytes(8)
    return Container(bytes(header), stream)


def entries(stream: bytes) -> Iterator[Entry]:
    """The entries of a stream, to its last byte."""
    at = 0
    while at < len(stream):
        if at + 4 > len(stream):
            raise ParseError("The stream ends inside the head of an entry", at)
        (head,) = struct.unpack_from("<I", stream, at)
        end = at + 4 + (head >> 8)
        if not head & 0xFF:
            raise ParseError("An entry of the type 0, which there is none of", at)
        if end > len(stream):
            raise ParseError(f"The stream ends inside an entry of {head >> 8} bytes", at)
        yield Entry(head & 0xFF, stream[at + 4 : end], at)
        at = end


def delta(stream: bytes) -> tuple[bytes, bytes] | None:
    """The information and the commands of a delta; None for a whole database."""
    if stream[:1] != bytes([RECINFO]):
        return None
    found = list(entries(stream))
    if [entry.kind for entry in found] != [RECINFO, BLOB]:
        raise ParseError("A delta that is not information and commands alone")
    return found[0].value, found[1].value


def merged(base: bytes, blob: bytes) -> bytes:
    """The database that a delta makes of its base; ParseError unless size and checksum fit.

    Commands: u16 with the highest bit set copies the rest of it plus six bytes
    from a u32 offset of the base; without, that many bytes follow.
    """
    if len(blob) < 8:
        raise ParseError("A delta without a head")
    size, checksum = struct.unpack_from("<II", blob)
    if size > min(_LARGEST, len(base) + len(blob) * 0x10000):
        raise LimitError("A delta that promises more than it can make.")
    made = bytearray()
    at = 8
    while at < len(blob) and len(made) <= size:
        command = int.from_bytes(blob[at : at + 2], "little")
        at += 2
        if command & _COPY:
            start = int.from_bytes(blob[at : at + 4], "little")
            at += 4
            part = base[start : start + (command & _LENGTH) + _SHORTEST]
            wanted = (command & _LENGTH) + _SHORTEST
        else:
            part, wanted = blob[at : at + command], command
            at += command
        if len(part) != wanted or at > len(blob):
            raise ParseError("A delta that leads out of its base or itself", at)
        made += part
    if len(made) != size or ~zlib.crc32(made) & 0xFFFFFFFF != checksum:
        raise ParseError("A delta does not make what it promises of this base")
    return bytes(made)
