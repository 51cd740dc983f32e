"""Decoders are held against each other: on real libraries, and AArch64 on random words."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.semantic.layout.a64builds import LIBRARIES
from verifier.semantic.layout import aarch64, capstone_aarch64, capstone_x86, decoders, elf, x86

if TYPE_CHECKING:
    from verifier.semantic.layout.x86 import Code

_HOST = "/usr/lib/x86_64-linux-gnu"


@cache
def _text(path: str) -> tuple[bytes, int, list[int]]:
    program = elf.load(memoryview(Path(path).resolve().read_bytes()))
    piece = next(each for each in program.pieces if each.name == ".text")
    assert piece.data is not None
    starts = [at for at in program.starts.tolist() if piece.address <= at < piece.end]
    return bytes(piece.data), piece.address, starts


def _same(one: Code, other: Code) -> None:
    assert np.array_equal(one.starts, other.starts)
    assert np.array_equal(one.flows, other.flows)
    assert sorted(one.rows.tolist()) == sorted(other.rows.tolist())
    assert one.bad == other.bad
    assert one.indirect == other.indirect
    assert one.normal == other.normal


@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"])
def test_aarch64(name: str) -> None:
    data, base, starts = _text(f"{LIBRARIES}/{name}")
    one = aarch64.decode(data, base, "aarch64", starts)
    other = capstone_aarch64.decode(data, base, "aarch64", starts)
    _same(one, other)
    assert one.registers is not None
    assert other.registers is not None
    for mine, theirs in zip(one.registers, other.registers, strict=True):
        assert np.array_equal(mine, theirs)


def test_aarch64_on_random_words() -> None:
    """Where capstone knows an instruction, both tell the same of it."""
    import capstone  # type: ignore[import-untyped]  # noqa: PLC0415 - the second opinion

    data = random.Random(4).randbytes(4 * 100_000)
    base = 1 << 28
    one = aarch64.decode(data, base, "aarch64", [])
    other = capstone_aarch64.decode(data, base, "aarch64", [])
    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.skipdata = True
    known = np.array([name[0] != "." for _at, _size, name, _rest in engine.disasm_lite(data, base)])
    words = np.frombuffer(data, dtype="<u4")
    assert len(known) == len(words)
    assert one.bad == other.bad
    assert np.array_equal(one.flows[known], other.flows[known])
    normal = [np.frombuffer(each.normal, dtype="<u4")[known] for each in (one, other)]
    assert np.array_equal(*normal)
    rows = [
        {tuple(row) for row in each.rows.tolist() if known[(row[0] - base) // 4]}
        for each in (one, other)
    ]
    assert rows[0] == rows[1]
    assert one.registers is not None
    assert other.registers is not None
    high = (words & 0xFF600000) == 0x9B400000  # smulh, umulh: a field that should be all ones
    for mine, theirs in zip(one.registers, other.registers, strict=True):
        assert np.array_equal(mine[known & ~high], theirs[known & ~high])


@pytest.mark.parametrize("name", ["libc.so.6", "libstdc++.so.6", "libm.so.6"])
def test_x86(name: str) -> None:
    data, base, starts = _text(f"{_HOST}/{name}")
    one = x86.decode(data, base, "x86-64", starts)
    other = capstone_x86.decode(data, base, "x86-64", starts)
    odd = np.setxor1d(one.starts, other.starts).tolist()
    assert set(odd) <= {*one.bad, *other.bad}  # one takes what does not decode byte by byte
    assert sorted(one.rows.tolist()) == sorted(other.rows.tolist())


def test_code_of_other_machines_is_not_decided() -> None:
    for decode in (decoders.first, decoders.second):
        code = decode(bytes(16), 0, "machine 243", [])
        assert code.doubts
        assert not len(code.starts)


def test_words_that_are_no_code() -> None:
    for decode in (aarch64.decode, capstone_aarch64.decode):
        code = decode(b"\0\0\0\0\x1f\x20\x03\xd5\xc0\x03\x5f\xd6\1\2", 0x1000, "aarch64", [])
        assert code.bad == [0x1000, 0x100C]
        assert code.flows.tolist() == [1, 5, 1, 0]
