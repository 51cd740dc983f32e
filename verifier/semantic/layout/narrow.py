"""32-bit x86 code, whose references are absolute addresses: words that the loader rebases.

Each must be one number of one instruction, which tells what kind of reference it is. Code that
learns where it runs could add a distance that no relocation names, and is not decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.program import Ints, Kind, slots_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.semantic.layout.islands import Island
    from verifier.semantic.layout.program import Piece, Program
    from verifier.semantic.layout.x86 import Code

_POPS = range(0x58, 0x60)  # pop of a register
_RETURN = 0xC3
_MARK = bytes.fromhex("f30f1efb")  # endbr32


def classified(
    program: Program, pieces: Iterable[tuple[Piece, Code]], data: list[Island]
) -> tuple[Ints, list[str]]:
    """The slots of a program with the kinds that its code gives them, and doubts.

    Args:
        program: a 32-bit x86 image whose loader rebases words in place.
        pieces: its sections of code, decoded.
        data: what of them is no code.
    """
    table, doubts = program.slots.table(), []
    for piece, code in pieces:
        mine = program.slots.between(piece.address, piece.end)
        rows = np.arange(mine.start, mine.stop)
        rows = rows[(table[rows, 2] == Kind.POINTER) & ~_inside(table[rows, 0], data)]
        if len(rows) and code.fields is not None:
            kinds = _kinds(code, table[rows, 0])
            kinds[table[rows, 1] != 4] = 0
            if len(wrong := rows[kinds == 0]):
                doubts.append(
                    f"The word at {program.label(int(table[wrong[0], 0]))} is rebased, and is no"
                    " number of an instruction."
                )
            table[rows, 2] = kinds
        if (place := _leaves(program, code)) >= 0:
            doubts.append(f"Code at {program.label(place)} runs on in data.")
        if (place := _learns(program, code)) >= 0:
            doubts.append(
                f"Code at {program.label(place)} learns where it runs, so that it may compute"
                " addresses that no relocation names."
            )
    return slots_of(table).table(), doubts


def _inside(places: Ints, data: Sequence[Island]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = np.zeros(len(places), dtype=np.bool_)
    for island in data:
        found |= (places >= island.start) & (places < island.end)
    return found


def _kinds(code: Code, places: Ints) -> Ints:
    """What each place is to the instruction that it lies in; 0 for nothing."""
    assert code.fields is not None
    homes = np.searchsorted(code.starts, places, side="right") - 1
    starts = code.starts[np.maximum(homes, 0)].tolist()
    found = np.array(code.fields(list(zip(starts, places.tolist(), strict=True))), dtype=np.int64)
    ends = np.append(code.starts[1:], np.iinfo(np.int64).max)[np.maximum(homes, 0)]
    found[(homes < 0) | (places + 4 > ends)] = 0
    return found


def _leaves(program: Program, code: Code) -> int:
    """Where code calls or branches to what is told to be no code: -1 for nowhere."""
    direct = code.rows[np.isin(code.rows[:, 2], (Kind.CALL, Kind.BRANCH))]
    for piece in program.pieces:
        if piece.content and not piece.code:
            inside = (direct[:, 3] >= piece.address) & (direct[:, 3] < piece.end)
            if np.any(inside):
                return int(direct[inside][0, 0])
    return -1


def _learns(program: Program, code: Code) -> int:
    """Where a call only leaves its own address behind: -1 for nowhere.

    It calls the instruction after it, or one that takes the return address: `pop %reg`, or
    `mov (%esp), %reg; ret` as compilers write for position-independent code.
    """
    calls = code.rows[code.rows[:, 2] == Kind.CALL]
    asked: dict[int, bool] = {}
    for at, size, _kind, target, _symbol in calls.tolist():
        if target not in asked:
            asked[target] = _takes(_head(program, target))
        if target == at + size or asked[target]:
            return int(at)
    return -1


def _head(program: Program, address: int) -> bytes:
    """The first four bytes of a function, without the mark of a target of indirect branches."""
    piece = program.piece_at(address)
    if piece is None or piece.data is None:
        return b""
    begin = address - piece.address
    head = bytes(piece.data[begin : begin + 8])
    return head.removeprefix(_MARK)[:4]


def _takes(head: bytes) -> bool:
    """Whether these bytes take the word on top of the stack into a register, and little more."""
    thunk = len(head) == 4 and head[0] == 0x8B and head[1] & 0xC7 == 0x04
    return head[:1] != b"" and (
        head[0] in _POPS or (thunk and head[2] == 0x24 and head[3] == _RETURN)
    )
