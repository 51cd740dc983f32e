"""Jump tables: distances to code that a read-only table holds, as compilers write for `switch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.bodies import bodies
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Ints

_WORDS_MOST = 65_536


def jump_tables(image: Assembled) -> list[tuple[int, int, int, int, int]]:
    """Slots of all tables.

    A table's address is taken in an atom that jumps through a register, and its words, added to
    that address, give instructions of that atom or of what it jumps to; or the very end of its
    code, as compilers write where nothing takes an entry (`__builtin_unreachable`).
    """
    jumping = {image.atom(at) for at in image.indirect}
    slots = image.slots
    taken = slots.kind == Kind.TAKEN
    sources = [image.atom(at) for at in slots.at[taken].tolist()]
    targets = slots.target[taken].tolist()
    stops = np.unique(slots.target)
    rows: list[tuple[int, int, int, int, int]] = []
    done: set[int] = set()
    branches = _branches(image, jumping)
    ends = dict(zip(*(each.tolist() for each in reversed(bodies(image))), strict=True))
    for source, target in zip(sources, targets, strict=True):
        if source in jumping and target not in done:
            atoms = {source, *branches.get(source, ())}
            found = _table(image, atoms, target, stops, ends)
            if found:
                done.add(target)
                rows += found
    return rows


def _branches(image: Assembled, jumping: set[int]) -> dict[int, set[int]]:
    """Atoms that each of `jumping` branches to or from (a function's cold part)."""
    slots = image.slots
    rows = slots.kind == Kind.BRANCH
    found: dict[int, set[int]] = {}
    for at, target in zip(slots.at[rows].tolist(), slots.target[rows].tolist(), strict=True):
        one, other = image.atom(at), image.atom(target)
        if one in jumping:
            found.setdefault(one, set()).add(other)
        if other in jumping:
            found.setdefault(other, set()).add(one)
    return found


def _table(
    image: Assembled,
    atoms: set[int],
    target: int,
    stops: Ints,
    ends: dict[int, int],
) -> list[tuple[int, int, int, int, int]]:
    piece = image.piece_at(target)
    if piece is None or piece.code or not piece.content or piece.data is None or target % 4:
        return []
    stop = int(np.searchsorted(stops, target, side="right"))
    end = min(piece.end, int(stops[stop]) if stop < len(stops) else piece.end)
    count = min((end - target) // 4, _WORDS_MOST)
    at = target - piece.address
    words = np.frombuffer(piece.data[at : at + 4 * count], dtype="<i4").astype(np.int64) + target
    places = np.searchsorted(image.instructions, words)
    places = np.minimum(places, max(len(image.instructions) - 1, 0))
    good = image.instructions[places] == words if len(image.instructions) else words < 0
    rows = []
    for index in range(count):
        word = int(words[index])
        if ends.get(word, -1) in atoms:
            kind = Kind.END
        elif good[index] and image.atom(word) in atoms:
            kind = Kind.TABLE
        else:
            break
        rows.append((target + 4 * index, 4, int(kind), word, 0))
    return rows
