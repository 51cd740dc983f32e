"""Judging a map ends soon, however the map and the images were made to keep it busy."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.layouts import builds
from tests.layouts.editor import of_rich
from verifier.errors import LimitError
from verifier.semantic.layout import decoders, encode, proof, recheck
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.explain import LOADERS
from verifier.semantic.layout.extent import Extent
from verifier.semantic.layout.program import Kind, Piece, Program, slots_of

SECONDS = 60.0  # on a busy machine; each takes less than two
MANY = 20_000


@pytest.mark.parametrize("kind", list(builds.KINDS))
def test_a_map_of_single_bytes_is_judged_soon(kind: str) -> None:
    data = bytes(of_rich(builds.KINDS[kind], turned=False, bare=True).data)
    program = LOADERS[builds.KINDS[kind].format](memoryview(data))
    rows = [
        Extent(at, at, 1)
        for piece in program.pieces
        if piece.content
        for at in range(piece.address, piece.end)
    ]
    begun = time.monotonic()
    layout = {"format": builds.KINDS[kind].format, "map": encode.encode(rows)}
    fault, _assumed = recheck.judge(layout, memoryview(data), memoryview(data), ())
    assert fault or kind == "pe"
    assert time.monotonic() - begun < SECONDS


def _scattered(count: int) -> Program:
    """As many sections of code as functions, each function in one."""
    pieces = tuple(
        Piece(f".text.{number}", 16 * number, 16, b"\xc3" + bytes(15), code=True)
        for number in range(count)
    )
    starts = np.arange(count, dtype=np.int64) * 16
    program = Program("x86-64", pieces, starts, slots_of([]), [])
    program.whole = True
    return program


def test_too_many_sections_of_code_are_refused() -> None:
    begun = time.monotonic()
    with pytest.raises(LimitError, match="sections"):
        assemble(_scattered(MANY), decoders.second)
    assert time.monotonic() - begun < SECONDS
    assert len(assemble(_scattered(64), decoders.second).starts) == 64


def test_pages_without_an_end_are_refused() -> None:
    """Each page of a hostile AArch64 image could be compared with each stretch of a map."""
    size = MANY * 4096
    pieces = (
        Piece(".text", 0, 4 * 4 * MANY, bytes(16 * MANY), code=True, content=False),
        Piece(".bss", 1 << 20, size, None),
    )
    rows = [(4 * at, 4, int(Kind.PAGE), (1 << 20) + 4096 * at, 0) for at in range(MANY)]
    program = Program("aarch64", pieces, np.zeros(0, dtype=np.int64), slots_of(rows), [])
    program.whole = True
    image = assemble(program, decoders.second)
    at = range(1 << 20, (1 << 20) + size, 1024)
    extents = [Extent(each, each, 1024) for each in at]
    text = [Extent(4 * at, 4 * at, 4) for at in range(4 * MANY)]
    begun = time.monotonic()
    with pytest.raises(LimitError, match="pages"):
        proof.check(image, image, [*text, *extents])
    assert time.monotonic() - begun < SECONDS


def test_the_piece_of_an_address_is_found_among_many() -> None:
    program = _scattered(MANY)
    begun = time.monotonic()
    for at in range(0, 16 * MANY, 16):
        piece = program.piece_at(at + 15)
        assert piece is not None
        assert piece.address == at
    assert program.piece_at(16 * MANY) is None
    assert time.monotonic() - begun < SECONDS
