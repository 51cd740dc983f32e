"""Decoded code of which some stretches are read anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from verifier.semantic.layout.program import Ints
    from verifier.semantic.layout.x86 import Code


def spoilt(code: Code, cuts: Ints) -> list[tuple[int, int]]:
    """The stretches between `cuts` that must be read by themselves, in order.

    At a cut where an instruction begins, what stands before and after it says nothing of the
    other; so the two stretches around each other cut are spoilt, and those that hold what is no
    instruction, whose length may depend on what follows. `cuts` are in order, without doubles,
    and hold those that `code` was decoded with.
    """
    if not len(code.starts) or len(cuts) < 2:
        return []
    places = np.minimum(np.searchsorted(code.starts, cuts), len(code.starts) - 1)
    missing = np.flatnonzero(code.starts[places] != cuts)
    missing = missing[(missing > 0) & (missing < len(cuts) - 1)]
    bad = np.searchsorted(cuts, np.array(code.bad, dtype=np.int64), side="right") - 1
    numbers = np.unique(np.concatenate([missing - 1, missing, bad])).tolist()
    return [(int(cuts[number]), int(cuts[number + 1])) for number in numbers]


def replaced(code: Code, places: Sequence[tuple[int, int]], new: Code) -> Code:
    """`code` with what `new` says of some disjoint stretches [start, end), which are in order."""
    if not places:
        return code
    begins, ends = np.array(places, dtype=np.int64).T

    def kept(addresses: Ints) -> NDArray[np.bool_]:
        index = np.searchsorted(begins, addresses, side="right") - 1
        result: NDArray[np.bool_] = (index < 0) | (addresses >= ends[np.maximum(index, 0)])
        return result

    def merged(old: list[int], more: list[int]) -> list[int]:
        where = np.array(old, dtype=np.int64)
        return sorted([*where[kept(where)].tolist(), *more])

    old = kept(code.starts)
    starts = np.concatenate([code.starts[old], new.starts])
    order = np.argsort(starts, kind="stable")
    rows = np.concatenate([code.rows[kept(code.rows[:, 0])], new.rows])
    return code._replace(
        starts=starts[order],
        flows=np.concatenate([code.flows[old], new.flows])[order],
        rows=rows[np.argsort(rows[:, 0], kind="stable")],
        bad=merged(code.bad, new.bad),
        indirect=merged(code.indirect, new.indirect),
    )
