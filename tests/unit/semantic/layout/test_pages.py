"""Addresses in two parts: what becomes a reference, what only a page, and what is not decided."""

from __future__ import annotations

import struct

import pytest

from verifier.semantic.layout import aarch64, capstone_aarch64, elffacts, proof
from verifier.semantic.layout.assembled import Assembled, Decode, assemble
from verifier.semantic.layout.extent import Extent
from verifier.semantic.layout.program import Kind, Piece, Program, slots_of

_CODE, _DATA = 0x1000, 0x2000
_RET, _NOP = 0xD65F03C0, 0xD503201F
_ADRP = {0: 0x90000000, 1: 0xB0000000, 2: 0xD0000000, 3: 0xF0000000}  # x0, by pages further on
_ADD = 0x91004000  # add x0, x0, #16
_LOAD = 0xF9400801  # ldr x1, [x0, #16]
_STORE = 0xF9400800 & ~0x00400000  # str x0, [x0, #16]: the page itself is stored
_MOVE = 0xAA0003E2  # mov x2, x0
_LOAD_MOVED = 0xF9400841  # ldr x1, [x2, #16]
_SPILL, _FILL = 0xF90007E0, 0xF94007E3  # str x0, [sp, #8]; ldr x3, [sp, #8]
_LOAD_FILLED = 0xF9400861  # ldr x1, [x3, #16]
_CALL = 0xD63F0120  # blr x9
_JUMP = 0x8B010000, 0xD61F0000  # add x0, x0, x1; br x0
_BACK = 0xB5FFFFA1  # cbnz x1, three words back


def _image(words: list[int], data: int = _DATA, decode: Decode = aarch64.decode) -> Assembled:
    code = struct.pack(f"<{len(words)}I", *words)
    content = bytes(range(1, 65))
    pieces = (
        Piece(".text", _CODE, len(code), memoryview(code), code=True),
        Piece(".data", data, len(content), memoryview(content)),
    )
    starts = elffacts.numbers([_CODE])
    return assemble(Program("aarch64", pieces, starts, slots_of([]), [], whole=True), decode)


def _kinds(image: Assembled) -> list[tuple[int, str, int]]:
    slots = image.slots
    return [
        ((at - _CODE) // 4, Kind(kind).name, target)
        for at, kind, target in zip(
            slots.at.tolist(), slots.kind.tolist(), slots.target.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("decode", [aarch64.decode, capstone_aarch64.decode])
@pytest.mark.parametrize(
    ("words", "uses"),
    [
        ([_ADRP[1], _ADD, _RET], {1: "TAKEN"}),
        ([_ADRP[1], _NOP, _LOAD, _RET], {2: "ACCESS"}),
        ([_ADRP[1], _MOVE, _LOAD_MOVED, _RET], {2: "ACCESS"}),
        ([_ADRP[1], _SPILL, _CALL, _FILL, _LOAD_FILLED, _RET], {4: "ACCESS"}),
        ([_ADRP[1], _LOAD, _LOAD, _BACK, _RET], {1: "ACCESS", 2: "ACCESS"}),
    ],
)
def test_partners(words: list[int], uses: dict[int, str], decode: Decode) -> None:
    target = _DATA + 16
    found = _kinds(_image(words, decode=decode))
    assert found[0] == (0, found[1][1], target)
    assert {index: kind for index, kind, _target in found[1:]} == uses
    assert {each for _index, _kind, each in found} == {target}


@pytest.mark.parametrize("decode", [aarch64.decode, capstone_aarch64.decode])
@pytest.mark.parametrize(
    "words",
    [
        [_ADRP[1], _RET],  # no use at all
        [_ADRP[1], _STORE, _RET],
        [_ADRP[1], _CALL, _LOAD, _RET],  # another value after the call
        [0xB5000041, _ADRP[1], _LOAD, _RET],  # cbnz over it: the caller's value may come, too
        [_ADRP[1], 0x910003E0, _LOAD, _RET],  # mov x0, sp
    ],
)
def test_no_partners(words: list[int], decode: Decode) -> None:
    found = _kinds(_image(words, decode=decode))
    assert [kind for _index, kind, _target in found] == ["PAGE"]
    assert found[0][2] == _DATA


def test_pages_that_differ_are_no_reference() -> None:
    found = _kinds(_image([0xB5000061, _ADRP[1], 0x14000002, _ADRP[2], _LOAD, _RET]))
    assert [(index, kind) for index, kind, _target in found] == [(1, "PAGE"), (3, "PAGE")]


def _judged(one: Assembled, other: Assembled, moved: int) -> proof.Finding:
    size = one.program.pieces[0].size
    extents = [Extent(_CODE, _CODE, size), Extent(_DATA, _DATA + moved, 64)]
    return proof.check(one, other, extents)


def test_a_page_holds_where_it_moved_whole() -> None:
    one = _image([_ADRP[1], _RET])
    assert _judged(one, _image([_ADRP[2], _RET], _DATA + 0x1000), 0x1000).total
    found = _judged(one, _image([_ADRP[1], _RET], _DATA + 0x10), 0x10)
    assert any("did not move as one" in fault for fault in found.faults)
    assert not _judged(one, _image([_ADRP[2], _RET]), 0).total


def test_a_place_in_a_page_is_what_moves() -> None:
    one = _image([_ADRP[1], _LOAD, _RET])
    later = 0xF9401001  # ldr x1, [x0, #32]
    assert _judged(one, _image([_ADRP[1], later, _RET], _DATA + 16), 16).total
    for words in ([_ADRP[1], _LOAD, _RET], [_ADRP[2], later, _RET], [_ADRP[1], later + 1, _RET]):
        assert not _judged(one, _image(words, _DATA + 16), 16).total


def test_what_is_never_decided() -> None:
    for words in (
        [*_JUMP],  # a computed jump without a table
        [0x58000040, _RET, 1, 0],  # ldr x0, of words behind the code
        [_ADRP[0], 0xF9400400, _RET],  # code is read
        [0x10000040, _RET, _NOP, _RET],  # adr of the middle of a function
    ):
        assert _image(words).doubts, words
