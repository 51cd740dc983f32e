"""WebAssembly is cut behind calls, strictly, and every byte but lengths is in a piece."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from tests.support import HANG
from verifier.errors import ParseError
from verifier.sigdb.wasm import pieces

HEAD = b"\0asm\1\0\0\0"
IMPORTS = b"\x02\x0d\x02\x01e\x01f\x00\x00\x01e\x01g\x00\x00"  # functions f and g of module e


def module(*bodies: bytes) -> bytes:
    code = bytes((len(bodies),)) + b"".join(bytes((len(body),)) + body for body in bodies)
    return HEAD + IMPORTS + b"\x0a" + bytes((len(code),)) + code


def test_code_is_cut_behind_each_call_of_the_function() -> None:
    first = b"\x00\x41\x05\x10\x01\x42\x07\x1a\x41\x06\x10\x01\x0b"
    second = b"\x01\x02\x7f\x10\x00\x0b"
    found = pieces(module(first, second), b"g")
    assert [(piece.argument, piece.code) for piece in found] == [
        (-1, HEAD), (-1, IMPORTS), (-1, b"\x0a"), (-1, (2).to_bytes(8, "little")),
        (5, first[:5]), (6, first[5:12]), (-1, b"\x0b"), (-1, second),
    ]  # fmt: skip


def test_each_byte_but_lengths_is_in_a_piece() -> None:
    data = module(b"\x00\x41\x05\x10\x01\x0b")
    lengths = {len(HEAD + IMPORTS) + 1, len(HEAD + IMPORTS) + 3}
    for at in set(range(len(data))) - lengths:
        other = bytearray(data)
        other[at] ^= 1
        with contextlib.suppress(ParseError):
            assert pieces(bytes(other), b"g") != pieces(data, b"g")
    for at in lengths:
        other = bytearray(data)
        other[at] ^= 1
        with pytest.raises(ParseError):
            pieces(bytes(other), b"g")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0asm", module(b"\x00\xff\x0b"), module(b"\x00\x41"), HEAD + b"\x0a\x05\x01",
     HEAD + b"\x0a\x02\x00\x00", HEAD + b"\x0a" + b"\x80" * 30, module(b"\xff\xff\xff\xff\x0f")],
)  # fmt: skip
def test_broken_modules_are_an_error(data: bytes) -> None:
    with pytest.raises(ParseError):
        pieces(data, b"g")


def test_hostile_modules_are_quick() -> None:
    dice = random.Random(1)
    base = module(*(b"\x00\x41\x05\x10\x01\x0e\x01\x00\x00\x0b" for _ in range(10)))
    for _ in range(2000):
        other = bytearray(base)
        for _ in range(3):
            other[dice.randrange(8, len(other))] = dice.randrange(256)
        started = time.process_time()
        with contextlib.suppress(ParseError):
            pieces(bytes(other), b"g")
        assert time.process_time() - started < HANG
