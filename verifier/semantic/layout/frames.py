"""Unwind tables of ELF images: `.eh_frame` as facts, and the exception tables that it points at.

Linux Standard Base, Core, exception frames (.eh_frame); Itanium C++ ABI, exception handling,
level II (language-specific data area).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.program import Address, Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.program import Fact, Piece

OMIT = 0xFF
_FIXED = {0x00: (8, False), 0x02: (2, False), 0x03: (4, False), 0x04: (8, False),
          0x0A: (2, True), 0x0B: (4, True), 0x0C: (8, True)}  # fmt: skip
_PCREL = 0x10
_INDIRECT = 0x80
_ACTIONS_MOST = 1 << 16  # bytes of one exception table's actions
_ENTRIES_MOST = 4_000_000


class Frame(NamedTuple):
    """One function description entry."""

    begin: int
    size: int
    table: int  # address of its exception table, 0 without one


class _Common(NamedTuple):
    """What a common information entry gives to its functions."""

    key: tuple[object, ...]
    pointer: int  # encoding of addresses
    table: int  # encoding of the exception table's address
    augmented: bool


class Cursor:
    """Reads a table forward; ParseError beyond its end."""

    def __init__(self, piece: Piece, at: int, end: int) -> None:
        assert piece.data is not None
        self.data = piece.data
        self.base = piece.address
        self.at = at  # offset in the piece
        self.end = min(end, len(self.data))
        self.word = 8  # bytes of a plain pointer

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size < 0 or self.at + size > self.end:
            raise ParseError("An unwind table ends inside an entry", self.at)
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def number(self, size: int, *, signed: bool = False) -> int:
        """A little-endian number."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def uleb(self) -> int:
        """An unsigned LEB128 number (DWARF 5, 7.6)."""
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ParseError("A number in an unwind table is too long", self.at)

    def shortest(self) -> int:
        """An unsigned number in as few bytes as it can be written; ParseError for a longer form.

        Assemblers write none in `.eh_frame`: a longer one swallows what follows.
        """
        start = self.at
        value = self.uleb()
        if self.at - start > 1 and value < 1 << 7 * (self.at - start - 1):
            raise ParseError("A number of the unwind table is longer than it need be", start)
        return value

    def sleb(self) -> int:
        """A signed LEB128 number."""
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def text(self) -> bytes:
        """A text up to its zero byte, which is taken too."""
        stop = bytes(self.data[self.at : min(self.end, self.at + 64)]).find(b"\0")
        if stop < 0:
            raise ParseError("An unwind table holds a text without an end", self.at)
        return self.take(stop + 1)[:-1]

    def pointer(self, encoding: int) -> int:
        """An encoded pointer's value; relative ones as an address. 0 is none."""
        place = self.base + self.at
        if encoding & 0x0F not in _FIXED or encoding & 0x70 not in (0, _PCREL):
            raise ParseError(
                f"Pointers of the unwind table have the encoding {encoding:#x}", self.at
            )
        size, signed = _FIXED[encoding & 0x0F]
        size = size if encoding & 0x0F else self.word
        value = self.number(size, signed=signed)
        return value + place if value and encoding & 0x70 == _PCREL else value


def frames(piece: Piece, word: int = 8) -> tuple[list[Frame], list[Fact]]:
    """All functions that `.eh_frame` describes, and what it says as facts.

    Raises:
        ParseError: an entry is malformed or not padded, or bytes follow the terminator.
    """
    found: list[Frame] = []
    facts: list[Fact] = []
    commons: dict[int, _Common] = {}
    at, size, ended = 0, piece.size, False
    while at < size:
        cursor = Cursor(piece, at, size)
        cursor.word = word
        length = cursor.number(4)
        if length == 0:
            if any(bytes(cursor.data[cursor.at : size])):
                raise ParseError("Bytes follow the end of the unwind table", cursor.at)
            ended = True
            break
        if length % 4:  # GNU as and ld pad entries so, gold and lld too
            raise ParseError("An entry of the unwind table is not padded", at)
        if length == 0xFFFFFFFF or cursor.at + length > size or len(found) > _ENTRIES_MOST:
            raise ParseError("An entry of the unwind table leaves it", at)
        cursor.end = end = cursor.at + length
        place = cursor.at
        common = cursor.number(4)
        if common == 0:
            commons[at] = _common(cursor)
        else:
            mine = commons.get(place - common)
            if mine is None:
                raise ParseError("An entry of the unwind table has no common entry", at)
            frame = _frame(cursor, mine)
            if max(frame.begin, frame.size, frame.table) > FARTHEST:
                raise ParseError("A function is larger than any image", at)
            found.append(frame)
            rest = cursor.take(end - cursor.at).rstrip(b"\0")
            where = Address(frame.table) if frame.table else None
            facts.append(("frame", Address(frame.begin), frame.size, mine.key, where, rest))
        at = end
    facts.append(("frames end", ended))  # by a terminator, which readers of the table rely on
    return found, facts


