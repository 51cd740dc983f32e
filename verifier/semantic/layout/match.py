"""Find the map between two images: which code atom and which stretch of data is which.

Nothing here is trusted: `proof.check` judges the map that comes out. Names and unique contents
pair the first atoms, paired references pair the rest.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.semantic.layout import stretches
from verifier.semantic.layout.program import Address, Ints, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent

_ROUNDS = 64
ORDERED = (".init_array", ".fini_array", ".preinit_array", ".ctors", ".dtors")
_TEXT = 64  # bytes of a text that tell it from others
_Likeness = tuple[bytes, tuple[int | bytes | None, ...]]


class Atoms(NamedTuple):
    """Code atoms of one image: start, end of the body without padding, key of the contents."""

    starts: list[int]
    ends: list[int]
    number: dict[int, int]  # of an atom by its start
    keys: list[bytes]
    slots: list[slice]


def atoms_of(image: Assembled) -> Atoms:
    """Cut the code of an image into atoms."""
    from verifier.semantic.layout.bodies import bodies  # noqa: PLC0415 - one file a concern

    starts, ends = bodies(image)
    real = np.array([_home(image, at) != "" for at in starts.tolist()], dtype=np.bool_)
    starts, ends = starts[real[: len(starts)]], ends[real[: len(ends)]]
    keys, slots = [], []
    first = np.searchsorted(image.slots.at, starts)
    last = np.searchsorted(image.slots.at, ends)
    for start, end, one, two in zip(
        starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), strict=True
    ):
        piece = image.piece_at(start)
        assert piece is not None
        masked = image.masked[piece.name]
        mine = slice(one, two)
        shape = (image.slots.at[mine] - start, image.slots.kind[mine])
        keys.append(
            piece.name.encode()
            + masked[start - piece.address : end - piece.address]
            + b"".join(each.tobytes() for each in shape)
        )
        slots.append(mine)
    order = starts.tolist()
    return Atoms(order, ends.tolist(), {at: i for i, at in enumerate(order)}, keys, slots)


def _home(image: Assembled, at: int) -> str:
    """The mapped section that holds an address, where overlapping headers do not hide it."""
    piece = image.piece_at(at)
    return piece.name if piece is not None and piece.name in image.masked else ""


class Match:
    """The growing map. `code` pairs atoms by start, `data` single addresses."""

    def __init__(self, one: Assembled, other: Assembled) -> None:
        self.one, self.other = one, other
        self.atoms, self.others = atoms_of(one), atoms_of(other)
        self.code: dict[int, int] = {}
        self.back: dict[int, int] = {}
        self.data: dict[int, int] = {}
        self.extents: list[Extent] = []
        self._queue: list[tuple[int, int]] = []
        self._unlike: list[tuple[int, int]] = []
        self._fresh: list[tuple[int, int]] = []  # data whose words were not followed yet
        self._loose: set[int] = set()  # data of bases alone, which may lie before their objects
        self._bases = _bases(one)
        self._places = _listed(one.slots.at), _listed(other.slots.at)
        self._ordered = False  # whether lists of initialisers were followed
        self._lists = {each.address for each in one.program.pieces if each.name in ORDERED}
        self._stops = _listed(np.unique(one.slots.target))
        self._told = (_unwinding(one), _unwinding(other))
        self.targets = _targets(one), _targets(other)
        self.symbols = one.slots.symbol, other.slots.symbol
        self._aims = _aims(self.targets[0], one), _aims(self.targets[1], other)
        self._last = [-1] * (len(self._aims[0][0]) + 1)  # the twin that each target met last

    def run(self) -> list[Extent]:
        """Pair until nothing more follows; returns extents of code and data, by address."""
        self._seed()
        steps = (
            self._alike,
            self._in_order,
            partial(self._leftovers, exact=True),
            partial(self._leftovers, exact=False),
        )
        for _round in range(_ROUNDS):
            self._follow()
            grown = self._data_round()
            if not grown and not any(step() for step in steps):
                waiting, self._unlike = self._unlike, []
                for a, b in waiting:
                    self.pair(a, b, sure=True)
                if not self._queue:
                    break
        data = stretches.of_data(self.one, self.other, self.data, final=True)
        self.extents = [*self._code_extents(), *data]
        return sorted(self.extents)

    def pair(self, a: int, b: int, *, sure: bool = False, loose: bool = False) -> None:
        """Note that address `a` of one image is `b` of the other, if nothing speaks against it.

        Functions of other contents wait until all that are alike are paired: in a list of
        pointers they may stand in another order. Symbols are `sure`, bases of arrays `loose`.
        """
        one, other = self.one.piece_at(a), self.other.piece_at(b)
        if one is None or other is None or one.name != other.name or not one.content:
            return
        if not one.code:
            self._note(a, b, loose)
            return
        start, begin = self.one.atom(a), self.other.atom(b)
        if a - start != b - begin or start in self.code or begin in self.back:
            return
        i, j = self.atoms.number.get(start, -1), self.others.number.get(begin, -1)
        if min(i, j) < 0:  # padding alone
            return
        if self.atoms.keys[i] != self.others.keys[j]:
            if a == start and not sure:
                self._unlike.append((a, b))
            if a != start or not sure:
                return
        self.code[start], self.back[begin] = begin, start
        self._queue.append((i, j))
        for x, y in zip(self._told[0].get(start, ()), self._told[1].get(begin, ()), strict=False):
            self.pair(x, y)

    def _note(self, a: int, b: int, loose: bool) -> None:
        """Pair data; what one instruction refers to alone counts more than what may be a base."""
        if a not in self.data or (a in self._loose and not loose):
            if self.data.get(a) != b:
                self.data[a] = b
                self._fresh.append((a, b))
            (self._loose.add if loose else self._loose.discard)(a)

    def _seed(self) -> None:
        one, other = self.one.program, self.other.program
        names = [_unique(program.names) for program in (one, other)]
        for name, at in names[0].items():
            if name in names[1]:
                self.pair(at, names[1][name], sure=True)
        for mine, theirs in zip(one.facts, other.facts, strict=False):
            if mine[0] == theirs[0] and mine[0] in ("entry", "dynamic"):
                for a, b in zip(mine, theirs, strict=False):
                    if isinstance(a, Address) and isinstance(b, Address):
                        self.pair(a.value, b.value)
        made = [_by_symbol(image) for image in (self.one, self.other)]
        for text, at in made[0].items():
            if text in made[1]:
                self.pair(at, made[1][text])

    def _follow(self) -> None:
        while self._queue or self._fresh:
            while self._queue:
                i, j = self._queue.pop()
                if self.atoms.keys[i] == self.others.keys[j]:
                    self._slots(self.atoms.slots[i], self.others.slots[j])
            while self._fresh:
                self._words(*self._fresh.pop())

    def _words(self, a: int, b: int) -> None:
        """Pair what the words from `a` and `b` on point at, up to the next thing referred to."""
        mine, theirs = self._places
        i, j = bisect_left(mine, a), bisect_left(theirs, b)
        after = bisect_right(self._stops, a)
        end = self._stops[after] if after < len(self._stops) else a
        count = 0
        most = min(bisect_left(mine, end) - i, len(theirs) - j)
        while count < most and mine[i + count] - a == theirs[j + count] - b:
            count += 1
        self._slots(slice(i, i + count), slice(j, j + count))

    def _slots(self, mine: slice, theirs: slice) -> None:
        """Pair what the slots lead to, once: a pair that met before has nothing new to say."""
        (known, one), (others, other) = self._aims
        last, bases = self._last, self._bases[mine].tolist()
        for i, j, loose in zip(one[mine].tolist(), other[theirs].tolist(), bases, strict=False):
            if last[i] != j and i and j:
                if not loose:  # the same pair may come again as more than a base
                    last[i] = j
                self.pair(known[i - 1], others[j - 1], loose=loose)

    def _data_round(self) -> bool:
        """Cut data where paired references point, and pair what the words in it point at."""
        before = len(self.data) + len(self.code)
        for extent in stretches.of_data(self.one, self.other, self.data):
            if not self._ordered and extent.a in self._lists:
                continue
            mine = self.one.slots.between(extent.a, extent.a + extent.length)
            theirs = self.other.slots.between(extent.b, extent.b + extent.length)
            if mine.stop - mine.start == theirs.stop - theirs.start:
                self._slots(mine, theirs)
        self._follow()
        return len(self.data) + len(self.code) > before

    def _leftovers(self, *, exact: bool) -> bool:
        """Pair what is left of equal contents: by equal mapped references, or else in order."""
        mine: dict[_Likeness, list[int]] = defaultdict(list)
        theirs: dict[_Likeness, list[int]] = defaultdict(list)
        for index, start in enumerate(self.atoms.starts):
            if start not in self.code:
                mine[self._kind(index, exact=exact)].append(start)
        if not mine:
            return False
        for index, start in enumerate(self.others.starts):
            if start not in self.back:
                targets = self.targets[1][self.others.slots[index]].tolist() if exact else ()
                theirs[(self.others.keys[index], tuple(targets))].append(start)
        found = False
        for kind, starts in mine.items():
            twins = theirs.get(kind, [])
            if len(twins) != len(starts):
                continue
            for a, b in zip(starts, twins, strict=True):
                if a not in self.code and b not in self.back:
                    self.pair(a, b)
                    found = True
        return found

    def _alike(self) -> bool:
        """Pair what is left of equal contents where references tell one from all others."""
        mine: dict[_Likeness, list[int]] = defaultdict(list)
        theirs: dict[_Likeness, list[int]] = defaultdict(list)
        beyond = set(self.data.values())
        for index, start in enumerate(self.atoms.starts):
            if start not in self.code:
                targets = self.targets[0][self.atoms.slots[index]].tolist()
                known = (self._mapped(each) for each in targets)
                told = (
                    to if to is not None else _text(self.one, at)
                    for to, at in zip(known, targets, strict=True)
                )
                mine[self.atoms.keys[index], tuple(told)].append(start)
        for index, start in enumerate(self.others.starts if mine else ()):
            if start not in self.back:
                targets = self.targets[1][self.others.slots[index]].tolist()
                told = (
                    at
                    if at in beyond or self.other.atom(at) in self.back
                    else _text(self.other, at)
                    for at in targets
                )
                theirs[self.others.keys[index], tuple(told)].append(start)
        found = [
            (starts[0], theirs[kind][0])
            for kind, starts in mine.items()
            if len(starts) == len(theirs.get(kind, ())) == 1
        ]
        for a, b in found:
            self.pair(a, b)
        return bool(found)

    def _in_order(self) -> bool:
        """Follow lists of initialisers, which may stand in another order, when all else ended."""
        first, self._ordered = not self._ordered, True
        return first and bool(self._lists)

    def _kind(self, index: int, *, exact: bool) -> tuple[bytes, tuple[int | None, ...]]:
        targets = self.targets[0][self.atoms.slots[index]].tolist() if exact else ()
        return self.atoms.keys[index], tuple(self._mapped(each) for each in targets)

    def pair_neighbours(self) -> None:
        """Pair what is left between paired neighbours, in order: for reports, never for proofs."""
        order = {at: index for index, at in enumerate(self.others.starts)}
        waiting: list[int] = []
        last = -1
        for start in self.atoms.starts:
            if start not in self.code:
                waiting.append(start)
                continue
            here = order.get(self.code[start], -1)
            between = self.others.starts[last + 1 : here]
            if waiting and len(between) == len(waiting):
                for a, b in zip(waiting, between, strict=True):
                    if b not in self.back and not self.named_apart(a, b):
                        self.code[a], self.back[b] = b, a
            waiting, last = [], here

    def named_apart(self, a: int, b: int) -> bool:
        """Whether symbols say that two functions are not the same."""
        mine, theirs = self.one.program.names.get(a), self.other.program.names.get(b)
        return bool(mine and theirs and not set(mine) & set(theirs))

    def _mapped(self, address: int) -> int | None:
        if address in self.data:
            return self.data[address]
        start = self.one.atom(address)
        return self.code[start] + address - start if start in self.code else None

    def _code_extents(self) -> Iterable[Extent]:
        """Paired atoms of equal contents; neighbours in both images as one extent."""
        rows = []
        for i, start in enumerate(self.atoms.starts):
            begin = self.code.get(start)
            if begin is None:
                continue
            j = self.others.number[begin]
            if self.atoms.keys[i] == self.others.keys[j]:
                rows.append((start, begin, self.atoms.ends[i] - start, i, j))
        return stretches.joined(self.one, self.other, rows)


def _targets(image: Assembled) -> Ints:
    """What each slot points at; 0 for whole pages, which tell nothing of what begins there."""
    slots = image.slots
    return np.where(slots.kind == Kind.PAGE, 0, slots.target)


def _aims(targets: Ints, image: Assembled) -> tuple[array[int], Ints]:
    """All targets, and for each slot the number of its target from 1 on; 0 where none begins."""
    known, numbers = np.unique(targets, return_inverse=True)
    slots = image.slots
    none = (slots.symbol != 0) | (slots.kind == Kind.END)
    return _listed(known), np.where(none, 0, numbers + 1).astype(np.int32)


def _text(image: Assembled, at: int) -> bytes | None:
    """What data holds up to the next zero; None of code and of what is not in the file."""
    piece = image.piece_at(at)
    if piece is None or piece.code or piece.name not in image.masked:
        return None
    start = at - piece.address
    return image.masked[piece.name][start : start + _TEXT].partition(b"\0")[0]


def _listed(numbers: Ints) -> array[int]:
    """Numbers for look-ups one by one, without an object for each."""
    return array("q", numbers.tobytes())


def _bases(image: Assembled) -> NDArray[np.bool_]:
    """Whether each slot is an address of 32-bit code, to which it may add registers."""
    narrow = image.program.machine == "x86"
    return narrow & np.isin(image.slots.kind, (Kind.TAKEN, Kind.INDEXED))


def _unwinding(image: Assembled) -> dict[int, list[int]]:
    """For each function the tables that its unwind information names."""
    found: dict[int, list[int]] = {}
    for fact in image.program.facts:
        if fact[0] in ("frame", "function"):
            first, *rest = [item.value for item in fact if isinstance(item, Address)]
            found.setdefault(first, rest)
    return found


def _unique(names: dict[int, list[str]]) -> dict[str, int]:
    """Names that stand for one address alone."""
    found: dict[str, int] = {}
    twice = set()
    for at, texts in names.items():
        for text in texts:
            if text in found:
                twice.add(text)
            found[text] = at
    return {text: at for text, at in found.items() if text not in twice}


def _by_symbol(image: Assembled) -> dict[str, int]:
    """Slots that the loader fills with a symbol, where it is the only one of its kind."""
    found: dict[str, list[int]] = defaultdict(list)
    for at, symbol, addend in zip(
        image.slots.at.tolist(),
        image.slots.symbol.tolist(),
        image.slots.target.tolist(),
        strict=True,
    ):
        if symbol:
            piece = image.piece_at(at)
            name = piece.name if piece else ""
            found[f"{name} {image.program.symbols[symbol]} {addend}"].append(at)
    return {text: places[0] for text, places in found.items() if len(places) == 1}


__all__ = ["Atoms", "Ints", "Match", "atoms_of"]
