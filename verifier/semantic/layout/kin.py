"""Functions that changed and bear no name, paired by who calls them: for reports, never for proofs.

One that the same functions call in either image, and no other unpaired one, is likelier the same
function with another body than one that went and one that came; if its instructions are much
alike as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.listing import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.match import Match

_ROUNDS = 4  # a function that is paired tells who calls those that it calls
_READ = 2_000  # pairs whose instructions are compared
_ALIKE = 0.6  # of all instructions, by mnemonic


def pair(match: Match) -> None:
    """Pair what has the same callers, as far as these are paired, until nothing more follows."""
    read = 0
    for _round in range(_ROUNDS):
        mine = _by_callers(match.one, match.code, match.atoms.starts)
        theirs = _by_callers(match.other, {b: b for b in match.back}, match.others.starts)
        found = [(mine[each], theirs[each]) for each in mine if each in theirs]
        found = [(a, b) for a, b in found if not match.named_apart(a, b)][: _READ - read]
        read += len(found)
        alike = [(a, b) for a, b in found if _alike(match, a, b)]
        for a, b in alike:
            match.code[a], match.back[b] = b, a
        if not alike:
            return


def _by_callers(
    image: Assembled, known: Mapping[int, int], starts: list[int]
) -> dict[frozenset[int], int]:
    """Unpaired functions by their paired callers (as the shipped image has them), if unique."""
    lone = np.array([at for at in starts if at not in known], dtype=np.int64)
    slots = image.slots
    hits = np.flatnonzero(np.isin(slots.target, lone))
    callers: dict[int, set[int]] = defaultdict(set)
    for at, target in zip(slots.at[hits].tolist(), slots.target[hits].tolist(), strict=True):
        piece = image.piece_at(at)
        if piece is not None and piece.code and (start := image.atom(at)) in known:
            callers[target].add(known[start])
    found = {at: frozenset(each) for at, each in callers.items()}
    counts = Counter(found.values())
    return {each: at for at, each in found.items() if counts[each] == 1}


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
