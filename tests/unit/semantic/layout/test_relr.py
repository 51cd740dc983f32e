"""Packed relative relocations: the same slots as unpacked ones, and one spelling alone."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import ParseError
from verifier.semantic.layout import elffacts, relr
from verifier.semantic.layout.program import Piece, Program, slots_of

_BASE = 0x1000


def _program() -> Program:
    data = memoryview(b"".join(struct.pack("<Q", 0x2000 + at) for at in range(1024)))
    piece = Piece(".data", _BASE, len(data), data)
    return Program("x86-64", (piece,), elffacts.none(), slots_of([]), [], whole=True)


def _places(words: list[int]) -> list[int]:
    raw = struct.pack(f"<{len(words)}Q", *words)
    section: Any = SimpleNamespace(offset=0, size=len(raw), label=".relr.dyn")
    program = _program()
    rows = relr.slots(memoryview(raw), section, program)
    assert program.facts == [("relocations", ".relr.dyn", len(rows))]
    assert all(row[3] == 0x2000 + (row[0] - _BASE) // 8 for row in rows)
    return [row[0] for row in rows]


def _packed(places: list[int]) -> list[int]:
    """The table as the gABI describes it, written once more."""
    words: list[int] = []
    rest = list(places)
    while rest:
        first = rest.pop(0)
        words.append(first)
        base = first + 8
        while bits := sum(
            2 << (at - base) // 8 for at in rest if base <= at < base + 504 and at % 8 == base % 8
        ):
            words.append(bits | 1)
            rest = [at for at in rest if at >= base + 504]
            base += 504
    return words


@given(st.sets(st.integers(0, 1000), min_size=1, max_size=200))
def test_every_place_is_found(numbers: set[int]) -> None:
    places = [_BASE + 8 * number for number in sorted(numbers)]
    assert _places(_packed(places)) == places
    assert _places([*_packed(places), 1, 1]) == places


@pytest.mark.parametrize(
    "words",
    [
        [3],  # no address before
        [_BASE, _BASE + 8],  # two addresses where one word of bits would do
        [_BASE, 1, 3],  # words that say nothing, inside
        [_BASE + 8, _BASE],  # out of order
        [_BASE + 8192],  # behind the section
    ],
)
def test_other_spellings_are_refused(words: list[int]) -> None:
    with pytest.raises(ParseError):
        _places(words)
