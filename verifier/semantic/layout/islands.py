"""Data inside code sections: stretches that do not decode, each taken as one thing.

mingw's linker script puts the lists of constructors into `.text`; hand-written assembly has
tables there. Where such a stretch is made of rebased words, zeros and ones alone, it is data for
certain; otherwise that nothing runs it is an assumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.semantic.layout.program import VECTORS, Kind
from verifier.semantic.layout.x86 import Code, Flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from verifier.semantic.layout.program import Ints, Piece, Program

_SPOILT = 64  # bytes around what does not decode whose instructions say nothing


class Island(NamedTuple):
    """Addresses [start, end) that hold no code."""

    start: int
    end: int
    certain: bool


def find(program: Program, piece: Piece, code: Code) -> list[Island]:
    """The stretches around all places that do not decode, disjoint and in order.

    One begins where something before it is known to begin (a target, or padding's end after an
    instruction that nothing runs over), and ends where code is known to begin again.
    """
    spoilt = np.array(code.bad or [-1], dtype=np.int64)
    kinds = (Kind.TAKEN, Kind.ACCESS, *VECTORS)
    taken = code.rows[np.isin(code.rows[:, 2], kinds)].tolist()
    near = np.searchsorted(spoilt, [row[0] - _SPOILT for row in taken])
    known = np.array(
        sorted(
            {
                row[3]
                for row, place in zip(taken, near.tolist(), strict=True)
                if piece.address <= row[3] < piece.end
                and (place >= len(spoilt) or spoilt[place] > row[0] + _SPOILT)
            }
            | {at for at in program.starts.tolist() if piece.address <= at < piece.end}
            | {at for at in program.slots.target.tolist() if piece.address <= at < piece.end}
        ),
        dtype=np.int64,
    )
    begins = set(program.starts.tolist())
    found: list[Island] = []
    for bad in code.bad:
        if found and bad < found[-1].end:
            continue
        before = int(np.searchsorted(known, bad, side="right")) - 1
        floor = int(known[before]) if before >= 0 else piece.address
        start = max(floor, _after_end(code, bad))
        after = int(np.searchsorted(program.starts, bad, side="right"))
        end = int(program.starts[after]) if after < len(program.starts) else piece.end
        end = min(end, piece.end)
        sure = _plain(program, piece, start, end)
        if found and found[-1].end == start and start not in begins:
            last = found.pop()
            start, sure = last.start, last.certain and sure
        found.append(Island(start, end, sure))
    return found


def _after_end(code: Code, bad: int) -> int:
    """The first instruction after the last one before `bad` that nothing runs over."""
    last = int(np.searchsorted(code.starts, bad)) - 1
    while last >= 0 and code.flows[last] not in (Flow.ENDS, Flow.PADS):
        last -= 1
    return int(code.starts[last + 1]) if 0 <= last + 1 < len(code.starts) else bad


def _plain(program: Program, piece: Piece, start: int, end: int) -> bool:
    """Whether every word is rebased by the loader, zero, or all ones."""
    word = 4 if program.machine == "x86" else 8
    mine = program.slots.between(start, end)
    rebased = set(program.slots.at[mine].tolist())
    raw = bytes(piece.data[start - piece.address : end - piece.address]) if piece.data else b""
    return start % word == 0 and all(
        start + at in rebased or raw[at : at + word].strip(b"\0") in (b"", b"\xff" * word)
        for at in range(0, len(raw), word)
    )


def without(code: Code, islands: list[Island]) -> Code:
    """The code with each island as one instruction that nothing runs over."""
    if not islands:
        return code
    begins = np.array([island.start for island in islands], dtype=np.int64)
    ends = np.array([island.end for island in islands], dtype=np.int64)

    def outside(places: Ints) -> NDArray[np.bool_]:
        index = np.searchsorted(begins, places, side="right") - 1
        return (index < 0) | (places >= ends[np.maximum(index, 0)])

    keep = outside(code.starts)
    starts = np.concatenate([code.starts[keep], begins])
    flows = np.concatenate([code.flows[keep], np.full(len(islands), Flow.ENDS, dtype=np.int64)])
    order = np.argsort(starts, kind="stable")
    rows = outside(code.rows[:, 0])
    jumps = outside(np.array(code.indirect, dtype=np.int64)).tolist()
    return code._replace(
        starts=starts[order],
        flows=flows[order],
        rows=code.rows[rows],
        bad=[],
        indirect=[at for at, real in zip(code.indirect, jumps, strict=True) if real],
    )
