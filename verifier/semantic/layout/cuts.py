"""Where a map cuts the image: which cuts are certain, which are assumed, and what is padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Piece
    from verifier.semantic.layout.stretches import Extent


def padding(image: Assembled, piece: Piece, start: int, end: int) -> bool:
    """Whether these bytes are what linkers and compilers put between things.

    Zeros, and in code also instructions that do nothing. That nothing points there is
    demanded elsewhere: a reference to what is not mapped is a fault.
    """
    masked = image.masked.get(piece.name)
    if masked is None or not any(masked[start - piece.address : end - piece.address]):
        slots = image.slots.between(start, end)
        return slots.start == slots.stop
    if not piece.code:
        return False
    first, last = np.searchsorted(image.instructions, (start, end))
    if first == last or int(image.instructions[first]) != start:
        return False
    return bool(np.all(image.flows[first:last] == Flow.PADS))


def judge(
    one: Assembled, other: Assembled, extents: Sequence[Extent]
) -> tuple[list[str], list[str]]:
    """(faults, assumptions) of all places where the map begins or ends an extent."""
    faults: list[str] = []
    assumptions: list[str] = []
    starts = [set(image.starts.tolist()) for image in (one, other)]
    loose: dict[str, int] = {}
    for extent in extents:
        piece, twin = one.piece_at(extent.a), other.piece_at(extent.b)
        assert piece is not None
        assert twin is not None
        if piece.whole and (extent.a, extent.b, extent.length, extent.length) != (
            *(piece.address, twin.address),
            *(piece.size, twin.size),
        ):
            faults.append(f"{piece.name} is cut, and its order is its meaning.")
        elif piece.code:
            faults += _code(one, other, extent, starts)
        elif not _certain(one, other, extent, piece, twin):
            loose[piece.name] = loose.get(piece.name, 0) + 1
    assumptions += [
        f"{count} cuts in {name} stand between objects: no symbol of both images says so."
        for name, count in loose.items()
    ]
    return faults, assumptions


def _code(
    one: Assembled, other: Assembled, extent: Extent, starts: list[set[int]]
) -> list[str]:
    """Code begins where an atom does, and ends after an instruction that nothing runs over."""
    if extent.a not in starts[0] or extent.b not in starts[1]:
        return [f"Code is cut at {one.program.label(extent.a)}, where no function begins."]
    for image, end in ((one, extent.a + extent.length), (other, extent.b + extent.length)):
        if not _ends(image, end):
            return [f"Code runs over the end of the extent before {image.program.label(end)}."]
    return []


def _ends(image: Assembled, end: int) -> bool:
    """Whether the last instruction before `end` lets nothing run on, and `end` is its own end.

    A call may end a function: what it calls does not return, in the source's own program.
    """
    last = int(np.searchsorted(image.instructions, end)) - 1
    while last >= 0 and image.flows[last] == Flow.PADS:
        last -= 1
    following = int(image.instructions[last + 1]) if last + 1 < len(image.instructions) else end
    piece = image.piece_at(end - 1)
    whole = following <= end or piece is None or following >= piece.end
    if piece is not None and piece.whole:
        return True
    return (
        last >= 0
        and whole
        and int(image.flows[last]) in (Flow.ENDS, Flow.JUMPS_FAR, Flow.CALLS)
    )


def _certain(one: Assembled, other: Assembled, extent: Extent, piece: Piece, twin: Piece) -> bool:
    """Whether both ends of a stretch of data are the section's, a symbol's, or made by the linker.

    Where a symbol says where an object begins in both images, the cut is no guess.
    """
    if piece.made:
        return True
    start = (extent.a == piece.address and extent.b == twin.address) or (
        extent.a in one.program.objects and extent.b in other.program.objects
    )
    ends = [
        (image, at + extent.length, home)
        for image, at, home in ((one, extent.a, piece), (other, extent.b, twin))
    ]
    end = all(at == home.end or _closes(image, at) for image, at, home in ends)
    return start and end


def _closes(image: Assembled, end: int) -> bool:
    """Whether an object ends here, or just before with nothing between: a symbol with a size."""
    return any(
        start + size == end
        for start, size in image.program.objects.items()
        if size and start < end
    )
