"""How control passes between the words of AArch64 code, as far as values must be followed.

Jumps through a register are followed where they are `switch` statements as GCC and LLVM write
them (a table of distances from an `adr`, or from the table), or where pointers lead into the
middle of their own function (labels as values). Other ones leave the function: their register
was loaded as a whole. A computed one that fits no pattern is a doubt.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.errors import LimitError, ParseError
from verifier.semantic.layout import a64copies, a64stubs, frames
from verifier.semantic.layout.a64copies import STACK
from verifier.semantic.layout.program import Address, Kind
from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.semantic.layout.program import Piece, Program
    from verifier.semantic.layout.x86 import Code

WORD = 4
SAVED = range(19, 29)  # registers that a called function keeps (AAPCS64, 6.1.1)
_PLAIN = (Flow.NEXT, Flow.BRANCHES, Flow.CALLS, Flow.PADS)
_BACK = 48  # instructions that are searched for what a jump's register is made of
_ENTRIES_MOST = 65_536
_DEEP = 16  # calls within calls
_STEPS, _STEPS_LEAST = 64, 1 << 20  # words that all values are followed over, by size of code
_WAY_MOST = 1 << 16  # words that a value is followed over


class Table(NamedTuple):
    """A jump and the table that it reads: entries of `size` bytes, times `scale`, from `base`."""

    jump: int  # index of the br
    load: int  # index of the load of an entry
    register: int  # that holds the table's address at the load
    base: int | None  # address that entries count from; None for the table itself
    size: int
    signed: bool
    scale: int
    entries: int  # as the guard says; 0 where none was found


class Graph:
    """Indexes are those of words in the section."""

    def __init__(self, program: Program, piece: Piece, code: Code) -> None:
        assert code.registers is not None
        self.program, self.piece = program, piece
        self.base = piece.address
        self.uses: list[int] = code.registers.uses.tolist()
        self.defs: list[int] = code.registers.defs.tolist()
        self.words: list[int] = np.frombuffer(
            bytes(piece.data or b""), dtype="<u4", count=len(self.uses)
        ).tolist()
        self.moves = a64copies.moves(self.words)
        for index, bits in self.moves.uses.items():
            self.uses[index] |= bits
        for index, bits in self.moves.defs.items():
            self.defs[index] |= bits
        self.flows = [int(Flow.ENDS)] * len(self.uses)
        for at, flow in zip(code.starts.tolist(), code.flows.tolist(), strict=True):
            if self.inside(at):
                self.flows[(at - self.base) // WORD] = flow
        self.into: dict[int, list[int]] = {}  # places that jump to an index
        self.out: dict[int, list[int]] = {}
        self.calls: dict[int, int] = {}
        for at, _size, kind, target, _symbol in code.rows.tolist():
            if kind == Kind.BRANCH and self.inside(target):
                self.link((at - self.base) // WORD, (target - self.base) // WORD)
            elif kind == Kind.CALL:
                self.calls[(at - self.base) // WORD] = target
        self.bounds = sorted(
            {at for at in program.starts.tolist() if self.inside(at)}
            | {at for at in self.calls.values() if self.inside(at)}
        )
        self._kept: dict[int, int] = {}
        self._steps = _STEPS * len(self.uses) + _STEPS_LEAST
        # No call returns to where exceptions land, or to the end of its function; some never do.
        ends = {start + size for start, size in program.sizes.items() if size}
        self.last = {(at - self.base) // WORD for at in ends if self.inside(at)}
        final = a64stubs.final(program)
        self.last |= {index + 1 for index, target in self.calls.items() if target in final}
        for one, two in _landings(program):
            self._land(one, two)

    def inside(self, address: int) -> bool:
        """Whether an address is a word of this section."""
        place = address - self.base
        return 0 <= place < WORD * len(self.uses) and not place % WORD

    def link(self, source: int, target: int) -> None:
        """Note that `source` may jump to `target`."""
        self.out.setdefault(source, []).append(target)
        self.into.setdefault(target, []).append(source)

    def function(self, index: int) -> tuple[int, int]:
        """The indexes [start, end) between known starts around a word."""
        place = bisect_right(self.bounds, self.base + WORD * index)
        start = self.bounds[place - 1] if place else self.base
        end = self.bounds[place] if place < len(self.bounds) else self.base + WORD * len(self.uses)
        return (start - self.base) // WORD, (end - self.base) // WORD

    def following(self, index: int) -> list[int]:
        """Where control goes from a word: on, to its targets, to where exceptions land."""
        found = list(self.out.get(index, ()))
        if index + 1 < len(self.uses) and self._runs_on(index):
            found.append(index + 1)
        return found

    def before(self, index: int) -> list[int]:
        """What control may come from; empty where nothing is known to lead."""
        found = list(self.into.get(index, ()))
        if index and self._runs_on(index - 1):
            found.append(index - 1)
        return found

    def _runs_on(self, index: int) -> bool:
        """Whether the next word may run after this one."""
        flow = self.flows[index]
        return flow in _PLAIN and not (flow == Flow.CALLS and index + 1 in self.last)

    def begins(self, index: int) -> bool:
        """Whether control comes here from elsewhere, with values of which nothing is known."""
        place = bisect_right(self.bounds, self.base + WORD * index)
        return place > 0 and self.bounds[place - 1] == self.base + WORD * index

    def sources(self, index: int, location: int) -> tuple[set[int], bool]:
        """Words that may have made the value which `index` reads; whether others may have.

        Others: a caller, a called function, what no known way leads from.
        """
        found: set[int] = set()
        other = self.begins(index)
        before = self.before(index)
        other |= not before
        waiting, seen = [(each, location) for each in before], set[tuple[int, int]]()
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            seen.add(state)
            self.step()
            if len(seen) > _WAY_MOST:
                return found, True
            place, kept = state
            if self.defs[place] >> kept & 1:
                origin = self.origin(place, kept)
                if origin is None:
                    found.add(place)
                    continue
                kept = origin
            elif self._ends(place, kept):
                other = True
                continue
            before = self.before(place)
            other |= not before or self.begins(place)
            waiting += [(each, kept) for each in before]
        return found, other

    def _ends(self, place: int, kept: int) -> bool:
        """Whether a value that is in `kept` after a word is another one than before it."""
        if kept >= STACK:
            return place in self.moves.taken or place in self.moves.given
        return self.flows[place] == Flow.CALLS and self.clobbers(place, kept)

    def step(self, count: int = 1) -> None:
        """Spend from the time that all ways together may take.

        Raises:
            LimitError: nothing is left of it.
        """
        self._steps -= count
        if self._steps < 0:
            raise LimitError("Values of the code were followed for too long.")

    def origin(self, index: int, location: int) -> int | None:
        """Where a copy takes the value from that it puts into `location`."""
        for source, target in self.moves.copies.get(index, ()):
            if target == location:
                return source
        return None

    def copied(self, index: int, location: int) -> list[int] | None:
        """Where a word puts the value of `location`; None if it does more with it."""
        found = [to for source, to in self.moves.copies.get(index, ()) if source == location]
        return found or None

    def clobbers(self, index: int, register: int) -> bool:
        """Whether the call at `index` ends the life of a value in a register.

        GCC keeps values in any register over calls of functions of its own that do not write it
        (-fipa-ra), so that the called function is looked at.
        """
        if register in SAVED or register == 29 or register >= STACK:
            return False
        return bool(self._written(self.calls.get(index), 0) >> register & 1)

    def _written(self, target: int | None, depth: int) -> int:
        """Registers that a function writes, as far as is known for sure; all where it is foreign.

        In a circle of calls, and deep down, none: then a value is followed where it may be dead.
        """
        if target is None or not self.inside(target):
            return -1
        first = (target - self.base) // WORD
        if first not in self._kept:
            if depth > _DEEP:
                return 0
            self._kept[first] = 0
            start, end = self.function(first)
            written = 0
            for place in range(start, end):
                written |= self.defs[place]
                if self.flows[place] == Flow.CALLS:
                    written |= self._written(self.calls.get(place), depth + 1)
            self._kept[first] = written
        return self._kept[first]

    def _land(self, span: tuple[int, int], pad: int) -> None:
        if not self.inside(pad):
            return
        self.last.add((pad - self.base) // WORD)
        first = max(0, (span[0] - self.base) // WORD)
        last = min(len(self.uses), -(-(span[1] - self.base) // WORD))
        self.step(max(last - first, 0))
        for index in range(first, last):
            if self.flows[index] == Flow.CALLS:
                self.link(index, (pad - self.base) // WORD)


def _landings(program: Program) -> list[tuple[tuple[int, int], int]]:
    """((start, end) of calls, where exceptions thrown in them land) by all exception tables."""
    found: list[tuple[tuple[int, int], int]] = []
    for fact in program.facts:
        if fact[0] != "frame" or not isinstance(fact[1], Address):
            continue
        table = fact[4]
        if isinstance(table, Address) and (piece := program.piece_at(table.value)) is not None:
            found += _sites(piece, table.value, fact[1].value)
    return found


def _sites(piece: Piece, address: int, begin: int) -> list[tuple[tuple[int, int], int]]:
    """Itanium C++ ABI, exception handling, level II: the call-site table."""
    cursor = frames.Cursor(piece, address - piece.address, piece.size)
    if cursor.number(1) != frames.OMIT:
        raise ParseError("An exception table has a base of its own for landing pads", cursor.at)
    if cursor.number(1) != frames.OMIT:
        cursor.uleb()
    encoding = cursor.number(1)
    stop = cursor.uleb() + cursor.at
    found = []
    while cursor.at < stop:
        if encoding == 1:
            start, length, pad = cursor.uleb(), cursor.uleb(), cursor.uleb()
        else:
            start, length, pad = (cursor.pointer(encoding) for _ in range(3))
        cursor.uleb()
        if pad:
            found.append(((begin + start, begin + start + length), begin + pad))
    return found


def tables(graph: Graph, code: Code, words: list[int], odd: Callable[[int], None]) -> list[Table]:
    """The jump tables of all jumps through registers; `odd` is told of those that fit nothing."""
    labels = _labels(graph)
    found = []
    for at in code.indirect:
        index = (at - graph.base) // WORD
        start, end = graph.function(index)
        inner = labels[bisect_right(labels, start) : bisect_left(labels, end)]
        graph.step(len(inner))
        sources, _other = graph.sources(index, words[index] >> 5 & 31)
        sums = [each for each in sources if _sum(words[each])]
        if not sums:  # loaded as a whole: another function, or a label of this one
            for each in inner:
                graph.link(index, each)
            continue
        table = _table(graph, words, index, sums[0]) if len(sources) == 1 else None
        if table is None:
            odd(at)
        else:
            found.append(table)
    return found


def _labels(graph: Graph) -> list[int]:
    """Where pointers lead to in this section, beside the starts of functions."""
    targets = {at for at in graph.program.slots.target.tolist() if graph.inside(at)}
    return sorted((at - graph.base) // WORD for at in targets - set(graph.bounds))


def _sum(word: int) -> bool:
    """Whether a register is computed, other than as the second half of an address."""
    plain = word & 0x1F000000 in (0x0B000000, 0x11000000)
    return plain and word & 0xFFC00000 != 0x91000000


def _definer(graph: Graph, index: int, register: int) -> int | None:
    """The last word before `index` that writes a register, as far as one way leads there."""
    for _step in range(_BACK):
        before = graph.before(index)
        if len(before) != 1 or graph.begins(index):
            return None
        index = before[0]
        if graph.defs[index] >> register & 1:
            return index
        if graph.flows[index] == Flow.CALLS and graph.clobbers(index, register):
            return None
    return None


def _table(graph: Graph, words: list[int], jump: int, made: int) -> Table | None:
    """Read `add xN, xBase, entry[, extend] #scale`, with which GCC and LLVM end a `switch`."""
    word = words[made]
    extended = word & 0xFFE00000 == 0x8B200000
    shifted = word & 0xFFE00000 == 0x8B000000
    if not (extended or shifted):
        return None
    scale = word >> 10 & 7 if extended else word >> 10 & 63
    base, entry = word >> 5 & 31, word >> 16 & 31
    load = _definer(graph, made, entry)
    if load is None or scale not in (0, 2) or words[load] & 0x3B200C00 != 0x38200800:
        return None
    size = 1 << (words[load] >> 30)
    sign = words[load] >> 22 & 3 > 1 or bool(extended and word >> 15 & 1)
    if size > 4 or words[load] & 0x04C00000 == 0:
        return None
    register = words[load] >> 5 & 31
    counts = _from(graph, words, made, base)
    if counts is None and (register != base or scale):
        return None
    count = _count(graph, words, load, words[load] >> 16 & 31)
    return Table(jump, load, register, counts, size, sign, 1 << scale, count)


def _from(graph: Graph, words: list[int], made: int, base: int) -> int | None:
    """The address that an `adr` gave to the base of a table's distances."""
    place = _definer(graph, made, base)
    if place is None or words[place] & 0x9F000000 != 0x10000000:
        return None
    word = words[place]
    distance = ((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3) - (word >> 23 & 1) * (1 << 21)
    return graph.base + WORD * place + distance


def _count(graph: Graph, words: list[int], load: int, register: int) -> int:
    """Entries by `cmp w, #most; b.hi` before the load; 0 if there is no such guard."""
    index = load
    for _step in range(_BACK):
        before = graph.before(index)
        if len(before) != 1 or graph.begins(index):
            return 0
        index = before[0]
        word = words[index]
        if word & 0x7FC0001F == 0x7100001F and word >> 5 & 31 == register:
            return min((word >> 10 & 0xFFF) + 1, _ENTRIES_MOST)
        if graph.defs[index] >> register & 1:
            return 0
    return 0


__all__ = ["SAVED", "WORD", "Graph", "Table", "tables"]
