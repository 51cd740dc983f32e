"""The records of a zip file (APPNOTE.TXT 6.3.10, section 4.3), read without judging them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from verifier.content import Buffer

LOCAL, CENTRAL, END, END64, LOCATOR64 = (
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07",
)  # fmt: skip
DESCRIPTOR = b"PK\x07\x08"
_CENTRAL = struct.Struct("<4sHHHHIIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHIIIIHH")
_END = struct.Struct("<4sHHHHIIH")
_FULL = 0xFFFFFFFF
DESCRIBED = 1 << 3  # flag: sizes and CRC follow the data


class Central(NamedTuple):
    """One entry of the central directory; sizes and the offset are the real ones (zip64)."""

    at: int
    flags: int
    method: int
    time: int
    crc: int
    compressed: int
    size: int
    lengths: tuple[int, int, int]
    external: int
    offset: int
    name: bytes
    end: int


class Local(NamedTuple):
    """One local header; `data` is where its data start. Sizes as written."""

    at: int
    flags: int
    method: int
    time: int
    crc: int
    compressed: int
    size: int
    lengths: tuple[int, int]
    name: bytes
    data: int


class End(NamedTuple):
    """The end record: where it stands and ends, and what the directory's place and size are."""

    at: int
    end: int
    size: int
    offset: int
    wide: int | None  # where the zip64 end record stands


def find_end(data: Buffer) -> End:
    """The last end record whose comment fits; ParseError where there is none."""
    first = max(0, len(data) - 22 - 0xFFFF)
    window = bytes(data[first:])
    best = None
    at = window.rfind(END)
    while at >= 0:
        if at + 22 <= len(window):
            comment = struct.unpack_from("<H", window, at + 20)[0]
            if at + 22 + comment == len(window):
                best = at
                break
            if best is None and at + 22 + comment < len(window):
                best = at
        at = window.rfind(END, 0, at + 3)
    if best is None:
        raise ParseError("The zip file has no end record", len(data))
    _, _, _, _, _, size, offset, comment = _END.unpack_from(window, best)
    wide = None
    if window[max(0, best - 20) : best][:4] == LOCATOR64 and best >= 20:
        wide, size, offset = _wide(data, struct.unpack_from("<Q", window, best - 12)[0])
    return End(first + best, first + best + 22 + comment, size, offset, wide)


def _wide(data: Buffer, at: int) -> tuple[int, int, int]:
    record = bytes(data[at : at + 56])
    if len(record) < 56 or record[:4] != END64:
        raise ParseError("The zip64 end record is not where its locator says", at)
    size, offset = struct.unpack_from("<QQ", record, 40)
    return at, size, offset


def central(data: Buffer, at: int) -> Central:
    """The entry of the central directory at `at`."""
    raw = bytes(data[at : at + 46])
    if len(raw) < 46 or raw[:4] != CENTRAL:
        raise ParseError("No entry of the central directory stands where one must", at)
    (_, _, _, flags, method, time, crc, compressed, size, *rest) = _CENTRAL.unpack(raw)
    lengths, external, offset = tuple(rest[:3]), rest[5], rest[6]
    end = at + 46 + sum(lengths)
    if end > len(data):
        raise ParseError("An entry of the central directory reaches beyond the file's end", at)
    name = bytes(data[at + 46 : at + 46 + lengths[0]])
    if len(name) > limits.NAME_BYTES:
        raise LimitError(f"A zip member's name is longer than {limits.NAME_BYTES} bytes.")
    if _FULL in {compressed, size, offset}:
        begin = at + 46 + lengths[0]
        blocks = extras(bytes(data[begin : begin + lengths[1]]))
        wide = next((block.body for block in blocks or () if block.id == 1), b"")
        size, compressed, offset = _widen(wide, (size, compressed, offset), at)
    return Central(
        at, flags, method, time, crc, compressed, size, (lengths[0], lengths[1], lengths[2]),
        external, offset, name, end,
    )  # fmt: skip


def _widen(body: bytes, values: tuple[int, int, int], at: int) -> tuple[int, int, int]:
    """Replace each value that is full by the next number of the zip64 block."""
    result, start = [], 0
    for value in values:
        if value == _FULL:
            if start + 8 > len(body):
                raise ParseError("A zip64 size is missing", at)
            value = int.from_bytes(body[start : start + 8], "little")  # noqa: PLW2901
            start += 8
        result.append(value)
    return result[0], result[1], result[2]


def local(data: Buffer, at: int) -> Local:
    """The local header at `at`."""
    raw = bytes(data[at : at + 30])
    if len(raw) < 30 or raw[:4] != LOCAL:
        raise ParseError("No local header stands where the central directory says", at)
    _, _, flags, method, time, crc, compressed, size, length, extra = _LOCAL.unpack(raw)
    name = bytes(data[at + 30 : at + 30 + length])
    return Local(
        at, flags, method, time, crc, compressed, size, (length, extra), name,
        at + 30 + length + extra,
    )  # fmt: skip


class Extra(NamedTuple):
    """One block of an extra field: offset and length in it, header of four bytes included."""

    offset: int
    length: int
    id: int
    body: bytes


def extras(raw: bytes) -> list[Extra] | None:
    """The blocks of an extra field; None where they do not fill it exactly."""
    result, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            return None
        kind, size = struct.unpack_from("<HH", raw, at)
        if at + 4 + size > len(raw):
            return None
        result.append(Extra(at, 4 + size, kind, raw[at + 4 : at + 4 + size]))
        at += 4 + size
    return result


def descriptor(data: Buffer, at: int, entry: Central) -> int:
    """The length of the data descriptor at `at`: with or without signature, 32 or 64 bit."""
    for signature in (DESCRIPTOR, b""):
        for code in ("<III", "<IQQ"):
            raw = signature + struct.pack(
                code, entry.crc,
                *(value & (_FULL if code == "<III" else (1 << 64) - 1)
                  for value in (entry.compressed, entry.size)),
            )  # fmt: skip
            if bytes(data[at : at + len(raw)]) == raw:
                return len(raw)
    return 16 if bytes(data[at : at + 4]) == DESCRIPTOR else 12
