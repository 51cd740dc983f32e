"""Data is cut only where something can begin."""

from __future__ import annotations

import pytest

from verifier.semantic.layout import elffacts, proof
from verifier.semantic.layout.assembled import Assembled, assemble
from verifier.semantic.layout.extent import Extent
from verifier.semantic.layout.program import Kind, Piece, Program, slots_of
from verifier.semantic.layout.x86 import decode

_TEXTS, _WORDS = 0x1000, 0x2000


def _image(texts: bytes, targets: tuple[int, ...]) -> Assembled:
    """An image with texts, and words that point at them."""
    pieces = (
        Piece(".rodata", _TEXTS, len(texts), memoryview(texts)),
        Piece(".data", _WORDS, 8 * len(targets), memoryview(bytes(8 * len(targets))), whole=True),
    )
    rows = [
        (_WORDS + 8 * number, 8, int(Kind.POINTER), _TEXTS + target, 0)
        for number, target in enumerate(targets)
    ]
    program = Program("x86-64", pieces, elffacts.none(), slots_of(rows), [], whole=True)
    return assemble(program, decode)


def _check(one: Assembled, other: Assembled, *extents: tuple[int, int, int]) -> proof.Finding:
    table = [Extent(_TEXTS + a, _TEXTS + b, length) for a, b, length in extents]
    return proof.check(one, other, [*table, Extent(_WORDS, _WORDS, 16)])


def test_texts_that_moved_whole_are_the_same() -> None:
    one, other = _image(b"bad code\0bad name\0", (0, 9)), _image(b"bad name\0bad code\0", (9, 0))
    assert _check(one, other, (0, 9, 9), (9, 0, 9)).total


@pytest.mark.parametrize("length", [3, 4])
def test_texts_do_not_exchange_what_they_begin_with(length: int) -> None:
    """The words were swapped, the texts were not."""
    texts = b"bad code\0bad name\0"
    one, other = _image(texts, (0, 9)), _image(texts, (9, 0))
    rest = 9 - length
    found = _check(
        one,
        other,
        (0, 9, length),
        (length, length, rest),
        (9, 0, length),
        (9 + length,) * 2 + (rest,),
    )
    assert not found.total
    assert any("where nothing begins" in fault for fault in found.faults)
