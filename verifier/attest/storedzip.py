"""One archive in one form only: a zip of stored files, so that no byte of it is without meaning.

Written and read here and not by a library, since readers of zip files pass over what stands
between and around entries. Reading makes the directory again and compares it byte for byte.
Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_BIG, _MANY = 0xFFFFFFFF, 0xFFFF
_UTF8, _DATE, _MODE = 0x800, 0x21, 0o100644 << 16  # 1 January 1980; a plain file
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """A stored file: where its bytes begin in the archive, how many, and their CRC-32."""

    name: str
    start: int
    size: int
    crc: int
    header: int  # offset of its local header

    @property
    def _wide(self) -> bool:
        return self.size >= _BIG or self.header >= _BIG

    def local(self) -> bytes:
        """The header before its bytes."""
        name = self.name.encode("utf-8")
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.size) if self._wide else b""
        size = _BIG if self._wide else self.size
        version = 45 if self._wide else 20
        head = (b"PK\3\4", version, _UTF8, 0, 0, _DATE, self.crc, size, size, len(name), len(extra))
        return _LOCAL.pack(*head) + name + extra

    def central(self) -> bytes:
        """Its record in the directory."""
        name = self.name.encode("utf-8")
        wide = struct.pack("<2H3Q", 1, 24, self.size, self.size, self.header)
        extra = wide if self._wide else b""
        size, offset = (_BIG, _BIG) if self._wide else (self.size, self.header)
        version = 45 if self._wide else 20
        head = (b"PK\1\2", 3 << 8 | version, version, _UTF8, 0, 0, _DATE, self.crc, size, size)
        tail = (len(name), len(extra), 0, 0, 0, _MODE, offset)
        return _CENTRAL.pack(*head, *tail) + name + extra


def write(out: BinaryIO, files: Mapping[str, bytes | Path]) -> None:
    """Write an archive of `files`, in the order of their names."""
    entries: list[Entry] = []
    at = 0
    for name in sorted(files, key=lambda name: name.encode("utf-8")):
        size, crc = 0, 0
        for chunk in chunks(files[name]):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        found = Entry(name, 0, size, crc, at)
        out.write(found.local())
        written = 0
        for chunk in chunks(files[name]):
            written += out.write(chunk)
        if written != size:
            raise ParseError(f"{name} changed while it was read.")
        entries.append(found)
        at += len(found.local()) + size
    out.write(_directory(entries, at))


def chunks(source: bytes | Path) -> Iterator[bytes]:
    """The bytes of a file, or bytes as they are, piece by piece."""
    if isinstance(source, bytes):
        yield source
        return
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise ParseError(f"{source} cannot be read: {error.strerror}.") from error


def read(file: BinaryIO, what: str) -> list[Entry]:
    """The entries of an archive that `write` could have written, and of no other.

    Raises:
        ParseError: any byte is not as `write` would have it.
    """
    end = file.seek(0, 2)
    entries: list[Entry] = []
    at = 0
    while (found := _entry(file, at, end, what)) is not None:
        if entries and found.name.encode("utf-8") <= entries[-1].name.encode("utf-8"):
            raise ParseError(f"{what} has its files out of order, or one twice.", at)
        entries.append(found)
        at = found.start + found.size
        if len(entries) > limits.MEMBERS:
            raise LimitError(f"{what} has more than {limits.MEMBERS} files.")
    file.seek(at)
    expected = _directory(entries, at)
    if end - at != len(expected) or file.read(len(expected)) != expected:
        raise ParseError(f"{what} has other bytes behind its files than its directory.", at)
    for found in entries:
        if _crc(file, found) != found.crc:
            raise ParseError(f"{found.name} of {what} is damaged.", found.start)
    return entries


def _entry(file: BinaryIO, at: int, end: int, what: str) -> Entry | None:
    file.seek(at)
    head = file.read(_LOCAL.size)
    if len(head) != _LOCAL.size or head[:4] != b"PK\3\4":
        return None
    *_, crc, size, _same, name_length, extra_length = _LOCAL.unpack(head)
    if name_length > limits.NAME_BYTES:
        raise LimitError(f"{what} has a name of more than {limits.NAME_BYTES} bytes.")
    raw, extra = file.read(name_length), file.read(extra_length)
    if len(extra) == 20:
        size = int.from_bytes(extra[4:12], "little")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{what} has a name that is not UTF-8.", at) from error
    start = at + _LOCAL.size + name_length + extra_length
    found = Entry(name, start, size, crc, at)
    if found.local() != head + raw + extra or start + size > end:
        raise ParseError(f"{what} has an entry in another form than the one that is written.", at)
    return found


def _directory(entries: Sequence[Entry], at: int) -> bytes:
    records = b"".join(each.central() for each in entries)
    count, size = len(entries), len(records)
    end = b""
    if count >= _MANY or size >= _BIG or at >= _BIG:
        wide = (b"PK\6\6", 44, 3 << 8 | 45, 45, 0, 0, count, count, size, at)
        end = _END64.pack(*wide) + _LOCATOR.pack(b"PK\6\7", 0, at + size, 1)
    few, small, near = min(count, _MANY), min(size, _BIG), min(at, _BIG)
    return records + end + _END.pack(b"PK\5\6", 0, 0, few, few, small, near, 0)


def content(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The bytes of one entry, piece by piece."""
    file.seek(entry.start)
    left = entry.size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise ParseError(f"{entry.name} ends too early.")
        left -= len(chunk)
        yield chunk


def _crc(file: BinaryIO, entry: Entry) -> int:
    crc = 0
    for chunk in content(file, entry):
        crc = zlib.crc32(chunk, crc)
    return crc
