"""WebAssembly is read strictly: every byte is in what is given back, or an error."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from tests.support import HANG
from verifier.errors import LimitError, ParseError
from verifier.sigdb import wasm
from verifier.sigdb.wasm import Function, Import, Signature, read

HEAD = b"\0asm\1\0\0\0"
TYPES = b"\x01\x09\x02\x60\x00\x00\x60\x01\x7f\x01\x7e"
IMPORTS = b"\x02\x0d\x02\x01e\x01f\x00\x00\x01e\x01g\x00\x01"
REST = b"\x05\x03\x01\x00\x01\x07\x05\x01\x01m\x00\x02"


def module(*bodies: bytes) -> bytes:
    code = bytes((len(bodies),)) + b"".join(bytes((len(body),)) + body for body in bodies)
    heads = bytes((3, len(bodies) + 1, len(bodies))) + bytes(len(bodies))
    return HEAD + TYPES + IMPORTS + heads + REST + b"\x0a" + bytes((len(code),)) + code


def test_a_module_is_read_whole() -> None:
    found = read(module(b"\x01\x02\x7f\x41\x7f\x42\xc0\x00\x10\x01\x0b", b"\x00\x02\x40\x0b\x0b"))
    none, one = Signature(b"", b""), Signature(b"\x7f", b"\x7e")
    assert found.types == [none, one]
    assert found.imports == [Import("e", "f", none), Import("e", "g", one)]
    assert found.exports == [("m", 0, 2)]
    assert found.rest == [(5, b"\x01\x00\x01")]
    first = [(wasm.I32_CONST, -1), (wasm.I64_CONST, 64), (wasm.CALL, 1), (wasm.END,)]
    second = [(wasm.BLOCK, -64), (wasm.END,), (wasm.END,)]
    assert found.functions == [Function(none, b"\x7f\x7f", first), Function(none, b"", second)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"\x42\x80\x7f", (0x42, -128)), (b"\x42\xff\x00", (0x42, 127)),
        (b"\x42\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", (0x42, -(1 << 63))),
        (b"\x44\x00\x00\x00\x00\x00\x00\xf0\x3f", (0x44, 0x3FF << 52)),
        (b"\x0e\x02\x01\x02\x00", (0x0E, 1, 2, 0)), (b"\x36\x02\x80\x82\x01", (0x36, 2, 16640)),
        (b"\xfc\x06", (0xFC, 6)), (b"\x7c", (0x7C,)),
    ],
)  # fmt: skip
def test_instructions_keep_their_numbers(code: bytes, expected: tuple[int, ...]) -> None:
    assert read(module(b"\x00" + code + b"\x0b")).functions[0].body[0] == expected


def test_each_byte_counts() -> None:
    data = module(b"\x01\x01\x7e\x41\x85\x01\x10\x01\x0b", b"\x00\x42\x85\x7e\x1a\x0b")
    known = read(data)
    for at in range(len(data)):
        for bit in range(8):
            other = bytearray(data)
            other[at] ^= 1 << bit
            with contextlib.suppress(ParseError):
                assert read(bytes(other)) != known


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0asm", module(b"\x00\xff\x0b"), module(b"\x00\x41"), HEAD + b"\x0a\x05\x01",
        HEAD + b"\x0a\x02\x00\x00", HEAD + b"\x0a" + b"\x80" * 30, module(b"\xff\xff\xff\xff\x0f"),
        module(b"\x00\x41\x80\x00\x0b"), module(b"\x00\x41\xff\x7f\x0b"),
        module(b"\x00\x10\x81\x00\x0b"), HEAD + TYPES + TYPES, HEAD + b"\x00\x01\x00",
        HEAD + b"\x01\x01\x05", HEAD + b"\x02\x05\x01\x00\x00\x00\x09",
    ],
)  # fmt: skip
def test_broken_modules_are_an_error(data: bytes) -> None:
    with pytest.raises(ParseError):
        read(data)


def test_absurd_numbers_of_locals_are_refused() -> None:
    with pytest.raises(LimitError):
        read(module(b"\x01\xff\xff\xff\x7f\x7f\x0b"))


def test_hostile_modules_are_quick() -> None:
    dice = random.Random(1)
    base = module(*(b"\x00\x41\x05\x10\x01\x0e\x01\x00\x00\x0b" for _ in range(10)))
    for _ in range(2000):
        other = bytearray(base)
        for _ in range(3):
            other[dice.randrange(8, len(other))] = dice.randrange(256)
        started = time.process_time()
        with contextlib.suppress(ParseError, LimitError):
            read(bytes(other))
        assert time.process_time() - started < HANG
