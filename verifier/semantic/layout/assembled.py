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
    _begins: list[int] = field(default_factory=list)

    def piece_at(self, address: int) -> Piece | None:
        """The piece that holds an address, quickly."""
        if not self._order:
            self._order = [(each.address, each) for each in self.program.pieces]
        index = bisect_right(self._order, address, key=lambda item: item[0]) - 1
        piece = self._order[index][1] if index >= 0 else None
        return piece if piece is not None and address < piece.end else None

    def atom(self, address: int) -> int:
        """Where the code atom that holds `address` begins; -1 before the first."""
        if len(self._begins) != len(self.starts):
            self._begins = self.starts.tolist()
        index = bisect_right(self._begins, address) - 1
        return self._begins[index] if index >= 0 else -1


def assemble(program: Program, decode: Decode) -> Assembled:
    """Decode all code of a program."""
    codes: list[Code] = []
    data: list[islands.Island] = []
    doubts = list(program.doubts)
    code_pieces = [each for each in program.pieces if each.code and each.content]
    for piece in code_pieces:
        if piece.data is None:
            doubts.append(f"The code of {piece.name} is not in the file.")
            continue
        code, found = _decoded(program, piece, decode, program.starts)
        called = {row[3] for row in code.rows if row[2] == Kind.CALL}
        called = {at for at in called if piece.address <= at < piece.end}
        lost = called - set(_real(called, code.starts).tolist())
        if lost:  # padding led the decoder astray; begin anew at what is called
            starts = np.union1d(program.starts, np.array(sorted(lost), dtype=np.int64))
            code, found = _decoded(program, piece, decode, starts)
        codes.append(code)
        data += found
    instructions = _joined([code.starts for code in codes])
    flows = _joined([code.flows for code in codes])
    rows = [row for code in codes for row in code.rows]
    starts = _starts(program, rows, instructions, flows, code_pieces)
    starts = np.union1d(starts, np.array([each.start for each in data], dtype=np.int64))
    outer = _outer(rows, starts)
    rows = [*_rows(program.slots), *(row for row, out in zip(rows, outer, strict=True) if out)]
    rows += [row for piece in code_pieces for row in _stubs(program, piece)]
    rows += [row for piece in program.pieces for row in _made(program, piece, rows)]
    indirect = [at for code in codes for at in code.indirect]
    image = Assembled(program, starts, instructions, flows, slots_of(rows), {}, doubts, indirect)
    image.islands = data
    if words := tables.jump_tables(image):
        image.slots = slots_of([*_rows(image.slots), *words])
    _check(image)
    image.masked = _masked(image)
    return image


def _decoded(
    program: Program, piece: Piece, decode: Decode, starts: Ints
) -> tuple[Code, list[islands.Island]]:
    """The code of one section, and the data in it."""
    code = decode(bytes(piece.data or b""), piece.address, program.machine, starts.tolist())
    code = _zeros(piece, code, starts)
    found = islands.find(program, piece, code)
    return islands.without(code, found), found


def _zeros(piece: Piece, code: Code, starts: Ints) -> Code:
    """Zeros between the last instruction of an atom and the next atom are padding (gold, lld)."""
    assert piece.data is not None
    raw = bytes(piece.data)
    edges = [at - piece.address for at in starts.tolist() if piece.address < at < piece.end]
    spans: list[tuple[int, int]] = []
    for begin, end in zip([0, *edges], [*edges, len(raw)], strict=True):
        if raw[begin:end].endswith(b"\0"):
            first = begin + len(raw[begin:end].rstrip(b"\0"))
            spans.append((piece.address + first, piece.address + end))
    if not spans:
        return code
    zero = np.zeros(len(code.starts), dtype=np.bool_)
    for first, end in spans:
        one, other = np.searchsorted(code.starts, (first, end))
        zero[one:other] = True
    code.flows[zero] = Flow.PADS
    padding = set(code.starts[zero].tolist())
    return code._replace(bad=[at for at in code.bad if at not in padding])


def _joined(arrays: list[Ints]) -> Ints:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)


def _starts(
    program: Program, rows: list[_Row], instructions: Ints, flows: Ints, pieces: list[Piece]
) -> Ints:
    """Where atoms begin: known starts, targets of calls, what stands behind a function's end,.

    and what only a jump from another atom reaches (stubs of imports among them).
    """
    if not len(instructions):
        return program.starts
    called = {row[3] for row in rows if row[2] == Kind.CALL}
    starts = np.union1d(program.starts, _real(called, instructions))
    ends = {start + size for start, size in program.sizes.items() if size}
    starts = np.union1d(starts, _behind(ends, starts, instructions, flows))
    fresh = np.concatenate([[True], np.isin(flows[:-1], (Flow.ENDS, Flow.JUMPS_FAR, Flow.PADS))])
    stubs = instructions[fresh & (flows == Flow.JUMPS_FAR)]
    jumps = [row for row in rows if row[2] == Kind.BRANCH]
    outside = _outer(jumps, starts)
    reached = {row[3] for row, out in zip(jumps, outside, strict=True) if out}
    beyond = np.intersect1d(_real(reached, instructions), instructions[fresh])
    starts = np.union1d(np.union1d(starts, beyond), stubs)
    for piece in pieces:
        if piece.whole:
            starts = starts[(starts <= piece.address) | (starts >= piece.end)]
    return starts


def _real(addresses: set[int], instructions: Ints) -> Ints:
    """Those of `addresses` at which an instruction begins."""
    wanted = np.array(sorted(addresses), dtype=np.int64)
    if not len(instructions):
        return wanted[:0]
    place = np.minimum(np.searchsorted(instructions, wanted), len(instructions) - 1)
    real: Ints = wanted[instructions[place] == wanted]
    return real


def _behind(ends: set[int], starts: Ints, instructions: Ints, flows: Ints) -> Ints:
    """The first instruction that is no padding after each end, if no known atom begins before."""
    does = instructions[flows != Flow.PADS]
    wanted = np.array(sorted(ends), dtype=np.int64)
    place = np.searchsorted(does, wanted)
    found = does[place[place < len(does)]]
    wanted = wanted[place < len(does)]
    nearest = np.searchsorted(starts, wanted)
    limit = np.append(starts, np.int64(1) << 62)[nearest]
    before: Ints = found[found < limit]
    return before


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


def _stubs(program: Program, piece: Piece) -> list[_Row]:
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