def _common(cursor: Cursor) -> _Common:
    version = cursor.number(1)
    if version not in (1, 3):
        raise ParseError(f"The unwind table has version {version}", cursor.at)
    augmentation = cursor.text()
    alignments = cursor.uleb(), cursor.sleb(), cursor.uleb() if version == 3 else cursor.number(1)
    pointer, table, personality = 0, OMIT, 0
    if augmentation[:1] == b"z":
        pointer, table, personality = _augmentation(cursor, augmentation[1:])
    elif augmentation:
        raise ParseError("The unwind table has an unknown augmentation", cursor.at)
    program = cursor.take(cursor.end - cursor.at).rstrip(b"\0")
    where = Address(personality) if personality else None
    key = (version, augmentation, alignments, pointer, table, where, program)
    return _Common(key, pointer, table, augmentation[:1] == b"z")


def _augmentation(cursor: Cursor, letters: bytes) -> tuple[int, int, int]:
    """(encoding of addresses, of the exception table's address, personality).

    Letters without data are told apart by the text itself: S for frames of signals, and on
    AArch64 B for return addresses that are signed with key B.
    """
    pointer, table, personality = 0, OMIT, 0
    stop = cursor.shortest() + cursor.at
    for letter in letters:
        if letter == ord("R"):
            pointer = cursor.number(1)
        elif letter == ord("L"):
            table = cursor.number(1)
        elif letter == ord("P"):
            personality = cursor.pointer(cursor.number(1))
        elif letter not in b"SB":
            raise ParseError("The unwind table has an unknown augmentation", cursor.at)
    if cursor.at != stop:
        raise ParseError("An augmentation of the unwind table has another length", cursor.at)
    return pointer, table, personality


def _frame(cursor: Cursor, common: _Common) -> Frame:
    begin = cursor.pointer(common.pointer)
    size = cursor.pointer(common.pointer & 0x0F)
    table = 0
    if common.augmented:
        stop = cursor.shortest() + cursor.at
        if common.table != OMIT:
            table = cursor.pointer(common.table)
        if cursor.at != stop:
            raise ParseError("An augmentation of the unwind table has another length", cursor.at)
    return Frame(begin, size, table)


def type_slots(piece: Piece, address: int) -> list[tuple[int, int, int, int, int]]:
    """The references to types in the exception table at `address`.

    Call sites and landing pads are distances inside their function, which moves as one.
    """
    cursor = Cursor(piece, address - piece.address, piece.size)
    if cursor.number(1) != OMIT:
        raise ParseError("An exception table has a base of its own for landing pads", cursor.at)
    encoding = cursor.number(1)
    if encoding == OMIT:
        return []
    if encoding & 0x7F != 0x1B:
        raise ParseError(f"Types of an exception table have the encoding {encoding:#x}", cursor.at)
    base = cursor.uleb() + cursor.at
    cursor.number(1)
    actions = cursor.uleb() + cursor.at
    count = _types(Cursor(piece, actions, base))
    rows = []
    for index in range(1, count + 1):
        place = Cursor(piece, base - 4 * index, base)
        at = place.base + place.at
        value = place.number(4, signed=True)
        if value:
            rows.append((at, 4, int(Kind.TYPES), at + value, 0))
    return rows


def _types(cursor: Cursor) -> int:
    """How many types the actions name: the largest filter, as far as actions can be read."""
    most = 0
    if cursor.end - cursor.at > _ACTIONS_MOST:
        raise LimitError(f"An exception table holds {cursor.end - cursor.at} bytes of actions")
    room = (cursor.end - cursor.at) // 4
    while cursor.at + 2 <= cursor.end - 4 * most:
        most = max(most, cursor.sleb())
        cursor.sleb()
        if most > room:
            raise ParseError("An exception table names more types than it can hold", cursor.at)
    return most
