"""Addresses that AArch64 code makes in two steps: a page by `adrp`, the place in it by a partner.

The partner (add, or a load or store with an offset) is the reference: its slot has the exact
target. It is one only if every value that may reach it is a page, and always the same. An `adrp`
all of whose uses are such partners says no more than they do. The value of any other may go
anywhere in its page: it gets a slot of its own that holds only where the whole page moved as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import a64flow
from verifier.semantic.layout.a64copies import STACK
from verifier.semantic.layout.a64flow import WORD, Graph
from verifier.semantic.layout.program import Kind
from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from verifier.semantic.layout.mapping import Mapping
    from verifier.semantic.layout.program import Piece, Program
    from verifier.semantic.layout.x86 import Code

SIZE = 4096
_STEPS_MOST = 1 << 16  # words over which one value is followed
Row = tuple[int, int, int, int, int]


def resolve(program: Program, piece: Piece, code: Code) -> Code:
    """The code with the slots of all pages and their partners, and with its jump tables judged."""
    if code.registers is None or piece.data is None:
        return code
    return _Pages(program, piece, code).run()


class _Pages:
    def __init__(self, program: Program, piece: Piece, code: Code) -> None:
        assert code.registers is not None
        self.code, self.piece, self.program = code, piece, program
        self.graph = Graph(program, piece, code)
        self.starts = set(self.graph.bounds)
        self.page: list[int] = code.registers.page.tolist()
        self.base: list[int] = code.registers.base.tolist()
        self.offset: list[int] = code.registers.offset.tolist()
        self.taken: list[int] = code.registers.taken.tolist()
        self.words = self.graph.words
        self.targets: dict[int, int] = {}  # of a partner, by its index
        self.rows: list[Row] = []
        self.doubts: list[str] = []
        self.tables: list[tuple[int, int]] = []
        self._judged: dict[tuple[int, int], int | None] = {}

    def run(self) -> Code:
        found = a64flow.tables(self.graph, self.code, self.words, self._odd)
        known = [self._enter(table) for table in found]
        self._judged.clear()
        for table, address in zip(found, known, strict=True):
            # Only now all ways are known on which another address might come to the jump.
            if address is None or self._address(table, sure=True) != address:
                self._odd(self._at(table.jump))
        self._judged.clear()
        self.targets.clear()
        for index in self._sites():
            self._site(index)
        self._data({table.base for table in found})
        for index, target in self.targets.items():
            kind = Kind.TAKEN if self.taken[index] else Kind.ACCESS
            self.rows.append((self._at(index), WORD, int(kind), target, 0))
        return self.code._replace(
            fixed=tuple(self.rows),
            doubts=(*self.code.doubts, *self.doubts),
            tables=tuple(self.tables),
        )

    def _at(self, index: int) -> int:
        return self.graph.base + WORD * index

    def _odd(self, at: int) -> None:
        self.doubts.append(f"The jump at {at:#x} has no table that could be found.")

    def _data(self, bases: set[int | None]) -> None:
        """Data among code is not told from code by its words: that there is none is demanded."""
        table = self.code.rows
        rows = [
            (at, kind == Kind.TAKEN, target)
            for at, _size, kind, target, _ in table[
                np.isin(table[:, 2], (Kind.TAKEN, Kind.ACCESS))
            ].tolist()
        ]
        rows += [(self._at(at), bool(self.taken[at]), to) for at, to in self.targets.items()]
        for at, taken, target in rows:
            begins = taken and (target in bases or target in self.starts)
            if self.graph.inside(target & ~3) and not begins:
                self.doubts.append(f"The code at {at:#x} uses code at {target:#x} as data.")

    def _sites(self) -> list[int]:
        """All `adrp` that are code."""
        places = (self.code.starts - self.graph.base) // WORD
        inside = places[(places >= 0) & (places < len(self.page))]
        assert self.code.registers is not None
        found: list[int] = inside[self.code.registers.page[inside] >= 0].tolist()
        return found

    def _site(self, index: int) -> None:
        """The slots of one `adrp` and of what uses its value."""
        register = self.words[index] & 31
        uses = self._uses(index, register)
        targets = {}
        for each, location in uses or ():
            target = self._partner(each, location)
            if target is not None:
                targets[each] = target
        self.targets.update(targets)
        at = self._at(index)
        if uses and len(targets) == len({each for each, _location in uses}):
            first = min(targets)
            kind = Kind.TAKEN if self.taken[first] else Kind.ACCESS
            self.rows.append((at, WORD, int(kind), targets[first], 0))
        else:
            self.rows.append((at, WORD, int(Kind.PAGE), self.page[index], 0))

    def _uses(self, index: int, register: int) -> set[tuple[int, int]] | None:
        """All (word, location) that may read the value; None if it cannot be followed."""
        graph, found = self.graph, set[tuple[int, int]]()
        waiting = [(each, register) for each in graph.following(index)]
        seen = set[tuple[int, int]]()
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            seen.add(state)
            graph.step()
            place, kept = state
            if len(seen) > _STEPS_MOST or self._lost(place, kept):
                return None
            following = graph.following(place)
            if graph.uses[place] >> kept & 1:
                copies = graph.copied(place, kept)
                if copies is None:
                    found.add(state)
                for each in copies or ():
                    waiting += [(after, each) for after in following]
            if graph.defs[place] >> kept & 1:
                continue
            if graph.flows[place] == Flow.CALLS and graph.clobbers(place, kept):
                continue
            if kept >= STACK and place in graph.moves.given:
                continue
            waiting += [(after, kept) for after in following]
        return found

    def _lost(self, place: int, kept: int) -> bool:
        """Whether a value goes from here where it is not followed."""
        graph = self.graph
        if kept >= STACK and (place in graph.moves.taken or place in graph.moves.framed):
            return True
        flow = graph.flows[place]
        if graph.following(place) or place + 1 in graph.last:
            return False
        saved = kept >= STACK or kept in a64flow.SAVED
        return flow not in (Flow.ENDS, Flow.JUMPS_FAR) or (flow == Flow.JUMPS_FAR and saved)

    def _partner(self, index: int, register: int) -> int | None:
        """The address that a word makes or accesses, if it is sure to be in one page."""
        key = index, register
        if key not in self._judged:
            self._judged[key] = self._judge(index, register)
        return self._judged[key]

    def _judge(self, index: int, register: int, *, sure: bool = True) -> int | None:
        offset = self.offset[index]
        if self.base[index] != register or offset >= SIZE:
            return None
        stored = self.words[index] & 0x3BC00000 == 0x39000000 and not self.words[index] >> 26 & 1
        if stored and self.words[index] & 31 == register:
            return None
        sources, other = self.graph.sources(index, register)
        pages = {self.page[each] for each in sources}
        if (other and sure) or len(pages) != 1 or min(pages) < 0:
            return None
        return pages.pop() + offset

    def _address(self, table: a64flow.Table, *, sure: bool) -> int | None:
        """Where a table is; `sure` if all ways to its load have to be known ones."""
        sources, other = self.graph.sources(table.load, table.register)
        made = {self._made(each, sure=sure) for each in sources}
        return made.pop() if len(made) == 1 and not (other and sure) else None

    def _enter(self, table: a64flow.Table) -> int | None:
        """Link a jump to where its table leads; the table's address, if it is known."""
        address = self._address(table, sure=False)
        if address is None:
            return None
        home = self.program.piece_at(address)
        if home is None or home.data is None:
            return None
        start, end = self.graph.function(table.jump)
        base = address if table.base is None else table.base
        raw = bytes(home.data[address - home.address :][: table.size * (table.entries or 4096)])
        targets: list[int] = []
        for at in range(0, len(raw) - table.size + 1, table.size):
            entry = int.from_bytes(raw[at : at + table.size], "little", signed=table.signed)
            place = base + entry * table.scale - self.graph.base
            if place % WORD or not start <= place // WORD < end:
                break
            targets.append(place // WORD)
        if len(targets) < max(table.entries, 1):
            self._odd(self._at(table.jump))
        for target in sorted(set(targets)):
            self.graph.link(table.jump, target)
        self.tables.append((address, table.size * table.entries))  # an unknown end is not demanded
        if table.base is None:
            self.rows += [
                (address + table.size * at, table.size, int(Kind.TABLE), self._at(target), 0)
                for at, target in enumerate(targets)
            ]
        return address

    def _made(self, index: int, *, sure: bool) -> int | None:
        """The address that a word gives to a register: `adr`, or the second half of a page."""
        word = self.words[index]
        if word & 0x9F000000 == 0x10000000:
            distance = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            return self._at(index) + distance - ((word >> 23 & 1) << 21)
        if not self.taken[index]:
            return None
        register = word >> 5 & 31
        return self._partner(index, register) if sure else self._judge(index, register, sure=False)


def together(mapping: Mapping, page: int, twin: int) -> bool:
    """Whether all that lies in the page `page` moved to the page `twin`, and nothing else did."""
    shift = twin - page
    mine = (mapping.a < page + SIZE) & (mapping.a + mapping.length > page)
    theirs = (mapping.b < twin + SIZE) & (mapping.b + mapping.length > twin)
    if shift % SIZE or not np.any(mine):
        return False
    moved = mapping.b - mapping.a == shift
    return bool(np.all(moved[mine | theirs])) and mapping.unmapped(page, SIZE, shift)
