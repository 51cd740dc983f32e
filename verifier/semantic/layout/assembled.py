"""A program with its code decoded: every reference slot that the image has, and where code begins.

`Decode` is the decoder; the matcher and the checker of proofs use different ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from verifier.semantic.layout import islands, tables
from verifier.semantic.layout.program import Ints, Kind, Piece, Program, Slots, slots_of
from verifier.semantic.layout.x86 import Code, Flow

Decode = Callable[[bytes, int, str, Sequence[int]], Code]

_STUB = 16
_Row = tuple[int, int, int, int, int]


@dataclass(slots=True)
class Assembled:
    """An image ready to be mapped. `instructions` and `flows` are parallel, by address."""

    program: Program
    starts: Ints  # where code atoms begin
    instructions: Ints
    flows: Ints
    slots: Slots
    masked: dict[str, bytes]  # contents by piece name, with zeros in the slots
    doubts: list[str]
    indirect: list[int] = field(default_factory=list)
    islands: list[islands.Island] = field(default_factory=list)
    _order: list[tuple[int, Piece]] = field(default_factory=list)

    def piece_at(self, address: int) -> Piece | None:
        """The piece that holds an address, quickly."""
        if not self._order:
            self._order = [(each.address, each) for each in self.program.pieces]
        index = bisect_right(self._order, address, key=lambda item: item[0]) - 1
        piece = self._order[index][1] if index >= 0 else None
        return piece if piece is not None and address < piece.end else None

    def atom(self, address: int) -> int:
        """Where the code atom that holds `address` begins; -1 before the first."""
        index = int(np.searchsorted(self.starts, address, side="right")) - 1
        return int(self.starts[index]) if index >= 0 else -1


def assemble(program: Program, decode: Decode) -> Assembled:
    """Decode all code of a program."""
    codes: list[Code] = []
    data: list[islands.Island] = []
    doubts = list(program.doubts)
    atoms = program.starts.tolist()
    code_pieces = [each for each in program.pieces if each.code and each.content]
    for piece in code_pieces:
        if piece.data is None:
            doubts.append(f"The code of {piece.name} is not in the file.")
            continue
        code = decode(bytes(piece.data), piece.address, program.machine, atoms)
        found = islands.find(program, piece, code)
        code = islands.without(code, found)
        zeros = piece.address + len(bytes(piece.data).rstrip(b"\0"))
        code.flows[code.starts >= zeros] = Flow.PADS
        codes.append(code)
        data += found
    instructions = _joined([code.starts for code in codes])
    flows = _joined([code.flows for code in codes])
    rows = [row for code in codes for row in code.rows]
    starts = _starts(program, rows, instructions, code_pieces)
    starts = np.union1d(starts, np.array([each.start for each in data], dtype=np.int64))
    outer = _outer(rows, starts)
    rows = [*_rows(program.slots), *(row for row, out in zip(rows, outer, strict=True) if out)]
    rows += [row for piece in code_pieces for row in _stubs(program, piece, atoms)]
    rows += [row for piece in program.pieces for row in _made(program, piece, rows)]
    indirect = [at for code in codes for at in code.indirect]
    image = Assembled(program, starts, instructions, flows, slots_of(rows), {}, doubts, indirect)
    image.islands = data
    if words := tables.jump_tables(image):
        image.slots = slots_of([*_rows(image.slots), *words])
    _check(image)
    image.masked = _masked(image)
    return image


def _joined(arrays: list[Ints]) -> Ints:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)


def _starts(
    program: Program, rows: list[_Row], instructions: Ints, pieces: list[Piece]
) -> Ints:
    """The known starts and the targets of calls, as far as instructions begin there."""
    called = np.array(
        sorted({row[3] for row in rows if row[2] == Kind.CALL}), dtype=np.int64
    ).reshape(-1)
    if len(called) and len(instructions):
        place = np.minimum(np.searchsorted(instructions, called), len(instructions) - 1)
        called = called[instructions[place] == called]
    whole = [piece for piece in pieces if piece.whole]
    starts = np.union1d(program.starts, called)
    for piece in whole:
        starts = starts[(starts <= piece.address) | (starts >= piece.end)]
    return starts


def _outer(rows: list[_Row], starts: Ints) -> list[bool]:
    """Whether each row refers to something outside of its own atom."""
    if not rows or not len(starts):
        return [True] * len(rows)
    table = np.array([(row[0], row[3]) for row in rows], dtype=np.int64)
    one = np.searchsorted(starts, table[:, 0], side="right")
    other = np.searchsorted(starts, table[:, 1], side="right")
    ends = np.append(starts[1:], np.int64(1) << 62)
    inside = (one == other) & (one > 0)
    inside &= table[:, 1] < ends[np.maximum(one - 1, 0)]
    return [not each for each in inside.tolist()]


def _rows(slots: Slots) -> list[_Row]:
    return list(
        zip(
            *(column.tolist() for column in (slots.at, slots.size, slots.kind, slots.target)),
            slots.symbol.tolist(),
            strict=True,
        )
    )


def _stubs(program: Program, piece: Piece, atoms: Sequence[int]) -> list[_Row]:
    """Lazy stubs push the index of their relocation: `push $n; jmp` (psABI x86-64, PLT)."""
    if not piece.made or piece.data is None or program.machine != "x86-64":
        return []
    rows = []
    jumps = program.jumps
    for at in range(0, piece.size - _STUB + 1, _STUB):
        raw = bytes(piece.data[at : at + _STUB])
        place = next((where for where in (0, 4, 6) if raw[where] == 0x68), -1)
        if place < 0 or (place == 4 and raw[:4] != b"\xf3\x0f\x1e\xfa"):
            continue
        if place == 6 and raw[:2] != b"\xff\x25":
            continue
        index = int.from_bytes(raw[place + 1 : place + 5], "little")
        if index < len(jumps):
            rows.append((piece.address + at + place + 1, 4, int(Kind.MADE), jumps[index], 0))
    return rows


def _made(program: Program, piece: Piece, rows: list[_Row]) -> list[_Row]:
    """Words of the offset table that the linker filled with the address of a section."""
    if not piece.made or piece.code or piece.data is None:
        return []
    known = {row[0] for row in rows if piece.address <= row[0] < piece.end}
    homes = {each.address for each in program.pieces}
    found = []
    for at in range(0, piece.size - 7, 8):
        value = int.from_bytes(piece.data[at : at + 8], "little")
        if value and value in homes and piece.address + at not in known:
            found.append((piece.address + at, 8, int(Kind.MADE), value, 0))
    return found


def _check(image: Assembled) -> None:
    slots = image.slots
    ends = slots.at + slots.size
    if np.any(ends[:-1] > slots.at[1:]):
        place = int(slots.at[:-1][ends[:-1] > slots.at[1:]][0])
        image.doubts.append(f"Two references overlap at {place:#x}.")


def _masked(image: Assembled) -> dict[str, bytes]:
    """Contents of all mapped pieces, with zeros where references stand."""
    result = {}
    for piece in image.program.pieces:
        if not piece.content or piece.data is None:
            continue
        raw = np.frombuffer(piece.data, dtype=np.uint8).copy()
        mine = image.slots.between(piece.address, piece.end)
        at, size = image.slots.at[mine] - piece.address, image.slots.size[mine]
        for step in range(8):
            places = at[size > step] + step
            raw[places[places < len(raw)]] = 0
        result[piece.name] = raw.tobytes()
    return result
