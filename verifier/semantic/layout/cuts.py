"""Where a map cuts the image: which cuts are certain, which are assumed, and what is padding."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.begins import Begins
from verifier.semantic.layout.program import VECTORS, Kind
from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent
    from verifier.semantic.layout.program import Ints, Piece

# Where compilers reach one object by its distance from another one (section anchors), a symbol's
# end is no proof that nothing walks over it.
_ANCHORED = {"aarch64"}
_WORD = 8
_ALIGNED = 64  # bytes that alignment may leave between two objects
_BEFORE = 8  # bytes before an object, as the base of an array counted from one


def padding(image: Assembled, piece: Piece, start: int, end: int) -> bool:
    """Whether these bytes are what linkers and compilers put between things.

    Zeros, and in code also instructions that do nothing. That nothing points there is
    demanded elsewhere: a reference to what is not mapped is a fault.
    """
    masked = image.masked.get(piece.name)
    if masked is None or not any(masked[start - piece.address : end - piece.address]):
        slots = image.slots.between(start, end)
        if not piece.code and end - start >= _room(image, piece, end):
            return False  # more than the next object's alignment asks for
        return bool(slots.start == slots.stop and (piece.code or end - start < _ALIGNED))
    if not piece.code:
        return False
    # Assemblers fill up to the end of their section, and linkers add zeros up to the next one.
    end = start + len(masked[start - piece.address : end - piece.address].rstrip(b"\0"))
    first, last = np.searchsorted(image.instructions, (start, end))
    if first == last or int(image.instructions[first]) != start:
        return False
    edges = [*image.instructions[first:last].tolist(), end]
    edges[-1] = max(end, edges[-2] + 1)
    fills = (masked[at - piece.address : after - piece.address] for at, after in pairwise(edges))
    return all(fill in NOTHING or fill.ljust(_LONGEST, b"\0") in _PADDED for fill in fills)


def _room(image: Assembled, piece: Piece, end: int) -> int:
    """How many bytes alignment may leave before `end`.

    Where zeros follow it, the next object may begin behind them: a base before an object is
    where its stretch begins, if nothing else refers to it.
    """
    if end == piece.end:
        return _ALIGNED
    masked = image.masked.get(piece.name, b"")
    at = end - piece.address
    raw = masked[at : at + _BEFORE]
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    slots = image.slots.between(end, end + zeros)
    stop = int(image.slots.at[slots.start]) if slots.start < slots.stop else end + zeros
    return max(each & -each for each in range(end, stop + 1))


# What assemblers (GNU as, LLVM) fill gaps in code with, and int3; AArch64 has one nop. Any other
# instruction that does nothing could be chosen to say something.
_LONG = "0f1f840000000000"
NOTHING = {b""} | {
    bytes.fromhex(text)
    for text in (
        *("90", "cc", "6690", "0f1f00", "0f1f4000", "0f1f440000", "660f1f440000"),
        *("0f1f8000000000", _LONG, "66" + _LONG),
        *("66" * count + "2e" + _LONG for count in range(7)),
        *("89f6", "8d7600", "8d742600", "2e8d742600", "8db600000000", "8db42600000000"),
        *("2e8db42600000000", "1f2003d5"),  # the last one is AArch64's
    )
}


def padding_kept(one: Assembled, other: Assembled, extents: Sequence[Extent]) -> list[str]:
    """Faults of padding that changed between two stretches that lie as far apart as before.

    The extents are in order.
    """
    begins = [each.a for each in extents]
    twins = {piece.name: piece for piece in other.program.pieces}
    faults = []
    for piece in one.program.pieces:
        mine, twin = one.masked.get(piece.name), twins.get(piece.name)
        theirs = other.masked.get(piece.name)
        if mine is None or theirs is None or twin is None:
            continue
        rows = extents[bisect_left(begins, piece.address) : bisect_left(begins, piece.end)]
        order = sorted(each.b for each in rows)
        follows = dict(pairwise([*order, twin.end]))
        ends = [(piece.address, twin.address, 0), *rows]
        starts = [(each.a, each.b) for each in rows] + [(piece.end, twin.end)]
        first = order[0] if order else twin.end
        for (a, b, length), (after, beyond) in zip(ends, starts, strict=True):
            expected = first if not length else follows[b]
            gap = after - a - length
            if expected != beyond or gap <= 0 or beyond - b - length != gap:
                continue
            x, y = a + length - piece.address, b + length - twin.address
            if mine[x : x + gap] != theirs[y : y + gap]:
                place = one.program.label(a + length)
                faults.append(f"The padding at {place} changed, and nothing around it moved apart.")
    return faults


_LONGEST = max(map(len, NOTHING))
_PADDED = {fill.ljust(_LONGEST, b"\0") for fill in NOTHING}  # the last may end in zeros itself


def judge(
    one: Assembled, other: Assembled, extents: Sequence[Extent]
) -> tuple[list[str], list[str]]:
    """(faults, assumptions) of all places where the map begins or ends an extent."""
    faults: list[str] = []
    assumptions: list[str] = []
    starts = [set(image.starts.tolist()) for image in (one, other)]
    symbols = _Objects(one), _Objects(other)
    known = Begins(one), Begins(other)
    loose: dict[str, int] = {}
    inner = _Inner(one), _Inner(other)
    order = np.argsort(one.slots.target, kind="stable")
    used = one.slots.target[order], one.slots.kind[order]
    faults += _torn(one, extents)
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
        elif piece.made and not (
            _linked(one, extent.a, extent, piece) and _linked(other, extent.b, extent, twin)
        ):
            faults.append(f"{piece.name} is cut where no reference begins.")
        elif where := [
            at
            for image, start in zip(inner, extent[:2], strict=True)
            for at in (start, start + extent.length)
            if image.holds(at)
        ]:
            faults.append(f"An object of {piece.name} is cut at {where[0]:#x}.")
        elif _alone(used, extent, piece):
            faults.append(f"Memory at {extent.a:#x} moved that one instruction alone uses.")
        elif not piece.made and not (known[0].at(extent.a, piece) and known[1].at(extent.b, twin)):
            faults.append(f"{piece.name} is cut at {extent.a:#x}, where nothing begins.")
        elif not piece.made and not (
            (one.program.machine not in _ANCHORED or extent.length == piece.size == twin.size)
            and symbols[0].begins(extent.a, piece)
            and symbols[1].begins(extent.b, twin)
            and symbols[0].ends(extent.a + extent.length, piece)
            and symbols[1].ends(extent.b + extent.length, twin)
        ):
            loose[piece.name] = loose.get(piece.name, 0) + 1
    assumptions += [
        f"{count} cuts in {name} stand between objects: no symbol of both images says so."
        if one.program.machine not in _ANCHORED
        else f"{count} cuts in {name} stand between objects that no code reaches from one another."
        for name, count in loose.items()
    ]
    return faults, assumptions


def _torn(image: Assembled, extents: Sequence[Extent]) -> list[str]:
    """Functions that did not move as one: unwind tables and symbols tell one range of each."""
    functions = [(start, size) for start, size in image.program.sizes.items() if size > 1]
    if not functions or not extents:
        return []
    rows = np.array(extents, dtype=np.int64)
    starts, sizes = np.array(functions, dtype=np.int64).T
    moved = rows[:, 1] - rows[:, 0]
    parts = np.cumsum(np.concatenate([[False], moved[1:] != moved[:-1]]))
    first, last = (
        np.maximum(np.searchsorted(rows[:, 0], places, side="right") - 1, 0)
        for places in (starts, starts + sizes - 1)
    )
    torn = starts[parts[first] != parts[last]].tolist()
    return [f"{image.program.label(at)} did not move as one function." for at in torn]


def _code(one: Assembled, other: Assembled, extent: Extent, starts: list[set[int]]) -> list[str]:
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
    return last >= 0 and whole and int(image.flows[last]) in (Flow.ENDS, Flow.JUMPS_FAR, Flow.CALLS)


def _linked(image: Assembled, start: int, extent: Extent, piece: Piece) -> bool:
    """Whether a stretch of what linkers make begins with a reference and ends before one."""
    for edge in (start, start + extent.length):
        slots = image.slots.between(edge, edge + 1)
        if edge not in (piece.address, piece.end) and slots.start == slots.stop:
            return False
    return True


def _alone(slots: tuple[Ints, Ints], extent: Extent, piece: Piece) -> bool:
    """Whether one instruction alone refers to an extent of zeros, and it is none of an object.

    `slots` are targets and kinds of all references, in order of their targets.

    No program has an object that one instruction reads or writes in place, and nothing else: it
    would be read without ever being written, or the reverse. An object whose address is taken
    once moves by its alignment.
    """
    if piece.data is not None or extent.length == piece.size:
        return False
    first, last = np.searchsorted(slots[0], (extent.a, extent.a + extent.length))
    used = slots[1][first:last]
    if len(used) != 1:
        return False
    align = min(extent.a & -extent.a, _WORD)
    return int(used[0]) in (Kind.ACCESS, *VECTORS) or bool((extent.a - extent.b) % align)


class _Inner:
    """What lies inside of the objects that symbols name, for look-ups."""

    def __init__(self, image: Assembled) -> None:
        self._objects = sorted(image.program.objects.items())
        self._starts = [start for start, _size in self._objects]
        self._ends = list(accumulate((sum(each) for each in self._objects), max))

    def holds(self, address: int) -> bool:
        """Whether an object begins before an address and ends after it."""
        index = bisect_left(self._starts, address) - 1
        return index >= 0 and address < self._ends[index]


class _Objects:
    """Where data symbols say that objects begin and end, for look-ups."""

    def __init__(self, image: Assembled) -> None:
        self._image = image
        objects = image.program.objects.items()
        self._starts = sorted(start for start, _size in objects)
        self._ends = sorted(start + size for start, size in objects if size)

    def begins(self, address: int, piece: Piece) -> bool:
        """Whether an object, or the section, begins here or after padding alone."""
        if address == piece.address:
            return True
        index = bisect_left(self._starts, address)
        return index < len(self._starts) and self._nothing(address, self._starts[index], piece)

    def ends(self, address: int, piece: Piece) -> bool:
        """Whether an object, or the section, ends here or before padding alone."""
        if address == piece.end:
            return True
        index = bisect_right(self._ends, address) - 1
        return index >= 0 and self._nothing(self._ends[index], address, piece)

    def _nothing(self, start: int, end: int, piece: Piece) -> bool:
        if end - start >= _ALIGNED or start < piece.address or end > piece.end:
            return False
        masked = self._image.masked.get(piece.name)
        slots = self._image.slots.between(start, end)
        if slots.start != slots.stop:
            return False
        return masked is None or not any(masked[start - piece.address : end - piece.address])
