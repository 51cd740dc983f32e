"""Extents: stretches of bytes that moved together, from `a` in one image to `b` in the other."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.begins import Begins
from verifier.semantic.layout.extent import Extent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Piece

_BLOCK = 1 << 16
_Known = tuple[Begins, Begins]
_ALIGNED = 64  # bytes that alignment may leave between two objects


def joined(
    one: Assembled, other: Assembled, rows: Sequence[tuple[int, int, int, int, int]]
) -> Iterator[Extent]:
    """Code atoms (a, b, length, index, twin's index) as extents, neighbours as one."""
    begin: tuple[int, int, int] | None = None
    previous: tuple[int, int, int, int, int] | None = None
    for row in rows:
        a, b, length, index, twin = row
        if begin is not None and previous is not None:
            start, there, size = begin
            follows = index == previous[3] + 1 and twin == previous[4] + 1
            if follows and a - start == b - there and _same_padding(one, other, start + size, a, b):
                begin = (start, there, a + length - start)
                previous = row
                continue
            yield Extent(*begin)
        begin, previous = (a, b, length), row
    if begin is not None:
        yield Extent(*begin)


def _same_padding(one: Assembled, other: Assembled, at: int, a: int, b: int) -> bool:
    mine, theirs = one.piece_at(at - 1), other.piece_at(b - 1)
    if mine is None or theirs is None or mine is not one.piece_at(a) or at > a:
        return False
    if theirs is not other.piece_at(b):
        return False
    size = a - at
    first, second = at - mine.address, b - size - theirs.address
    return (
        one.masked[mine.name][first : first + size]
        == other.masked[theirs.name][second : second + size]
    )


def of_data(
    one: Assembled, other: Assembled, anchors: dict[int, int], *, final: bool = False
) -> list[Extent]:
    """Extents of all mapped pieces that are not code; when `final`, without padding before them."""
    known = (Begins(one), Begins(other)) if final else None
    twins = {piece.name: piece for piece in other.program.pieces}
    ordered = sorted(anchors.items())
    keys = [a for a, _b in ordered]
    found: list[Extent] = []
    for piece in one.program.pieces:
        twin = twins.get(piece.name)
        if piece.code or not piece.content or twin is None or not piece.size:
            continue
        mine = ordered[bisect_right(keys, piece.address - 1) : bisect_right(keys, piece.end - 1)]
        mine = [(a, b) for a, b in mine if twin.address <= b < twin.end]
        if piece.whole or not mine:
            if piece.size == twin.size:
                found.append(Extent(piece.address, twin.address, piece.size))
            continue
        found += _piece(one, other, (piece, twin), mine, known)
    return found


def _piece(
    one: Assembled,
    other: Assembled,
    pieces: tuple[Piece, Piece],
    anchors: list[tuple[int, int]],
    known: _Known | None,
) -> list[Extent]:
    """Runs of anchors that moved together, extended over equal bytes to both sides."""
    piece, twin = pieces
    in_order = {b: index for index, (_a, b) in enumerate(sorted(anchors, key=lambda row: row[1]))}
    runs: list[tuple[int, int]] = []
    for (a, b), (c, d) in pairwise([(-1, -1), *anchors]):
        if a < 0 or d - c != b - a or in_order[d] != in_order[b] + 1:
            runs.append((c, d))
    edges = sorted(b for _a, b in runs)
    mine = one.masked.get(piece.name)
    theirs = other.masked.get(twin.name)
    result: list[list[int]] = []
    for index, (a, b) in enumerate(runs):
        after = runs[index + 1][0] if index + 1 < len(runs) else piece.end
        place = bisect_right(edges, b)
        beyond = edges[place] if place < len(edges) else twin.end
        room = min(after - a, beyond - b)
        if mine is None or theirs is None:
            result.append([a, b, room])
            continue
        x, y = a - piece.address, b - twin.address
        result.append([a, b, _equal(mine, theirs, x, y, room)])
    if mine is not None and theirs is not None:
        _backward(one, piece, twin, theirs, result)
        if known is not None:
            _trim(known, (piece, twin), result)
        result += _orphans(piece, twin, mine, theirs, result)
    else:
        _first(piece, twin, result)
    return [Extent(*row) for row in result if row[2]]


def _first(piece: Piece, twin: Piece, rows: list[list[int]]) -> None:
    """Memory without contents before the first anchor belongs to it, where there is room."""
    a, b, _length = rows[0]
    if a - piece.address == b - twin.address and b == min(row[1] for row in rows):
        rows[0] = [piece.address, twin.address, rows[0][2] + a - piece.address]


def _backward(
    one: Assembled, piece: Piece, twin: Piece, theirs: bytes, rows: list[list[int]]
) -> None:
    """Extend each run to the left, over what no other run has taken; zeros there are padding."""
    mine = one.masked[piece.name]
    ends = sorted((b, b + length) for _a, b, length in rows)
    end = piece.address

    def first(start: int, stop: int) -> int:
        """Where the first reference stands, which is masked by zeros."""
        places = one.slots.at[one.slots.between(start, stop)]
        return int(places[0]) if len(places) else stop

    for row in rows:
        a, b, length = row
        place = bisect_right(ends, (b, -1)) - 1
        floor = ends[place][1] if place >= 0 else twin.address
        room = min(a - end, b - floor)
        x, y = a - piece.address, b - twin.address
        while room > 0 and mine[x - 1] == theirs[y - 1]:
            x, y, room = x - 1, y - 1, room - 1
            row[0], row[1], row[2] = row[0] - 1, row[1] - 1, row[2] + 1
        stop = first(row[0], a) if row[0] > piece.address else row[0]
        while row[0] < stop and not mine[row[0] - piece.address]:
            if _next_to(end, row[0]) and _next_to(floor, row[1]):
                break
            row[0], row[1], row[2] = row[0] + 1, row[1] + 1, row[2] - 1
        end = a + length


def _trim(known: _Known, pieces: tuple[Piece, Piece], rows: list[list[int]]) -> None:
    """Zeros before where something begins in both images are padding, and no part of it."""
    for row in rows:
        a, b, length = row
        inner = max(known[0].rest(a), known[1].rest(b))  # a base before the object that is meant
        if known[0].at(a, pieces[0]) and known[1].at(b, pieces[1]) and not inner:
            continue
        zeros = known[0].zeros(a, pieces[0], min(_ALIGNED, length))
        if 0 < inner <= zeros:
            row[:] = a + inner, b + inner, length - inner
            continue
        for step in range(1, zeros + 1):
            if known[0].told(a + step) and known[1].told(b + step):
                row[:] = a + step, b + step, length - step
                break


def _next_to(end: int, start: int) -> bool:
    """Whether nothing but the alignment of `start` lies between."""
    return start - end < max(start & -start, 1)


def _orphans(
    piece: Piece, twin: Piece, mine: bytes, theirs: bytes, rows: list[list[int]]
) -> list[list[int]]:
    """Data that nothing refers to (names of compilers): paired by its contents, in order."""
    used = [(row[0] - piece.address, row[0] - piece.address + row[2]) for row in rows]
    taken = [(row[1] - twin.address, row[1] - twin.address + row[2]) for row in rows]
    waiting = list(_gaps(theirs, taken))
    found: list[list[int]] = []
    for start, end in _gaps(mine, used):
        for index, (begin, stop) in enumerate(waiting):
            if (
                stop - begin >= end - start
                and mine[start:end] == theirs[begin : begin + end - start]
            ):
                found.append([piece.address + start, twin.address + begin, end - start])
                waiting[index] = (begin + end - start, stop)
                break
    return found


def _gaps(raw: bytes, used: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What lies between the used ranges, without the zeros around it."""
    at = 0
    for start, end in [*sorted(used), (len(raw), len(raw))]:
        if start > at:
            part = raw[at:start]
            first = at + len(part) - len(part.lstrip(b"\0"))
            last = at + len(part.rstrip(b"\0"))
            if last > first:
                yield first, last
        at = max(at, end)


def _equal(one: bytes, other: bytes, x: int, y: int, room: int) -> int:
    """How many bytes are equal from `x` and `y` on, `room` at most."""
    done = 0
    while done < room:
        size = min(_BLOCK, room - done)
        mine, theirs = one[x + done : x + done + size], other[y + done : y + done + size]
        if mine != theirs:
            pair = [np.frombuffer(each, dtype=np.uint8) for each in (mine, theirs)]
            size = min(len(mine), len(theirs))
            differs = np.flatnonzero(pair[0][:size] != pair[1][:size])
            return done + (int(differs[0]) if len(differs) else size)
        done += size
    return room
