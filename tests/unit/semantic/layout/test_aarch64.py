"""AArch64: images in another order are one program; what points elsewhere never is."""

from __future__ import annotations

import itertools
import random
import struct

import numpy as np
import pytest

from tests.unit.semantic.layout import a64builds
from verifier.semantic.layout import aarch64, elf, encode, proof, recheck
from verifier.semantic.layout.assembled import Assembled, assemble
from verifier.semantic.layout.explain import Explained, explain
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.program import Kind

_BTI = ("-mbranch-protection=standard",)


def _explained(rebuilt: bytes, shipped: bytes) -> Explained:
    return explain("elf", memoryview(shipped), memoryview(rebuilt))


def _assembled(data: bytes) -> Assembled:
    return assemble(elf.load(memoryview(data)), aarch64.decode)


def _judged(rebuilt: bytes, shipped: bytes) -> proof.Finding:
    images = _assembled(rebuilt), _assembled(shipped)
    return proof.check(*images, Match(*images).run())


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize(
    ("options", "linking"),
    [((), ()), (_BTI, ("-Wl,-z,force-bti",)), (("-O3", "-fno-plt"), ())],
    ids=["plain", "bti", "no-plt"],
)
def test_objects_in_another_order_are_one_program(
    stripped: bool, options: tuple[str, ...], linking: tuple[str, ...]
) -> None:
    one, other = (
        a64builds.zlib(backwards=backwards, stripped=stripped, options=options, linking=linking)
        for backwards in (False, True)
    )
    found = _explained(one, other)
    assert found.finding.total, found.notes
    saved = {"format": "elf", "map": encode.encode(found.extents)}
    fault, _assumed = recheck.judge(saved, memoryview(other), memoryview(one), ())
    assert not fault


@pytest.mark.parametrize("stripped", [False, True])
def test_a_program_with_exceptions_in_another_order(stripped: bool) -> None:
    one, other = (a64builds.shapes(backwards=each, stripped=stripped) for each in (False, True))
    found = _explained(one, other)
    assert found.finding.total, found.notes
    saved = {"format": "elf", "map": encode.encode(found.extents)}
    assert not recheck.judge(saved, memoryview(other), memoryview(one), ())[0]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("stripped", [False, True])
def test_exactly_the_changed_function_is_told(stripped: bool, backwards: bool) -> None:
    one = a64builds.zlib(stripped=stripped)
    other = a64builds.zlib(stripped=stripped, changed=True, backwards=backwards)
    found = _explained(one, other)
    assert not found.finding.total
    told = [each for each in found.differences if each.kind.startswith("function")]
    assert [each.where for each in told] == ["deflateSetHeader"]
    assert "comparison or branch" in told[0].summary


def _slots(image: Assembled, *kinds: Kind) -> list[int]:
    """Places in .text of references of these kinds that lead out of it."""
    text = next(piece for piece in image.program.pieces if piece.name == ".text")
    chosen = np.isin(image.slots.kind, kinds)
    return [at for at in image.slots.at[chosen].tolist() if text.address <= at < text.end]


def _patched(data: bytes, at: int, change: int) -> bytes:
    """The image with other bits in the word at address `at` (code is stored where it is loaded)."""
    word = struct.unpack_from("<I", data, at)[0]
    return data[:at] + struct.pack("<I", word ^ change) + data[at + 4 :]


_MUTATIONS = {
    "page": (0x20000000, 0x90000000, 0x9F000000, (Kind.TAKEN, Kind.ACCESS)),
    "place in the page of an address": (0x1000, 0x91000000, 0xFFC00000, (Kind.TAKEN,)),
    "place in the page of an access": (0x400, 0x39000000, 0x3B000000, (Kind.ACCESS,)),
    "target of a call": (0x4, 0x94000000, 0xFC000000, (Kind.CALL,)),
    "target of a branch": (0x4, 0x14000000, 0xFC000000, (Kind.BRANCH,)),
    "register": (0x1, 0x91000000, 0xFFC00000, (Kind.TAKEN,)),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", _MUTATIONS)
def test_one_reference_that_points_elsewhere(name: str, backwards: bool) -> None:
    change, value, mask, kinds = _MUTATIONS[name]
    one = a64builds.zlib(stripped=True)
    other = a64builds.zlib(stripped=True, backwards=backwards)
    image = _assembled(other)
    places = [
        at for at in _slots(image, *kinds) if struct.unpack_from("<I", other, at)[0] & mask == value
    ]
    assert places
    for at in random.Random(name).sample(places, min(4, len(places))):
        found = _judged(one, _patched(other, at, change))
        assert not found.total, hex(at)


def test_no_flipped_bit_of_code_is_equal() -> None:
    one = a64builds.zlib(stripped=True)
    other = a64builds.zlib(stripped=True, backwards=True)
    image = _assembled(other)
    text = next(piece for piece in image.program.pieces if piece.name == ".text")
    rng = random.Random(1)
    padding = set(image.instructions[image.flows == 5].tolist())
    for _ in range(60):
        at = rng.randrange(text.address, text.end, 4)
        if at not in padding:
            found = _judged(one, _patched(other, at, 1 << rng.randrange(32)))
            assert not found.total, hex(at)


def test_two_references_that_are_swapped() -> None:
    """Two texts of one function change places: all words stay valid references."""
    one = a64builds.zlib(stripped=True)
    image = _assembled(one)
    words = {at: struct.unpack_from("<I", one, at)[0] for at in _slots(image, Kind.TAKEN)}
    adds = [at for at, word in words.items() if word & 0xFFC00000 == 0x91000000]
    pages = dict(zip(image.slots.at.tolist(), (image.slots.target >> 12).tolist(), strict=True))
    tried = 0
    for first, second in itertools.pairwise(adds):
        change = (words[first] ^ words[second]) & 0x003FFC00
        if change and pages[first] == pages[second] and tried < 12:
            found = _judged(one, _patched(_patched(one, first, change), second, change))
            assert not found.total, hex(first)
            tried += 1
    assert tried == 12


def test_no_entry_of_a_jump_table_may_change() -> None:
    one = a64builds.zlib(stripped=True)
    image = _assembled(one)
    assert len([at for at in image.indirect if image.program.label(at).startswith(".text")]) >= 2
    found = [
        at
        for at in image.slots.target[image.slots.kind == Kind.TAKEN].tolist()
        if image.program.label(at).startswith(".rodata")
    ]
    for at in found[:40]:
        assert not _judged(one, _patched(one, at, 1)).total
