"""Which of the numbers that may be distances stand in a table of them, and which hit by chance.

In an image of 100 MB some hundred of a million numbers do, two of them side by side among them:
opcodes, masks. A table of distances is one from its start on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Ints

    Bools = NDArray[np.bool_]

_STRIDES = (4, 8, 12, 16)  # bytes from one entry of a table to the next
_SHARE = 4  # one in so many numbers of a table is a distance to code that moved, at least
_HALF = 2  # one in so many words from the start of a jump table on is an entry of it


def tabled(group: Ints, places: Ints, hits: Bools) -> Bools:
    """Those hits that have another one beside them, where a fair share of such numbers hits.

    `group` tells for each place the thing that it is part of: what lies between two addresses
    that are referred to. `places` are in order.
    """
    found = np.zeros(len(places), dtype=np.bool_)
    if not len(places):
        return found
    change = np.flatnonzero(np.diff(group)) + 1
    first = np.repeat(
        places[np.concatenate([[0], change])],
        np.diff(np.concatenate([[0], change, [len(places)]])),
    )
    hit = np.flatnonzero(hits)
    for stride in _STRIDES:
        phase = group * _STRIDES[-1] + (places - first) % stride
        _names, numbers = np.unique(phase, return_inverse=True)
        counts, good = np.bincount(numbers), np.bincount(numbers[hit], minlength=len(_names))
        fair = (good * _SHARE >= counts)[numbers[hit]]
        at = places[hit]
        beside = np.isin(at + stride, at) | np.isin(at - stride, at)
        found[hit[fair & beside]] = True
    return found


def continued(image: Assembled, base: Ints, places: Ints, hits: Bools) -> Bools:
    """Those hits before which, from the base on, half of all words are entries of a jump table."""
    slots = image.slots
    entries = slots.at[np.isin(slots.kind, (Kind.TABLE, Kind.END))]
    told = np.searchsorted(entries, places) - np.searchsorted(entries, base)
    seen = np.concatenate([[0], np.cumsum(hits)])
    met = seen[1:] - seen[np.searchsorted(places, base)]
    found: Bools = hits & ((told + met) * _HALF >= (places - base) // 4 + 1)
    return found
