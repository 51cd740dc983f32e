"""Which functions one image has and the other has not, or has otherwise."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from verifier.semantic.layout import changes, kin, startup
from verifier.semantic.layout.called import Called
from verifier.semantic.layout.listing import listing, string_at

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.changes import Change
    from verifier.semantic.layout.match import Match

_NEAR = 1 << 16  # bytes that a base may lie before its object
_GAP = 16  # bytes behind a section that labels at its end may name
_CLASS_MOST = 64  # functions of equal contents among which other pairs are tried
_LISTED = 400  # changed functions that are read instruction by instruction


class Changed(NamedTuple):
    """One function of both images: where it begins in each, and what it does differently."""

    a: int
    b: int
    change: Change


class Functions(NamedTuple):
    """All code of both images. `encoded` are those that differ in encoding alone."""

    total: int
    added: list[int]
    removed: list[int]
    changed: list[Changed]
    encoded: list[tuple[int, int]]
    unread: int


class Namer:
    """Names for addresses, and what an address of either image is in terms of the shipped one."""

    def __init__(self, match: Match) -> None:
        self._match = match
        self._extents = sorted(match.extents)
        self._starts = [each.a for each in self._extents]
        self._backwards: dict[int, int] = {}
        self._called = Called(match.one), Called(match.other)

    def rebuilt(self, address: int) -> tuple[str, str]:
        """For an address of the rebuilt image; what has no name there may have one in the other."""
        one, other = self._called
        there = None if one.leads_to(address) else self._there(address)
        if there is None:
            return one.plain(address), one.name(address) or one.known_by(address)
        return f"@{there:x}", one.name(address) or other.name(there) or other.known_by(there)

    def shipped(self, address: int) -> tuple[str, str]:
        """For an address of the shipped image; what has no name there may have one in the other."""
        one, other = self._called
        if other.leads_to(address) or not self._known(address):
            return other.plain(address), other.name(address) or other.known_by(address)
        name, before = other.name(address), self._before(address)
        if not name and before is not None:
            name = one.name(before)
        return f"@{address:x}", name or other.known_by(address)

    def imported(self, address: int) -> bool:
        """Whether code of the shipped image only leads on to an imported function."""
        return bool(self._called[1].leads_to(address))

    def same(self, a: int, b: int) -> bool:
        """Whether two addresses are one thing: mapped, one text, or a base before what is mapped.

        For reports alone. What it takes for equal too easily never makes a verdict better.
        """
        behind = self._called[0].leads_to(a), self._called[1].leads_to(b)
        if any(behind):
            return behind[0] == behind[1]
        return self._there(a) == b or self._alike(a, b)

    def _alike(self, a: int, b: int) -> bool:
        """Whether two addresses that the map does not pair are one thing all the same."""
        match, there = self._match, self._there(a)
        guessed = match.one.program.reader is not None
        if guessed and a == b and not self._is_start(a):
            return True  # a number that is an address by chance
        if _behind(match.one, match.other, a, b):
            return True
        quoted = string_at(match.one, a)
        if quoted and quoted == string_at(match.other, b):
            return True
        if there is not None and match.one.piece_at(a) is not None:
            return False
        index = bisect_left(self._starts, a)
        if index < len(self._starts) and self._starts[index] - a < _NEAR:
            return self._extents[index].b - (self._starts[index] - a) == b
        return False

    def _is_start(self, address: int) -> bool:
        """Whether something is known to begin at an address of the rebuilt image."""
        match = self._match
        known = address in match.atoms.number or address in match.data
        return known or address in match.one.program.objects

    def _there(self, address: int) -> int | None:
        match = self._match
        if address in match.data:
            return match.data[address]
        start = match.one.atom(address)
        piece = match.one.piece_at(address)
        if piece is not None and piece.code and start in match.code:
            return match.code[start] + address - start
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._extents[index].a + self._extents[index].length:
            return self._extents[index].b + address - self._extents[index].a
        return None

    def _known(self, address: int) -> bool:
        """Whether some address of the rebuilt image is this one."""
        match = self._match
        if not self._backwards:
            self._backwards = {b: a for a, b in match.data.items()}
            self._spans = sorted((each.b, each.length) for each in self._extents)
            self._begins = [b for b, _length in self._spans]
        if address in self._backwards:
            return True
        piece = match.other.piece_at(address)
        if piece is not None and piece.code:
            return match.other.atom(address) in match.back
        index = bisect_right(self._begins, address) - 1
        return index >= 0 and address < self._spans[index][0] + self._spans[index][1]

    def _before(self, address: int) -> int | None:
        """The address of the rebuilt image that is this one of the shipped image, if it is sure."""
        match = self._match
        if address in self._backwards:
            return self._backwards[address]
        piece = match.other.piece_at(address)
        if piece is None or not piece.code:
            return None
        start = match.other.atom(address)
        found = match.back.get(start)
        return None if found is None else found + address - start


def _behind(one: Assembled, other: Assembled, a: int, b: int) -> bool:
    """Whether two addresses lie just behind one section, where nothing stands in either image."""
    if one.piece_at(a) is not None or other.piece_at(b) is not None:
        return False
    near = {(piece.name, a - piece.end) for piece in one.program.pieces if piece.size}
    return any(
        b - piece.end in range(_GAP) and (piece.name, b - piece.end) in near
        for piece in other.program.pieces
    )


def _exchange(match: Match, namer: Namer) -> None:
    """Pair functions of equal contents anew where that makes their references agree."""
    classes: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for a, b in match.code.items():
        i, j = match.atoms.number[a], match.others.number[b]
        if match.atoms.keys[i] == match.others.keys[j] and _redirected(match, namer, i, j):
            classes[match.atoms.keys[i]].append((a, b))
    for pairs in classes.values():
        free = [b for _a, b in pairs]
        for a, _b in pairs if 1 < len(pairs) <= _CLASS_MOST else ():
            i = match.atoms.number[a]
            fits = (b for b in free if not _redirected(match, namer, i, match.others.number[b]))
            if (chosen := next(fits, None)) is not None and chosen != match.code[a]:
                former, twin = match.back[chosen], match.code[a]
                match.code[a], match.back[chosen] = chosen, a
                match.code[former], match.back[twin] = twin, former
                free.remove(chosen)


def compare(match: Match) -> Functions:
    """Added, removed and changed functions, in the order of their addresses."""
    one, other = match.one, match.other
    kin.pair(match)
    match.pair_neighbours()
    namer = Namer(match)
    _exchange(match, namer)
    lists = startup.places(match)
    theirs = [at for at in match.others.starts if at not in lists[1] and not _made(other, at)]
    mine = [at for at in match.atoms.starts if at not in lists[0] and not _made(one, at)]
    added = [at for at in theirs if at not in match.back]
    removed = [at for at in mine if at not in match.code]
    changed: list[Changed] = []
    encoded: list[tuple[int, int]] = []
    unread = 0
    for a, b in sorted(match.code.items()):
        i, j = match.atoms.number[a], match.others.number[b]
        if match.atoms.keys[i] == match.others.keys[j] and not _redirected(match, namer, i, j):
            continue
        if _made(other, b) or namer.imported(b):
            continue  # the linker made it; what it leads to is told of its callers
        if a in lists[0] and b in lists[1]:
            continue  # `startup` tells what lists of functions hold
        if len(changed) >= _LISTED:
            unread += 1
            continue
        lines = listing(one, a, match.atoms.ends[i], namer.rebuilt)
        twins = listing(other, b, match.others.ends[j], namer.shipped)
        change = changes.compare(lines, twins, namer.same)
        if change is None and match.atoms.keys[i] == match.others.keys[j]:
            continue
        if change is None and lines:
            encoded.append((a, b))
        else:
            changed.append(
                Changed(a, b, change or changes.Change("bytes", "Its bytes differ.", ""))
            )
    return Functions(len(theirs), added, removed, changed, encoded, unread)


def _made(image: Assembled, start: int) -> bool:
    """Whether code is no function of the program, but a stub that the linker made."""
    piece = image.piece_at(start)
    return piece is None or piece.made


def _redirected(match: Match, namer: Namer, i: int, j: int) -> bool:
    """Whether a reference of two equal functions points elsewhere."""
    one, other = match.one, match.other
    for a, b, symbol, twin in zip(
        match.targets[0][match.atoms.slots[i]].tolist(),
        match.targets[1][match.others.slots[j]].tolist(),
        match.symbols[0][match.atoms.slots[i]].tolist(),
        match.symbols[1][match.others.slots[j]].tolist(),
        strict=True,
    ):
        if symbol or twin:
            if one.program.symbols[symbol] != other.program.symbols[twin]:
                return True
        elif not namer.same(a, b):
            return True
    return False


def same_shift(changed: list[Changed]) -> tuple[int, list[Changed]]:
    """Functions whose numbers all grew by one distance, as `__LINE__` does; (0, []) if too few."""
    by_shift: dict[int, list[Changed]] = defaultdict(list)
    for each in changed:
        if each.change.shift:
            by_shift[each.change.shift].append(each)
    counts = Counter({shift: len(items) for shift, items in by_shift.items()})
    shift, count = counts.most_common(1)[0] if counts else (0, 0)
    return (shift, by_shift[shift]) if count > 1 else (0, [])
