"""The container of libyara 4's compiled rules: twelve buffers and the pointers between them.

Source: libyara, arena.c (`yr_arena_load_stream`) and compiler.h of 4.2.3 and 4.5.4.
A pointer is stored as {u32 buffer, u32 offset}; the list of relocations at the
file's end says where pointers are. The loader believes that list, so it must be
exactly the places where the tables and the code have one: no more, no fewer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB

if TYPE_CHECKING:
    from verifier.content import Buffer

MAGIC = b"YARA"
VERSIONS = {19: "4.2", 20: "4.3", 21: "4.4 and 4.5"}
(NAMESPACES, RULES, METAS, STRINGS, EXTERNALS, POOL, CODE, REGEX, TRANSITIONS, MATCHES, ATOMS,
 SUMMARY) = range(12)  # fmt: skip
NAMES = (
    "namespaces", "rules", "metas", "strings", "externals", "texts", "conditions",
    "regular expressions", "transitions", "match table", "matches", "summary",
)  # fmt: skip
SIZE = 128 * MIB  # of one file; its records take several times as much memory
_HEADER = 6 + 12 * len(NAMES)
_NULL = 0xFFFFFFFF


class Ref(NamedTuple):
    """Where a pointer leads: a buffer's number and an offset in it."""

    buffer: int
    offset: int


class Arena:
    """The buffers of one file, and a ledger of what has been read of them."""

    def __init__(self, data: Buffer) -> None:
        if len(data) > SIZE:
            raise LimitError(f"Compiled rules of {len(data)} bytes; {SIZE} are the most.")
        if bytes(data[:4]) != MAGIC or len(data) < _HEADER:
            raise ParseError("This is no file of compiled YARA rules, or it is cut short", 0)
        self.version = data[4]
        if self.version not in VERSIONS:
            raise ParseError(f"Compiled rules of format {self.version} are not known here", 4)
        if data[5] != len(NAMES):
            raise ParseError(f"Compiled rules have 12 buffers, not {data[5]}", 5)
        self.bytes: list[bytes] = []
        self.start: list[int] = []
        at = _HEADER
        for number, name in enumerate(NAMES):
            offset, size = struct.unpack_from("<QI", data, 6 + 12 * number)
            if offset != at or at + size > len(data):
                raise ParseError(f"The buffer of {name} is not where it belongs", 6 + 12 * number)
            self.start.append(at)
            self.bytes.append(bytes(data[at : at + size]))
            at += size
        self._pointers = [bytearray(len(item)) for item in self.bytes]
        self._relocate(data, at)
        self._texts: dict[int, int] = {}

    def _relocate(self, data: Buffer, at: int) -> None:
        if (len(data) - at) % 8:
            raise ParseError("The list of relocations ends inside an entry", at)
        for number, (buffer, offset) in enumerate(struct.iter_unpack("<II", data[at:])):
            if buffer >= len(NAMES) or offset + 8 > len(self.bytes[buffer]):
                raise ParseError("A relocation lies outside of its buffer", at + 8 * number)
            if self._pointers[buffer][offset]:
                raise ParseError("A relocation is listed twice", at + 8 * number)
            self._pointers[buffer][offset] = 1

    def error(self, message: str, buffer: int, offset: int = 0) -> ParseError:
        """A ParseError at a place of a buffer."""
        return ParseError(message, self.start[buffer] + offset)

    def is_pointer(self, buffer: int, offset: int) -> bool:
        """Whether an unread pointer is stored here."""
        return bool(self._pointers[buffer][offset])

    def take(self, buffer: int, pattern: bytes) -> bool:
        """Note all pointers of a buffer as read, if they stand as `pattern` has them."""
        if self._pointers[buffer] != pattern:
            return False
        self._pointers[buffer] = bytearray()
        return True

    def pointer(self, buffer: int, offset: int, target: int) -> Ref | None:
        """Read the pointer at a place, which must lead into buffer `target` or be null."""
        if not self._pointers[buffer][offset]:
            raise self.error("A pointer has no relocation", buffer, offset)
        self._pointers[buffer][offset] = 0
        ref = Ref(*struct.unpack_from("<II", self.bytes[buffer], offset))
        if ref == (_NULL, _NULL):
            return None
        if ref.buffer != target or ref.offset >= len(self.bytes[target]):
            raise self.error(f"A pointer leads out of the {NAMES[target]}", buffer, offset)
        return ref

    def needed(self, buffer: int, offset: int, target: int) -> int:
        """The offset that a pointer leads to; it must not be null."""
        ref = self.pointer(buffer, offset, target)
        if ref is None:
            raise self.error(f"A pointer to the {NAMES[target]} is null", buffer, offset)
        return ref.offset

    def text(self, offset: int) -> str:
        """The text at an offset of the pool, up to its NUL."""
        pool = self.bytes[POOL]
        end = pool.find(b"\0", offset)
        if end < 0:
            raise self.error("A text has no end", POOL, offset)
        return self.raw(offset, end + 1 - offset)[:-1].decode("utf-8", "surrogateescape")

    def raw(self, offset: int, length: int) -> bytes:
        """`length` bytes of the pool, noted as read."""
        if length < 1 or offset + length > len(self.bytes[POOL]):
            raise self.error("A text reaches beyond the pool", POOL, offset)
        if self._texts.setdefault(offset, length) != length:
            raise self.error("Two readings of a text differ in length", POOL, offset)
        return self.bytes[POOL][offset : offset + length]

    def finish(self) -> None:
        """Refuse relocations and texts that nothing has read."""
        for buffer, pending in enumerate(self._pointers):
            left = pending.find(1)
            if left >= 0:
                raise self.error(f"A relocation of the {NAMES[buffer]} is no pointer", buffer, left)
        at = 0
        for offset in sorted(self._texts):
            if offset != at:
                raise self.error("Texts overlap, or bytes belong to none", POOL, min(at, offset))
            at += self._texts[offset]
        if at != len(self.bytes[POOL]):
            raise self.error("Bytes after the last text", POOL, at)
