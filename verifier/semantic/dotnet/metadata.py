"""The metadata of a .NET assembly: its streams, heaps and tables (ECMA-335, II.24 and II.25.3.3).

Strict about what it follows: a stream, row or index outside of its place is a
`ParseError`. Tables are unpacked when they are asked for.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from verifier.errors import LimitError, ParseError
from verifier.formats.base import text
from verifier.semantic.dotnet.schema import CODED, TABLES

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

Row = tuple[int, ...]

_SIGNATURE: Final = b"BSJB"
_STREAMS: Final = 16
_ROWS: Final = 200_000  # of one table
_LARGEST: Final = 64 << 20  # bytes of metadata
_NAME: Final = 1_024  # bytes of one name


class Metadata:
    """The metadata of one side. All rows count from 1, as in the files."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.image: Image = side.layout.info
        clr = self.image.directory("clr")
        header = self._place(clr[0], clr[1], "the CLR header")
        if len(header) < 72:
            raise ParseError("The CLR header is cut short")
        self.flags, self.entry_point = struct.unpack_from("<II", header, 16)
        self._resources = struct.unpack_from("<II", header, 24)
        address, size = struct.unpack_from("<II", header, 8)
        self.root = self._place(address, size, "the metadata")
        self.streams = self._streams()
        self._tables: dict[int, list[Row]] = {}
        self._where: dict[int, tuple[int, int, str]] = {}
        self._read_tables()

    def _place(self, address: int, size: int, what: str) -> bytes:
        if size > _LARGEST:
            raise LimitError(f"An assembly in which {what} takes {size} bytes.")
        at = self.image.offset_of(address, size) if size else None
        if at is None:
            raise ParseError(f"The file does not hold {what} of the assembly")
        return bytes(self.side.data[at : at + size])

    def _streams(self) -> dict[str, bytes]:
        root = self.root
        if root[:4] != _SIGNATURE or len(root) < 20:
            raise ParseError("The metadata does not begin with its signature")
        length = int.from_bytes(root[12:16], "little")
        at = 16 + length
        _flags, count = self._unpack("<HH", at)
        if count > _STREAMS:
            raise LimitError(f"An assembly with {count} streams.")
        found: dict[str, bytes] = {}
        at += 4
        for _ in range(count):
            offset, size = self._unpack("<II", at)
            end = root.find(b"\0", at + 8, at + 8 + 32)
            if end < 0 or offset + size > len(root):
                raise ParseError("A stream of the metadata does not fit into it", at)
            name = root[at + 8 : end].decode("ascii", "replace")
            found[name] = root[offset : offset + size]
            at = end + 1 + -(end + 1 - at) % 4
        return found

    def _unpack(self, code: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(code, self.root, at)
        except struct.error as error:
            raise ParseError("The metadata is cut short", at) from error

    def _read_tables(self) -> None:
        stream = self.streams.get("#~", self.streams.get("#-", b""))
        if len(stream) < 24:
            raise ParseError("The assembly has no stream of tables")
        heaps, valid = stream[6], int.from_bytes(stream[8:16], "little")
        present = [number for number in range(64) if valid >> number & 1]
        at = 24 + 4 * len(present) + (4 if heaps & 0x40 else 0)
        if at > len(stream) or any(number not in TABLES for number in present):
            raise ParseError("The assembly has a table that no edition knows")
        counts = dict(
            zip(present, struct.unpack_from(f"<{len(present)}I", stream, 24), strict=True)
        )
        self._stream = stream
        for number in present:
            code = "<" + "".join(_width(part, heaps, counts) for part in TABLES[number].split())
            size = struct.calcsize(code) * counts[number]
            if at + size > len(stream):
                raise ParseError(f"Table {number:#x} is cut short", at)
            self._where[number] = at, at + size, code
            at += size

    def table(self, number: int) -> list[Row]:
        """All rows of a table; `rows[0]` is row 1. LimitError for too many."""
        if number not in self._tables:
            at, end, code = self._where.get(number, (0, 0, "<I"))
            if (end - at) // struct.calcsize(code) > _ROWS:
                raise LimitError(f"An assembly with more than {_ROWS} rows in one table.")
            self._tables[number] = list(struct.iter_unpack(code, self._stream[at:end]))
        return self._tables[number]

    def row(self, number: int, index: int) -> Row:
        """Row `index` (from 1) of a table; ParseError where there is none."""
        rows = self.table(number)
        if not 0 < index <= len(rows):
            raise ParseError(f"Row {index} of table {number:#x} does not exist")
        return rows[index - 1]

    def string(self, at: int) -> str:
        """A name, escaped."""
        heap = self.streams.get("#Strings", b"")
        if at >= len(heap):
            if at == 0:
                return ""
            raise ParseError(f"A name lies outside of its heap, at {at:#x}")
        end = heap.find(b"\0", at, at + _NAME)
        return text(heap[at : end if end >= 0 else at + _NAME])

    def blob(self, at: int) -> bytes:
        """A blob without its length."""
        heap = self.streams.get("#Blob", b"")
        return _counted(heap, at)

    def user_string(self, at: int) -> str:
        """A text that code loads."""
        raw = _counted(self.streams.get("#US", b""), at)
        return raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace")

    def guid(self, index: int) -> str:
        """A GUID in the usual spelling; empty for none."""
        raw = self.streams.get("#GUID", b"")[16 * (index - 1) : 16 * index] if index else b""
        if len(raw) < 16:
            return ""
        first, second, third = struct.unpack_from("<IHH", raw)
        return f"{first:08x}-{second:04x}-{third:04x}-{raw[8:10].hex()}-{raw[10:].hex()}"

    def at_address(self, address: int) -> bytes:
        """The file's bytes from an address on to the end of its section."""
        section = self.image.section_at(address)
        at = self.image.offset_of(address, 1)
        if section is None or at is None:
            raise ParseError(f"The file holds nothing at address {address:#x}")
        return bytes(self.side.data[at : min(section.pointer + section.content, at + (1 << 22))])

    def resource(self, offset: int) -> bytes:
        """The content of a managed resource in this file."""
        address, size = self._resources
        at = self.image.offset_of(address, size) if size else None
        if at is None or offset + 4 > size:
            raise ParseError("A managed resource lies outside of its directory")
        length = int.from_bytes(self.side.data[at + offset : at + offset + 4], "little")
        if offset + 4 + length > size:
            raise ParseError("A managed resource is cut short")
        return bytes(self.side.data[at + offset + 4 : at + offset + 4 + length])


def compressed(raw: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends) of a compressed unsigned integer (II.23.2)."""
    first = raw[at : at + 1]
    size = 1 if not first or first[0] < 0x80 else 2 if first[0] < 0xC0 else 4
    if len(raw) < at + size or (first and first[0] >= 0xE0):
        raise ParseError("A compressed number is malformed", at)
    value = int.from_bytes(raw[at : at + size], "big")
    return value & (0x7F, 0x3FFF, 0, 0x1FFFFFFF)[size - 1], at + size


def _counted(heap: bytes, at: int) -> bytes:
    if at == 0:
        return b""
    size, start = compressed(heap, at)
    if start + size > len(heap):
        raise ParseError("A blob is cut short", at)
    return heap[start : start + size]


def _width(part: str, heaps: int, counts: dict[int, int]) -> str:
    if part in "24":
        return "H" if part == "2" else "I"
    if part in "sgb":
        return "I" if heaps & {"s": 1, "g": 2, "b": 4}[part] else "H"
    if part[0] == "@":
        return "I" if counts.get(int(part[1:], 16), 0) > 0xFFFF else "H"
    bits, tables = CODED[part]
    most = max(counts.get(number, 0) for number in tables)
    return "I" if most >= 1 << (16 - bits) else "H"
