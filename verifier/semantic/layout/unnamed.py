"""Data without symbols that holds something else, told by the function that uses it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.model import Difference
from verifier.semantic.layout import names
from verifier.semantic.layout.listing import string_at
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.match import Match
    from verifier.semantic.layout.program import Ints, Piece

_LISTED = 40
_SHOWN = 16  # bytes
_LARGEST = 1 << 16  # bytes behind a reference that are compared
_USED_MOST = 4_000_000  # references that are looked at


class _Use(NamedTuple):
    """A place in data that one function of both images refers to at one place of its code."""

    a: int
    b: int
    at: int
    start: int
    twin: int


def changed(match: Match) -> tuple[Difference, ...]:
    """Places that functions of equal code refer to, with other contents and no symbol."""
    return tuple(islice(_changed(match), _LISTED))


def _changed(match: Match) -> Iterator[Difference]:
    one, other = match.one, match.other
    ends = _ends(one), _ends(other)
    places = names.Places(one, other)
    told: set[int] = set()
    for use in _uses(match):
        if use.a in one.program.names or use.b in other.program.names:
            continue  # told by that name
        homes = one.piece_at(use.a), other.piece_at(use.b)
        if any(each is None or each.code or each.made or not each.content for each in homes):
            continue
        size = min(
            _until(end, home, at) for end, home, at in zip(ends, homes, (use.a, use.b), strict=True)
        )
        summary = _compared(match, use, size)
        if not summary or use.b in told:
            continue
        told.add(use.b)
        where = f"data used by {places.of(use.start, use.twin)} at +{use.at - use.twin:#x}"
        yield Difference("object-changed", where, f"{other.program.label(use.b)}: {summary}")


def _uses(match: Match) -> Iterator[_Use]:
    """Each pair of places once, by its first use; none that two functions take for two things."""
    rows = []
    left = _USED_MOST
    for a, b in sorted(match.code.items()):
        i, j = match.atoms.number[a], match.others.number[b]
        mine, theirs = match.atoms.slots[i], match.others.slots[j]
        count = mine.stop - mine.start
        left -= count
        if match.atoms.keys[i] != match.others.keys[j] or not count or left < 0:
            continue
        rows.append(
            np.stack(
                [
                    match.one.slots.target[mine],
                    match.other.slots.target[theirs],
                    match.other.slots.at[theirs],
                    np.full(count, a),
                    np.full(count, b),
                ],
                axis=1,
            )
        )
    if not rows:
        return
    table = np.concatenate(rows)
    order = np.lexsort((table[:, 1], table[:, 0]))
    fresh = np.any(np.diff(table[order, :2], axis=0, prepend=-1), axis=1)
    table = table[np.sort(order[fresh])]
    for column in (0, 1):
        values, counts = np.unique(table[:, column], return_counts=True)
        table = table[np.isin(table[:, column], values[counts == 1])]
    for row in table.tolist():
        yield _Use(*row)


def _ends(image: Assembled) -> Ints:
    """Where something else begins: what a reference, a symbol or a directory of PE leads to."""
    program = image.program
    tables = [item for fact in program.facts if fact[0] == "directory" for item in fact[1:]]
    places = [item.value for item in tables if isinstance(item, Address)]
    more = np.array([*places, *program.objects], dtype=np.int64)
    return np.unique(np.concatenate([image.slots.target, more]))


def _until(ends: Ints, piece: Piece | None, at: int) -> int:
    assert piece is not None
    index = int(np.searchsorted(ends, at, side="right"))
    end = int(ends[index]) if index < len(ends) else piece.end
    return min(end, piece.end, at + _LARGEST) - at


def _compared(match: Match, use: _Use, size: int) -> str:
    """What differs within `size` bytes of both places; empty where nothing does."""
    quoted = string_at(match.one, use.a), string_at(match.other, use.b)
    if all(quoted):
        return f"The text {quoted[0]} became {quoted[1]}." if quoted[0] != quoted[1] else ""
    raw = [_bytes(image, at, size) for image, at in ((match.one, use.a), (match.other, use.b))]
    if raw[0] == raw[1] or len(raw[0]) != len(raw[1]):
        return ""
    unlike = [at for at, (x, y) in enumerate(zip(*raw, strict=True)) if x != y]
    before, after = (each[unlike[0] : unlike[0] + _SHOWN].hex() for each in raw)
    return (
        f"{len(unlike)} of {size} bytes differ, from offset {unlike[0]:#x} on: {before} became"
        f" {after}."
    )


def _bytes(image: Assembled, at: int, size: int) -> bytes:
    piece = image.piece_at(at)
    if piece is None or piece.data is None:
        return b""
    data = image.masked.get(piece.name, b"")
    return bytes(data[at - piece.address : at - piece.address + size])
