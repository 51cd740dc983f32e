"""Places of code that the loader of PE images patches (base relocations), by the map of functions.

Where functions moved, so did these places. What is told: places of one image alone in functions
that are otherwise the same, and in changed ones words that are no number of an instruction.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.model import Difference
from verifier.semantic.layout import names
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.match import Match

KINDS = ("relocation-added", "relocation-removed")  # of the differences that are told here
_SHOWN = 100


class _Patched(NamedTuple):
    """Of one function: offsets of the words that are rebased, and how many are no operand."""

    offsets: list[int]
    odd: int


_NONE = _Patched([], 0)


def differences(
    match: Match, changed: Collection[int], lists: Collection[int]
) -> tuple[Difference, ...]:
    """Patched places of one image alone.

    Args:
        match: the map of functions. Those that it does not pair are told as a whole.
        changed: where functions of the rebuilt image begin that are told as changed.
        lists: where its lists of functions begin, of which all is told.
    """
    return tuple(islice(_differences(match, changed, lists), _SHOWN))


def _differences(
    match: Match, changed: Collection[int], lists: Collection[int]
) -> Iterator[Difference]:
    one, other = (_patched(image) for image in (match.one, match.other))
    for a, b in sorted(match.code.items()):
        mine, theirs = one.get(a, _NONE), other.get(b, _NONE)
        if a in lists or mine == theirs:
            continue
        if a not in changed:
            for kind, image, start, here, there in (
                (KINDS[0], match.other, b, theirs, mine),
                (KINDS[1], match.one, a, mine, theirs),
            ):
                which = "shipped" if image is match.other else "rebuilt"
                for offset in sorted(set(here.offsets) - set(there.offsets)):
                    summary = f"Only the {which} image lets the loader patch code here."
                    yield Difference(kind, _place(image, start + offset), summary)
        elif mine.odd != theirs.odd:
            summary = (
                f"The loader patches {theirs.odd} words of this function that are no number of an"
                f" instruction; in the rebuilt image {mine.odd}."
            )
            yield Difference(KINDS[theirs.odd < mine.odd], names.of(match.other, b), summary)


def _place(image: Assembled, address: int) -> str:
    piece = image.piece_at(address)
    return f"{piece.name}+{address - piece.address:#x}" if piece else f"{address:#x}"


def _patched(image: Assembled) -> dict[int, _Patched]:
    """What the loader rebases of each function, by where the function begins."""
    slots, found = image.program.slots, dict[int, _Patched]()
    operands = image.slots.at[~np.isin(image.slots.kind, (0, int(Kind.POINTER)))]
    for piece in image.program.pieces:
        if not (piece.code and piece.content):
            continue
        mine = slots.between(piece.address, piece.end)
        rebased = slots.at[mine][slots.kind[mine] == Kind.POINTER]
        for at, plain in zip(rebased.tolist(), np.isin(rebased, operands).tolist(), strict=True):
            start = image.atom(at)
            held = found.setdefault(start, _Patched([], 0))
            held.offsets.append(at - start)
            found[start] = held._replace(odd=held.odd + (not plain))
    return found
