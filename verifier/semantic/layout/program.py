"""One image as layout equivalence sees it: pieces, code starts, reference slots, facts.

Addresses are those of the image when it is loaded at base 0 (ELF `p_vaddr`,
PE relative virtual address). Arrays are parallel and sorted by address.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from verifier.errors import ParseError
from verifier.semantic.layout.extent import FARTHEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier.content import Buffer
    from verifier.semantic.layout.x86 import Code

Ints = NDArray[np.int64]


class Kind(IntEnum):
    """What a reference slot is to the machine or the loader."""

    TAKEN = 1  # an address that code computes (x86 lea)
    ACCESS = 2  # memory that code reads or writes in place
    BRANCH = 3
    CALL = 4
    POINTER = 5  # a word that the loader rebases
    SYMBOL = 6  # a word that the loader fills with a symbol's address
    TABLE = 7  # a distance from the start of a jump table to code
    TYPES = 8  # a reference in a table of exception types
    MADE = 9  # a number that the linker derives: the index of a relocation
    PAGE = 10  # a page of 4 KiB whose use was not found (AArch64 adrp)
    INDEXED = 11  # an address to which an instruction adds registers (32-bit x86)
    END = 12  # as TABLE, to just behind the code of a function, where nothing runs
    WIDE_16 = 16  # an access to as many bytes at once, which must be aligned
    WIDE_32 = 32
    WIDE_64 = 64


VECTORS = (Kind.WIDE_16, Kind.WIDE_32, Kind.WIDE_64)


class Address(NamedTuple):
    """An address inside a fact: compared through the map."""

    value: int


Fact = tuple[object, ...]
"""Something that both images must say alike, addresses apart; its first item names it."""


class Piece(NamedTuple):
    """A section. Only `content` pieces are mapped; facts speak for all bytes of the others."""

    name: str
    address: int
    size: int
    data: Buffer | None  # None where the loader fills it with zeros
    code: bool = False
    content: bool = True
    whole: bool = False  # its order is its meaning: never cut
    made: bool = False  # slots that the linker makes, each on its own (GOT, PLT)
    offset: int = -1  # where its contents stand in the file
    stored: int = 0  # how many bytes of it do

    @property
    def end(self) -> int:
        """First address after the piece."""
        return self.address + self.size


def parted(piece: Piece, parts: Iterable[tuple[str, int, int]]) -> list[Piece]:
    """The parts (name, start, end) of a piece as pieces, by their offsets in it; no empty ones."""
    return [
        piece._replace(
            name=name,
            address=piece.address + start,
            offset=piece.offset + start,
            stored=max(0, min(piece.stored, end) - start),
            size=end - start,
            data=None if piece.data is None else piece.data[start:end],
        )
        for name, start, end in parts
        if end > start
    ]


def _address(piece: Piece) -> int:
    return piece.address


@dataclass(slots=True)
class Slots:
    """Places whose bytes are references. `symbol` is 0, or an index into `Program.symbols`."""

    at: Ints
    size: Ints
    kind: Ints
    target: Ints
    symbol: Ints

    def __len__(self) -> int:
        return len(self.at)

    def table(self) -> Ints:
        """As rows of five columns."""
        return np.stack([self.at, self.size, self.kind, self.target, self.symbol], axis=1)

    def between(self, start: int, end: int) -> slice:
        """The slots that begin in [start, end)."""
        first, last = np.searchsorted(self.at, (start, end))
        return slice(int(first), int(last))


def table_of(rows: Sequence[tuple[int, int, int, int, int]]) -> Ints:
    """Rows (at, size, kind, target, symbol) as a table of five columns.

    Raises:
        ParseError: an address is beyond all that an image can have.
    """
    try:
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    except OverflowError as error:
        raise ParseError("A reference lies, or points, beyond all addresses") from error
    if len(table) and max(int(table.max()), -int(table.min())) > FARTHEST:
        raise ParseError("A reference lies, or points, beyond all addresses")
    return table


def slots_of(rows: Ints | Sequence[tuple[int, int, int, int, int]]) -> Slots:
    """Slots from rows (at, size, kind, target, symbol) in any order, each once."""
    table = rows if isinstance(rows, np.ndarray) else table_of(rows)
    table = table[np.lexsort(table.T[::-1])]
    if len(table) > 1:
        again = np.all(table[1:] == table[:-1], axis=1)
        table = table[np.concatenate([[True], ~again])]
    return Slots(*(np.ascontiguousarray(table[:, column]) for column in range(5)))


@dataclass(slots=True)
class Program:
    """One image. `starts` are where code atoms begin; `names` what symbols call an address."""

    machine: str
    pieces: tuple[Piece, ...]
    starts: Ints
    slots: Slots
    facts: list[Fact]
    symbols: list[str] = field(default_factory=lambda: [""])
    names: dict[int, list[str]] = field(default_factory=dict)
    objects: dict[int, int] = field(default_factory=dict)  # data symbols: address → size
    sizes: dict[int, int] = field(default_factory=dict)  # functions: start → size, as declared
    tables: list[int] = field(default_factory=list)  # exception tables (LSDA) that frames point at
    callbacks: list[int] = field(default_factory=list)  # PE: what the loader calls (.tls)
    marks: dict[int, str] = field(default_factory=dict)  # places in pieces that are not mapped
    known: dict[int, str] = field(default_factory=dict)  # what reports call other places
    relative: bool = False  # whether words may be distances from the image's start (PE)
    jumps: list[int] = field(default_factory=list)  # slots of lazily bound functions, in order
    whole: bool = False  # whether everything was read, so that functions can be compared
    reader: Callable[[bytes, int, str, Sequence[int]], Code] | None = None  # its own decoder
    modes: list[tuple[int, str]] = field(default_factory=list)  # ARM: where `a`, `t`, `d` begins
    debug: dict[str, Buffer] = field(default_factory=dict)  # debug sections by name
    base: int = 0  # what debug information adds to addresses
    _index: dict[str, int] = field(default_factory=dict)
    _indexed: tuple[Piece, ...] = ()
    _sorted: list[Piece] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)  # why this image can never be decided

    def symbol(self, text: str) -> int:
        """The index of a symbol's text, which is added if it is new."""
        if not self._index:
            self._index = {each: at for at, each in enumerate(self.symbols)}
        number = self._index.setdefault(text, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(text)
        return number

    def piece_at(self, address: int) -> Piece | None:
        """The piece that holds an address; where two overlap, the one that begins later."""
        if self._indexed is not self.pieces:
            self._indexed = self.pieces
            self._sorted = sorted((each for each in self.pieces if each.size), key=_address)
        index = bisect_right(self._sorted, address, key=_address) - 1
        piece = self._sorted[index] if index >= 0 else None
        return piece if piece is not None and address < piece.end else None

    def label(self, address: int) -> str:
        """The name of a symbol at an address, or its section and offset."""
        if names := self.names.get(address):
            return names[0]
        piece = self.piece_at(address)
        return f"{piece.name}+{address - piece.address:#x}" if piece else f"{address:#x}"
