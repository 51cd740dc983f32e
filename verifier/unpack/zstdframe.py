"""Where one zstd frame ends and what it says of itself (RFC 8878, section 3.1.1), undecoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.formats.base import unpack

if TYPE_CHECKING:
    from verifier.content import Buffer

MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCK_MAX = 128 << 10


class Frame(NamedTuple):
    """`end` and `window` in bytes; `size` is the payload's, None where not declared."""

    end: int
    window: int
    size: int | None
    checksum: bool


def read(data: Buffer) -> Frame:
    """Walk the headers of the frame at offset 0; ParseError where they are not in order."""
    if bytes(data[:4]) != MAGIC:
        raise ParseError("No zstd frame starts here", 0)
    (descriptor,) = unpack("<B", data, 4, "the zstd frame header")
    single, checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
    if descriptor & 0x18:
        raise ParseError("The zstd frame header sets reserved bits", 4)
    at, window = 5, 0
    if not single:
        (code,) = unpack("<B", data, at, "the zstd window")
        window = (1 << (10 + (code >> 3))) // 8 * (8 + (code & 7))
        at += 1
    if descriptor & 0x03:
        raise LimitError("A zstd frame needs a dictionary, which is not at hand.")
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    size = None
    if width:
        (size,) = unpack({1: "<B", 2: "<H", 4: "<I", 8: "<Q"}[width], data, at, "the zstd size")
        size += 256 if width == 2 else 0
        at += width
    window = max(size or 0, 1) if single else window
    return Frame(_blocks(data, at) + (4 if checksum else 0), window, size, checksum)


def _blocks(data: Buffer, at: int) -> int:
    last = False
    while not last:
        low, high = unpack("<HB", data, at, "a zstd block header")
        value = low | high << 16
        last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
        if kind == 3 or size > _BLOCK_MAX:
            raise ParseError("A zstd block has a reserved type or is too long", at)
        at += 3 + (1 if kind == 1 else size)
    if at > len(data):
        raise ParseError("The zstd frame is cut short", len(data))
    return at
