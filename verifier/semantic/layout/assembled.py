"""A program with its code decoded: every reference slot that the image has, and where code begins.

`Decode` is the decoder; the matcher and the checker of proofs use different ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from verifier.errors import LimitError
from verifier.semantic.layout import islands, narrow, pages, tables
from verifier.semantic.layout.program import Ints, Kind, Piece, Program, Slots, slots_of, table_of
from verifier.semantic.layout.x86 import Code, Flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

Decode = Callable[[bytes, int, str, Sequence[int]], Code]

_STUB = 16
_PARTS_MOST = 1 << 27  # sections of code times what begins in them or is referred to
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
    tables: list[tuple[int, int]] = field(default_factory=list)  # (address, length), never cut
    _order: list[Piece] = field(default_factory=list)
    _addresses: list[int] = field(default_factory=list)
    _begins: list[int] = field(default_factory=list)

    def piece_at(self, address: int) -> Piece | None:
        """The piece that holds an address, quickly."""
        if not self._order:
            self._order = list(self.program.pieces)
            self._addresses = [each.address for each in self._order]
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        piece = self._order[index]
        return piece if address < piece.address + piece.size else None

    def atom(self, address: int) -> int:
        """Where the code atom that holds `address` begins; -1 before the first."""
        if len(self._begins) != len(self.starts):
            self._begins = self.starts.tolist()
        index = bisect_right(self._begins, address) - 1
        return self._begins[index] if index >= 0 else -1


def assemble(program: Program, decode: Decode) -> Assembled:
    """Decode all code of a program, by its own reader where it has one: nothing of it is proven."""
    decode = program.reader or decode
    codes: list[Code] = []
    read: list[Piece] = []
    data: list[islands.Island] = []
    doubts = list(program.doubts)
    code_pieces = [each for each in program.pieces if each.code and each.content]
    if not program.whole:
        code_pieces = []  # what begins where is not known
    if len(code_pieces) * (len(program.starts) + len(program.slots)) > _PARTS_MOST:
        raise LimitError(f"Its code lies in {len(code_pieces)} sections, with too many functions")
    for piece in code_pieces:
        if piece.data is None:
            doubts.append(f"The code of {piece.name} is not in the file.")
            continue
        code, found = _decoded(program, piece, decode, program.starts)
        called = np.unique(code.rows[code.rows[:, 2] == Kind.CALL, 3])
        called = called[(called >= piece.address) & (called < piece.end)]
        lost = np.setdiff1d(called, _real(called, code.starts))
        if len(lost):  # padding led the decoder astray; begin anew at what is called
            starts = np.union1d(program.starts, lost)
            code, found = _decoded(program, piece, decode, starts)
        codes.append(pages.resolve(program, piece, code))
        read.append(piece)
        data += found
    instructions = _joined([code.starts for code in codes])
    flows = _joined([code.flows for code in codes])
    rows = np.concatenate([table_of([]), *(code.rows for code in codes)])
    starts = _starts(program, rows, instructions, flows, code_pieces)
    starts = np.union1d(starts, np.array([each.start for each in data], dtype=np.int64))
    made = [row for code in codes for row in code.fixed]
    made += [row for piece in code_pieces for row in _stubs(program, piece)]
    known = program.slots.table()
    if program.machine == "x86" and program.relative:
        known, unclear = narrow.classified(program, zip(read, codes, strict=True), data)
        doubts += unclear
    parts = [known, rows[_outer(rows, starts, code_pieces)], table_of(made)]
    known = np.concatenate(parts)
    words = [row for piece in program.pieces for row in _made(program, piece, known)]
    rows = np.concatenate([known, table_of(words)])
    indirect = [at for code in codes for at in code.indirect]
    image = Assembled(program, starts, instructions, flows, slots_of(rows), {}, doubts, indirect)
    image.islands = data
    image.tables = [table for code in codes for table in code.tables]
    image.doubts += [doubt for code in codes for doubt in code.doubts]
    if program.machine != "aarch64" and (words := tables.jump_tables(image)):
        image.slots = slots_of(np.concatenate([image.slots.table(), table_of(words)]))
    _check(image)
    normal = {
        piece.name: code.normal for piece, code in zip(read, codes, strict=True) if code.normal
    }
    image.masked = _masked(image, normal)
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
    if not raw:
        return code
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
    program: Program, rows: Ints, instructions: Ints, flows: Ints, pieces: list[Piece]
) -> Ints:
    """Where atoms begin: known starts, targets of calls, what stands behind a function's end,.

    and what only a jump from another atom reaches (stubs of imports among them).
    """
    if not len(instructions):
        return program.starts
    called = np.unique(rows[rows[:, 2] == Kind.CALL, 3])
    starts = np.union1d(program.starts, _real(called, instructions))
    ends = {start + size for start, size in program.sizes.items() if size}
    starts = np.union1d(starts, _behind(ends, starts, instructions, flows))
    fresh = _fresh(flows)
    stubs = instructions[fresh & (flows == Flow.JUMPS_FAR)]
    jumps = rows[rows[:, 2] == Kind.BRANCH]
    reached = np.unique(jumps[_outer(jumps, starts, pieces), 3])
    beyond = np.intersect1d(_real(reached, instructions), instructions[fresh])
    starts = np.union1d(np.union1d(starts, beyond), stubs)
    for piece in pieces:
        if piece.whole:
            starts = starts[(starts <= piece.address) | (starts >= piece.end)]
    return starts


def _fresh(flows: Ints) -> NDArray[np.bool_]:
    """Whether nothing runs on into each instruction: one that lets nothing do so stands before it.

    Padding runs on: what stands before that decides. A call returns, for all that is known.
    """
    places = np.where(flows != Flow.PADS, np.arange(len(flows)), -1)
    last = np.concatenate([[-1], np.maximum.accumulate(places)[:-1]])
    found: NDArray[np.bool_] = (last < 0) | np.isin(flows[last], (Flow.ENDS, Flow.JUMPS_FAR))
    return found


def _real(wanted: Ints, instructions: Ints) -> Ints:
    """Those of the addresses at which an instruction begins."""
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


def _outer(rows: Ints, starts: Ints, pieces: list[Piece]) -> NDArray[np.bool_]:
    """Whether each row refers to something outside of its own atom.

    The last atom of a section ends with it, though none begins behind: data there is no part of it.
    """
    if not len(rows) or not len(starts):
        return np.ones(len(rows), dtype=np.bool_)
    edges = [edge for piece in pieces for edge in (piece.address, piece.end)]
    cuts = np.union1d(starts, np.array(edges, dtype=np.int64))
    one = np.searchsorted(cuts, rows[:, 0], side="right")
    other = np.searchsorted(cuts, rows[:, 3], side="right")
    before = rows[:, 0] < starts[0]
    outside: NDArray[np.bool_] = (one != other) | before
    return outside


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


def _made(program: Program, piece: Piece, rows: Ints) -> list[_Row]:
    """Words of the offset table that the linker filled with the address of a section."""
    if not piece.made or piece.code or piece.data is None:
        return []
    places = rows[:, 0]
    known = set(places[(places >= piece.address) & (places < piece.end)].tolist())
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


def _masked(image: Assembled, normal: dict[str, bytes]) -> dict[str, bytes]:
    """Contents of all mapped pieces, with zeros where references stand."""
    result = {}
    for piece in image.program.pieces:
        if not piece.content or piece.data is None:
            continue
        raw = np.frombuffer(piece.data, dtype=np.uint8).copy()
        mine = image.slots.between(piece.address, piece.end)
        bits = normal.get(piece.name)
        fields = np.frombuffer(bits, dtype=np.uint8) if bits else None
        at, size = image.slots.at[mine] - piece.address, image.slots.size[mine]
        for step in range(8):
            places = at[size > step] + step
            places = places[places < len(raw)]
            raw[places] = fields[places] if fields is not None else 0
        result[piece.name] = raw.tobytes()
    return result
