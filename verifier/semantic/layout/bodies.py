"""Where the code of each atom ends, and the padding after it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Ints


def bodies(image: Assembled) -> tuple[Ints, Ints]:
    """(start, end of the last instruction that does something) of each atom with such a one."""
    starts = image.starts
    limits = [
        (piece.address, piece.end)
        for piece in image.program.pieces
        if piece.code and piece.content and piece.data is not None
    ]
    inside = np.zeros(len(starts), dtype=np.bool_)
    for low, high in limits:
        inside |= (starts >= low) & (starts < high)
    starts = starts[inside]
    edges = np.array(sorted(end for _start, end in limits), dtype=np.int64)
    if not len(starts) or not len(edges) or not len(image.instructions):
        return starts[:0], starts[:0]
    after = edges[np.minimum(np.searchsorted(edges, starts, side="right"), len(edges) - 1)]
    ends = np.minimum(np.append(starts[1:], edges[-1]), after)
    does = image.flows != Flow.PADS
    places = image.instructions[does]
    following = np.append(image.instructions[1:], edges[-1])[does]
    last = np.searchsorted(places, ends) - 1
    real = (last >= 0) & (places[last] >= starts)
    stops = np.minimum(following[last], ends)
    return starts[real], stops[real]
