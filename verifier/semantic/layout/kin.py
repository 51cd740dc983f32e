"""Functions that changed and bear no name, paired by what is around: for reports, never for proofs.

One that the same functions call in either image, or that uses a text as no other unpaired one
does, is likelier the same function with another body than one that went and one that came; if its
instructions are much alike as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from verifier.semantic.layout.listing import listing, string_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.match import Match

_Key = TypeVar("_Key", frozenset[int], str)
_ROUNDS = 4  # a function that is paired tells who calls those that it calls
_READ = 2_000  # pairs whose instructions are compared
_LARGEST = 1 << 16  # bytes of a function whose texts are read
_ALIKE = 0.6  # of all instructions, by mnemonic


def pair(match: Match) -> None:
    """Pair what has the same callers, as far as these are paired, until nothing more follows."""
    read = 0
    for _round in range(_ROUNDS):
        mine = _Lone(match.one, match.code, match.atoms.starts)
        theirs = _Lone(match.other, {b: b for b in match.back}, match.others.starts)
        grown = False
        called = _both(mine.callers(), theirs.callers())
        for a, b in (*called, *_both(mine.texts(), theirs.texts())):
            if a in match.code or b in match.back or match.named_apart(a, b) or read >= _READ:
                continue
            read += 1
            if _alike(match, a, b):
                match.code[a], match.back[b] = b, a
                grown = True
        if not grown:
            return


def _both(one: Mapping[_Key, int], other: Mapping[_Key, int]) -> list[tuple[int, int]]:
    return [(one[key], other[key]) for key in one if key in other]


class _Lone:
    """The unpaired functions of an image, and what refers to them or they refer to."""

    def __init__(self, image: Assembled, known: Mapping[int, int], starts: list[int]) -> None:
        self._image, self._known = image, known
        self._starts = np.array([at for at in starts if at not in known], dtype=np.int64)

    def callers(self) -> dict[frozenset[int], int]:
        """Functions by their paired callers (as the shipped image has them), if unique."""
        slots = self._image.slots
        hits = np.flatnonzero(np.isin(slots.target, self._starts))
        callers: dict[int, set[int]] = defaultdict(set)
        for at, target in zip(slots.at[hits].tolist(), slots.target[hits].tolist(), strict=True):
            piece = self._image.piece_at(at)
            if piece is not None and piece.code and (start := self._image.atom(at)) in self._known:
                callers[target].add(self._known[start])
        found = {at: frozenset(each) for at, each in callers.items()}
        counts = Counter(found.values())
        return {each: at for at, each in found.items() if counts[each] == 1}

    def texts(self) -> dict[str, int]:
        """Functions by each text that one of them alone refers to."""
        users: dict[str, set[int]] = defaultdict(set)
        lone, slots = set(self._starts.tolist()), self._image.slots
        order = self._image.starts
        for start in self._starts.tolist():
            place = int(np.searchsorted(order, start, side="right"))
            end = int(order[place]) if place < len(order) else start + _LARGEST
            mine = slots.between(start, min(end, start + _LARGEST))
            for target in set(slots.target[mine].tolist()) - lone:
                if quoted := string_at(self._image, target):
                    users[quoted].add(start)
        return {quoted: starts.pop() for quoted, starts in users.items() if len(starts) == 1}


def _alike(match: Match, a: int, b: int) -> bool:
    """Whether two functions share most of their instructions, whatever these work on."""
    i, j = match.atoms.number[a], match.others.number[b]
    mine, theirs = (
        Counter(line.mnemonic for line in listing(image, start, end, _unnamed))
        for image, start, end in (
            (match.one, a, match.atoms.ends[i]),
            (match.other, b, match.others.ends[j]),
        )
    )
    return (mine & theirs).total() >= _ALIKE * max(mine.total(), theirs.total(), 1)


def _unnamed(_address: int) -> tuple[str, str]:
    return "", ""
