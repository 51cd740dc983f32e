"""Code of which most stands in another section as well: copied from there, references apart.

What an x86 instruction is, and how long, depends on none of the bytes of its distances. An atom
whose other bytes are those of one that was read holds the same instructions, and its references
lead to where its own distances say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.semantic.layout.x86 import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from verifier.semantic.layout.program import Ints

    Bytes = NDArray[np.uint8]
    Bools = NDArray[np.bool_]

_SIZES = (1, 4)  # of distances in bytes; atoms with others are read
_TAIL = 8  # bytes that may follow a distance in its instruction
_FAR = 1 << 32  # no image is so large; whether an instruction leads there must be asked anew
_MIX = (0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D)


class Section(NamedTuple):
    """A section of code at `base`. `cuts` are all edges of its atoms, its own among them."""

    base: int
    data: bytes
    cuts: Ints


def copied(known: Section, code: Code, new: Section) -> tuple[Code, list[tuple[int, int]]]:
    """What `code`, of the section `known`, tells of `new`; and the stretches that must be read."""
    sure = _sure(known, code)
    keep = np.ones(len(known.data), dtype=np.bool_)
    for size in _SIZES:
        at = code.rows[code.rows[:, 1] == size, 0] - known.base
        for step in range(size):
            keep[at[at + step < len(keep)] + step] = False
    partner = np.full(len(new.cuts) - 1, -1, dtype=np.int64)
    for guess in _guesses(known, new, partner):
        _accept(known, new, (sure, keep), guess, partner)
    found, far = _copy(known, code, new, partner)
    partner[far] = -1
    left = np.flatnonzero(partner < 0).tolist()
    return found, [(int(new.cuts[each]), int(new.cuts[each + 1])) for each in left]


def _sure(known: Section, code: Code) -> Bools:
    """Which atoms hold nothing but instructions, with distances as usual."""
    at, size = code.rows[:, 0], code.rows[:, 1]
    follows = code.rows[:, 3] - _distances(known, at, size) - at - size
    odd = at[~np.isin(size, _SIZES) | (follows < 0) | (follows > _TAIL)]
    spoilt = np.concatenate([odd, np.array(code.bad, dtype=np.int64)])
    sure = np.ones(len(known.cuts) - 1, dtype=np.bool_)
    sure[np.searchsorted(known.cuts, spoilt, side="right") - 1] = False
    return sure


def _distances(section: Section, at: Ints, size: Ints) -> Ints:
    """The signed numbers of one or four bytes at some addresses."""
    raw = np.frombuffer(section.data, dtype=np.uint8)
    place = at - section.base
    wide = size == 4
    value = raw[place].astype(np.int64)
    for step in range(1, 4):
        more = raw[np.minimum(place[wide] + step, len(raw) - 1)].astype(np.int64)
        value[wide] |= more << (8 * step)
    sign = np.where(wide, np.int64(1) << 31, np.int64(1) << 7)
    result: Ints = (value ^ sign) - sign
    return result


def _guesses(known: Section, new: Section, partner: Ints) -> Iterator[Ints]:
    """Which atom of `known` each of `new` may be: by lengths around it, then by its neighbours."""
    mine, theirs = _key(known), _key(new)
    order = np.argsort(mine, kind="stable")
    place = np.minimum(np.searchsorted(mine[order], theirs), len(order) - 1)
    guess = order[place]
    yield np.where(mine[guess] == theirs, guess, -1)
    for step in (1, -1) * 4:
        beside = np.roll(partner, step)
        yield np.where(beside >= 0, beside + step, -1)


def _key(section: Section) -> Ints:
    """A number of each atom: its length, that of its neighbours, and its first byte."""
    lengths = np.diff(section.cuts)
    raw = np.frombuffer(section.data, dtype=np.uint8)
    key = lengths * _MIX[0] + raw[section.cuts[:-1] - section.base].astype(np.int64)
    key[1:] ^= lengths[:-1] * _MIX[1]
    key[:-1] ^= lengths[1:] * _MIX[2]
    return key


def _accept(
    known: Section, new: Section, what: tuple[Bools, Bools], guess: Ints, partner: Ints
) -> None:
    """Note those guesses for atoms without a partner that hold."""
    sure, keep = what
    lengths = np.diff(known.cuts), np.diff(new.cuts)
    guess = np.where(guess < len(sure), guess, -1)
    fits = (guess >= 0) & (partner < 0) & sure[guess] & (lengths[0][guess] == lengths[1])
    partner[fits] = guess[fits]
    one, other = (np.frombuffer(each.data, dtype=np.uint8) for each in (known, new))
    wrong: list[Ints] = []
    for i, j, count in _runs(np.where(fits, guess, -1)):
        x, y = int(known.cuts[i]) - known.base, int(new.cuts[j]) - new.base
        size = int(known.cuts[i + count] - known.cuts[i])
        differs = (one[x : x + size] != other[y : y + size]) & keep[x : x + size]
        if differs.any():
            wrong.append(np.flatnonzero(differs) + new.base + y)
    if wrong:
        partner[np.searchsorted(new.cuts, np.concatenate(wrong), side="right") - 1] = -1


def _runs(partner: Ints) -> list[tuple[int, int, int]]:
    """(first in one image, first in the other, how many) of pairs that follow one another."""
    there = np.flatnonzero(partner >= 0)
    if not len(there):
        return []
    here = partner[there]
    breaks = np.flatnonzero((np.diff(there) != 1) | (np.diff(here) != 1)) + 1
    starts = np.concatenate([[0], breaks])
    counts = np.diff(np.concatenate([starts, [len(there)]]))
    return list(zip(here[starts].tolist(), there[starts].tolist(), counts.tolist(), strict=True))


def _copy(known: Section, code: Code, new: Section, partner: Ints) -> tuple[Code, Ints]:
    """The code of all paired atoms; and those whose references lead too far to be sure."""
    runs = _runs(partner)
    first = np.array([i for i, _j, _count in runs], dtype=np.int64)
    there = np.array([j for _i, j, _count in runs], dtype=np.int64)
    counts = np.array([count for _i, _j, count in runs], dtype=np.int64)
    moved, last = new.cuts[there] - known.cuts[first], known.cuts[first + counts]
    indirect = np.array(code.indirect, dtype=np.int64)

    def taken(addresses: Ints) -> tuple[Ints, Ints]:
        """The places in a list of addresses that lie in each run, and how far each moved."""
        one = np.searchsorted(addresses, known.cuts[first])
        two = np.searchsorted(addresses, last)
        parts = [np.arange(a, b) for a, b in zip(one.tolist(), two.tolist(), strict=True)]
        index = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        return index, np.repeat(moved, two - one)

    which, shift = taken(code.starts)
    starts, flows = code.starts[which] + shift, code.flows[which]
    which, shift = taken(code.rows[:, 0])
    rows = code.rows[which]
    before = _distances(known, rows[:, 0], rows[:, 1])
    rows[:, 0] += shift
    rows[:, 3] += shift - before + _distances(new, rows[:, 0], rows[:, 1])
    far = rows[(rows[:, 3] < 0) | (rows[:, 3] >= _FAR), 0]
    which, shift = taken(indirect)
    jumps = np.sort(indirect[which] + shift).tolist()
    found = Code(starts, flows, rows, [], jumps)
    return found, np.unique(np.searchsorted(new.cuts, far, side="right") - 1)
