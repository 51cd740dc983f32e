"""Judge a map between two images: is one the other, laid out differently?

`check` trusts nothing but the two images and their decoder. It demands that

1. extents are disjoint in both images, lie in sections of one name, and what they leave out is
   padding that no reference points at;
2. bytes outside of reference slots are equal, and the slots are the same ones;
3. each slot points where the map sends its twin's target, or names the same symbol;
4. code is cut only where atoms begin, and never runs over a cut;
5. all facts (headers, symbols, relocations, unwind tables …) are the same, addresses mapped.

What cannot be justified so, and yet fits, is an assumption; each is listed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.errors import LimitError
from verifier.semantic.layout import alignment, bases, cuts, pages, suspects
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.mapping import NOWHERE, Mapping
from verifier.semantic.layout.program import Address, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent
    from verifier.semantic.layout.program import Fact, Piece

_SHOWN = 64
_PAGES_MOST = 1 << 30  # pages times extents
_ADDRESSES = (Kind.TAKEN, Kind.POINTER, Kind.MADE, Kind.INDEXED)
_LINKERS = {b"__bss_start", b"_edata", b"edata", b"_end", b"end", b"_etext", b"etext",
            b"__data_start", b"data_start"}  # fmt: skip
_READINGS = range(9)  # of a fact's addresses: as mapped, or as an edge of a section


class Finding(NamedTuple):
    """Faults make the map worthless; assumptions make it weaker.

    `gaps` are (offset, length) of padding in the shipped file, of which there are many forms.
    """

    faults: tuple[str, ...]
    assumptions: tuple[str, ...]
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def total(self) -> bool:
        """Whether the images are the same program, under the assumptions."""
        return not self.faults


def check(one: Assembled, other: Assembled, extents: Sequence[Extent]) -> Finding:
    """What speaks against the map, and what it rests on. `one` is the rebuilt image."""
    judge = _Judge(one, other, extents)
    judge.run()
    return Finding(tuple(judge.faults[:_SHOWN]), tuple(judge.assumptions), tuple(judge.gaps))


class _Judge:
    def __init__(self, one: Assembled, other: Assembled, extents: Sequence[Extent]) -> None:
        self.one, self.other = one, other
        self.extents = sorted(extents)
        self.map = Mapping(one, other, self.extents)
        self.faults: list[str] = []
        self.assumptions: list[str] = []
        self.gaps: list[tuple[int, int]] = []
        self._behind: list[int] = []  # slots that lead behind a function, where another one is now
        self._edges: dict[int, int] = {}  # what a target means that no extent maps so
        self._plain: set[int] = set()  # targets that extents map

    def run(self) -> None:
        for which, image in (("rebuilt", self.one), ("shipped", self.other)):
            self.faults += [f"The {which} image: {doubt}" for doubt in image.doubts]
        if self.one.program.machine != self.other.program.machine:
            self.faults.append("The images are for different machines.")
        if self.faults or not self._tiled() or not self._same_bytes():
            return
        self.faults += cuts.padding_kept(self.one, self.other, self.extents)
        self._slots()
        if self._behind:
            at = self.one.program.label(int(self.one.slots.at[self._behind[0]]))
            self.assumptions.append(
                f"{len(self._behind)} entries of jump tables lead behind the end of their function,"
                f" to other code than before, first at {at}; nothing takes them."
            )
        self._tables()
        found, assumed = bases.unclear(self.one, self.map)
        self.faults += found
        self.assumptions += assumed
        self._facts()
        found, assumed = cuts.judge(self.one, self.other, self.extents)
        self.faults += found
        self.assumptions += assumed
        self.assumptions += alignment.lost(self.one, self.map)
        found, assumed = suspects.find(self.one, self.map)
        self.faults += found
        self.assumptions += assumed
        unsure = [each for each in self.one.islands if not each.certain]
        if unsure:
            self.assumptions.append(
                f"{sum(each.end - each.start for each in unsure)} bytes of code sections are no"
                f" code, first at {self.one.program.label(unsure[0].start)}; nothing runs them."
            )

    def _tiled(self) -> bool:
        """Extents are disjoint, in sections of one name; the rest of these is padding."""
        homes: list[list[tuple[int, int, Piece]]] = [[], []]
        for extent in self.extents:
            mine, theirs = self.one.piece_at(extent.a), self.other.piece_at(extent.b)
            if mine is None or theirs is None or mine.name != theirs.name or extent.length <= 0:
                self.faults.append(f"{extent.a:#x} is mapped to another section.")
                return False
            if extent.a + extent.length > mine.end or extent.b + extent.length > theirs.end:
                self.faults.append(f"The extent at {extent.a:#x} leaves its section.")
                return False
            homes[0].append((extent.a, extent.a + extent.length, mine))
            homes[1].append((extent.b, extent.b + extent.length, theirs))
        return all(
            self._padded(image, sorted(rows, key=lambda row: row[0]))
            for image, rows in zip((self.one, self.other), homes, strict=True)
        )

    def _padded(self, image: Assembled, rows: list[tuple[int, int, Piece]]) -> bool:
        by_piece: dict[str, list[tuple[int, int]]] = {}
        for start, end, piece in rows:
            by_piece.setdefault(piece.name, []).append((start, end))
        for piece in image.program.pieces:
            if not piece.content:
                continue
            at = piece.address
            for start, end in [*by_piece.get(piece.name, []), (piece.end, piece.end)]:
                if start < at:
                    self.faults.append(f"Two extents overlap at {start:#x} of {piece.name}.")
                elif start > at and not cuts.padding(image, piece, at, start):
                    self.faults.append(f"{piece.name} from {at:#x} to {start:#x} is not mapped.")
                elif start > at and image is self.other:
                    inside = at - piece.address
                    size = min(start - piece.address, piece.stored) - inside
                    if size > 0:
                        self.gaps.append((piece.offset + inside, size))
                at = max(at, end)
        return not self.faults

    def _same_bytes(self) -> bool:
        pieces = {piece.name: piece for piece in self.other.program.pieces}
        for extent in self.extents:
            piece = self.one.piece_at(extent.a)
            assert piece is not None
            twin = pieces[piece.name]
            mine, theirs = self.one.masked.get(piece.name), self.other.masked.get(piece.name)
            if mine is None and theirs is None:
                continue
            if mine is None or theirs is None:
                self.faults.append(f"Only one image holds the contents of {piece.name}.")
                return False
            x, y = extent.a - piece.address, extent.b - twin.address
            if mine[x : x + extent.length] != theirs[y : y + extent.length]:
                self.faults.append(f"Bytes differ in the extent at {extent.a:#x} of {piece.name}.")
        return not self.faults

    def _slots(self) -> None:
        """The same slots at mapped places, each pointing to the mapped target."""
        mine, theirs = self.one.slots, self.other.slots
        places = self.map.all(mine.at)
        if np.any(places == NOWHERE):
            at = int(mine.at[places == NOWHERE][0])
            self.faults.append(f"The reference at {self.one.program.label(at)} is not mapped.")
            return
        order = np.argsort(places, kind="stable")
        same = len(mine) == len(theirs) and all(
            np.array_equal(one[order], two)
            for one, two in (
                (places, theirs.at),
                (mine.size, theirs.size),
                (mine.kind, theirs.kind),
            )
        )
        crosses = self.map.all(mine.at + np.maximum(mine.size, 1) - 1)
        if not same or not np.array_equal(crosses - np.maximum(mine.size, 1) + 1, places):
            self.faults.append("The images have references at different places.")
            return
        targets = self.map.all(mine.target)
        wanted = np.empty_like(theirs.target)
        wanted[order] = theirs.target
        twins = np.empty_like(theirs.symbol)
        twins[order] = theirs.symbol
        named = (mine.symbol != 0) | (twins != 0)
        paged = mine.kind == Kind.PAGE
        moves = {(int(mine.target[each]), int(wanted[each])) for each in np.flatnonzero(paged)}
        if len(moves) * (len(self.extents) + len(self.one.program.pieces)) > _PAGES_MOST:
            raise LimitError(f"{len(moves)} pages are used in ways that cannot be followed")
        apart = {each for each in moves if not pages.together(self.map, *each)}
        for index in np.flatnonzero(paged).tolist():
            if (int(mine.target[index]), int(wanted[index])) in apart:
                self._misses(index, f"the page {int(mine.target[index]):#x} did not move as one")
        reach = np.where(mine.kind >= Kind.WIDE_16, mine.kind - 1, 0)
        cut = (reach > 0) & (self.map.all(mine.target + reach) != targets + reach)
        cut |= (reach > 0) & (((wanted - mine.target) & reach) != 0)
        for index in np.flatnonzero(cut & ~named).tolist():
            self._misses(index, "what it reads at once was cut, or lies otherwise aligned")
        self._plain = set(mine.target[(targets == wanted) & ~named & ~paged].tolist())
        wrong = np.flatnonzero((targets != wanted) & ~named & ~paged)
        for index in wrong.tolist():
            self._target(index, int(mine.target[index]), int(wanted[index]))
        for index in np.flatnonzero(named).tolist():
            texts = (
                self.one.program.symbols[int(mine.symbol[index])],
                self.other.program.symbols[int(twins[index])],
            )
            if texts[0] != texts[1] or mine.target[index] != wanted[index]:
                self._misses(index, f"{texts[0]!r} became {texts[1]!r}")

    def _tables(self) -> None:
        """Jump tables without slots: distances that are read from their start on."""
        for address, length in self.one.tables:
            if length and self.map.extent(address) != self.map.extent(address + length - 1):
                self.faults.append(f"The jump table at {address:#x} is cut.")

    def _target(self, index: int, target: int, wanted: int) -> None:
        """A target that no extent sends where it should go: an edge, or an assumption, or wrong.

        Only an address may be an edge, never memory that is read or code that runs; and all
        references to it must mean the same.
        """
        if wanted in self.map.margin(target):
            return
        kind = int(self.one.slots.kind[index])
        if kind == Kind.END and wanted in self.map.after(target):
            self._behind.append(index)
            return
        what = self._meaning(index, target, wanted) if kind in _ADDRESSES or not target else None
        if what is None or self._edges.setdefault(target, wanted) != wanted:
            self._misses(index, f"{self.one.program.label(target)} became {wanted:#x}")
        elif what:
            self._assume(index, what)

    def _meaning(self, index: int, target: int, wanted: int) -> str | None:
        """What else a target may mean, as an assumption or "" for certain; None for nothing."""
        if self.one.slots.kind[index] == Kind.INDEXED:  # an array, or the base of one
            based = self._biased(target) and wanted in self.map.before(target)
            return "a base before its object" if based else None
        outside = self.map.extent(target) == NOWHERE
        if outside and wanted in self.map.edge(target):
            return ""
        if wanted in self.map.last(target):
            return "the end of a section that is also the start of an object"
        if wanted in self.map.after(target) and (outside or self._walked(index, target)):
            return "one past the end of an object"
        if self._biased(target) and wanted in self.map.before(target):
            taken = self.one.slots.kind[index] == Kind.TAKEN
            return "a base before its object" if taken else None
        return None

    def _walked(self, index: int, end: int) -> bool:
        """Whether the function of a slot also refers to the extent that ends at `end`."""
        slots, at = self.one.slots, int(self.one.slots.at[index])
        piece = self.one.piece_at(at)
        if piece is None or not piece.code:
            return False
        place = int(np.searchsorted(self.one.starts, at, side="right"))
        stop = int(self.one.starts[place]) if place < len(self.one.starts) else piece.end
        mine = slots.target[slots.between(self.one.atom(at), stop)]
        first = int(self.map.a[np.searchsorted(self.map.a, end) - 1])
        return bool(np.any((mine >= first) & (mine < end)))

    def _biased(self, target: int) -> bool:
        """Whether an address can be meant to lie before an object: nothing is known to be there."""
        index = int(np.searchsorted(self.map.a, target))
        starts = index < len(self.map.a) and int(self.map.a[index]) == target
        known = target in self._plain or target in self.one.program.objects
        return not starts and not known and not self._text(target)

    def _text(self, target: int) -> bool:
        """Whether a text begins at an address."""
        piece = self.one.piece_at(target)
        raw = self.one.masked.get(piece.name, b"") if piece else b""
        at = target - piece.address if piece else 0
        return bool(0 < at < len(raw) and not raw[at - 1] and 32 <= raw[at] < 127)

    def _assume(self, index: int, what: str) -> None:
        at = int(self.one.slots.at[index])
        self.assumptions.append(f"The reference at {self.one.program.label(at)} means {what}.")

    def _misses(self, index: int, what: str) -> None:
        at = int(self.one.slots.at[index])
        start = self.one.atom(at)
        home = self.one.program.label(start if start >= 0 else at)
        piece = self.one.piece_at(at)
        place = home if piece is not None and piece.code else self.one.program.label(at)
        self.faults.append(f"A reference in {place} points elsewhere: {what}.")

    def _facts(self) -> None:
        mine, theirs = Counter(self.one.program.facts), Counter(self.other.program.facts)
        through = Counter(self._through(mine, theirs))
        for fact in (through - theirs).elements():
            self.faults.append(f"Only the rebuilt image says: {_shown(fact)}.")
        debug = [item for item in theirs if item[0] == "debug"]
        if debug and any(item not in mine for item in debug):
            self.assumptions.append(
                "Debug information differs; no program reads it, and it was not compared."
            )
        for fact in (theirs - through).elements():
            if fact[0] != "debug":
                self.faults.append(f"Only the shipped image says: {_shown(fact)}.")

    def _through(self, mine: Counter[Fact], theirs: Counter[Fact]) -> list[Fact]:
        """The rebuilt image's facts with their addresses mapped; debug information left out."""
        found = []
        for fact in mine.elements():
            if fact[0] == "debug":
                continue
            readings = (self._read(fact, reading) for reading in _READINGS)
            found.append(next((each for each in readings if each in theirs), self._read(fact, 0)))
        return found

    def _read(self, fact: Fact, reading: int) -> Fact:
        result = self._address(fact, reading, edges=_is_edge(fact))
        assert isinstance(result, tuple)
        return result

    def _runs(self, address: int) -> bool:
        piece = self.one.piece_at(address)
        return piece is not None and piece.code

    def _address(self, item: object, reading: int, *, edges: bool) -> object:
        """An item with its addresses mapped.

        Where no extent is, the start or the end of a section is meant; a symbol may also mean
        these (`__bss_start`) where data begins that moved elsewhere. Code is never so read.
        """
        if isinstance(item, Address):
            if abs(item.value) > FARTHEST:
                return Address(NOWHERE)
            place = self.map.one(item.value)
            if place == NOWHERE or (reading and edges and not self._runs(item.value)):
                first = sorted(self.map.first(item.value))
                after = sorted(self.map.last(item.value) or self.map.after(item.value))
                found = [*first, *after] if place == NOWHERE else [place, *first, *after]
                place = found[min(reading, len(found) - 1)] if found else place
            return Address(place)
        if isinstance(item, tuple):
            return tuple(self._address(each, reading, edges=edges) for each in item)
        return item


def _is_edge(fact: Fact) -> bool:
    """Whether a symbol can stand for an edge of a section: it has no size.

    Those that the loader sees must also bear a name that only linkers give.
    """
    sized = isinstance(fact[-1], int) and fact[-1] != 0
    return fact[0] == "symbol" and not sized and (fact[1] is not True or fact[2] in _LINKERS)


def _shown(fact: Fact) -> str:
    text = " ".join(
        f"{item.value:#x}" if isinstance(item, Address) else repr(item)[:80] for item in fact
    )
    return text[:200]
