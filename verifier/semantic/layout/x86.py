"""x86 and x86-64 code: instruction starts, flow, and references outside their own atom.

Decoded by iced-x86; `recheck` decodes by capstone, so that neither is trusted alone.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.semantic.layout.program import VECTORS, Ints, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iced_x86 import Formatter, Instruction


class Flow:
    """What can run after an instruction."""

    NEXT, ENDS, CALLS, BRANCHES, JUMPS_FAR, PADS = range(6)


class Code(NamedTuple):
    """Decoded code. `rows` are slots as (at, size, kind, target, symbol 0)."""

    starts: Ints
    flows: Ints
    rows: list[tuple[int, int, int, int, int]]
    bad: list[int]  # addresses of bytes that are no instruction
    indirect: list[int]  # addresses of jumps through a register or memory


def decode(data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """Decode `data` at address `base`; begins anew at each of the sorted addresses `atoms`."""
    bits = 64 if machine == "x86-64" else 32
    sweep = _Sweep()
    sweep.all(data, base, bits)
    starts = sweep.found()
    lost = [at for at in atoms if base <= at < base + len(data)]
    places = np.searchsorted(starts.starts, lost)
    missing = [
        at
        for at, place in zip(lost, places, strict=True)
        if place >= len(starts.starts) or starts.starts[place] != at
    ]
    return _anew(data, base, bits, lost) if missing else starts


def _anew(data: bytes, base: int, bits: int, atoms: list[int]) -> Code:
    """Decode atom by atom: the straight sweep lost step with where they begin."""
    sweep = _Sweep()
    cuts = sorted({base, *atoms, base + len(data)})
    for start, end in itertools.pairwise(cuts):
        sweep.all(data[start - base : end - base], start, bits)
    return sweep.found()


class Remembering:
    """`decode` that reads only those atoms again which differ from the image before.

    Every atom is decoded alone, or as if it were: what one holds says nothing of another.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, int], tuple[bytes, list[int], Code]] = {}

    def __call__(self, data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
        """As `decode`."""
        key = base, machine, len(data)
        inside = [at for at in atoms if base <= at < base + len(data)]
        before = self._known.get(key)
        if before is None or before[1] != inside:
            code = decode(data, base, machine, atoms)
        else:
            code = _again(data, base, machine, before)
        self._known[key] = data, inside, code
        return code._replace(flows=code.flows.copy(), bad=list(code.bad))


def _again(data: bytes, base: int, machine: str, before: tuple[bytes, list[int], Code]) -> Code:
    """The code of `data`, whose atoms begin where those of an image known before do."""
    known, atoms, code = before
    if data == known:
        return code
    pair = [np.frombuffer(each, dtype=np.uint8) for each in (data, known)]
    cuts = np.array(sorted({base, *atoms, base + len(data)}), dtype=np.int64)
    where = np.searchsorted(cuts, np.flatnonzero(pair[0] != pair[1]) + base, side="right") - 1
    sweep = _Sweep()
    spoilt = np.zeros(len(cuts), dtype=np.bool_)
    spoilt[where] = True
    for index in np.flatnonzero(spoilt).tolist():
        start, end = int(cuts[index]), int(cuts[index + 1])
        sweep.all(data[start - base : end - base], start, 64 if machine == "x86-64" else 32)
    new = sweep.found()

    def kept(places: Ints | list[int]) -> list[bool]:
        rows = np.asarray(places, dtype=np.int64)
        result: list[bool] = (~spoilt[np.searchsorted(cuts, rows, side="right") - 1]).tolist()
        return result

    old = np.array(kept(code.starts), dtype=np.bool_)
    starts = np.concatenate([code.starts[old], new.starts])
    order = np.argsort(starts, kind="stable")
    rows = kept([row[0] for row in code.rows])
    return Code(
        starts[order],
        np.concatenate([code.flows[old], new.flows])[order],
        sorted([row for row, keep in zip(code.rows, rows, strict=True) if keep] + new.rows),
        sorted([at for at, keep in zip(code.bad, kept(code.bad), strict=True) if keep] + new.bad),
        sorted(
            [at for at, keep in zip(code.indirect, kept(code.indirect), strict=True) if keep]
            + new.indirect
        ),
    )


class _Sweep:
    def __init__(self) -> None:
        self.starts: list[int] = []
        self.flows: list[int] = []
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.bad: list[int] = []
        self.indirect: list[int] = []
        self._known: dict[int, tuple[int, int]] = {}
        self._widths: dict[int, int] = {}

    def found(self) -> Code:
        return Code(
            np.array(self.starts, dtype=np.int64),
            np.array(self.flows, dtype=np.int64),
            self.rows,
            self.bad,
            self.indirect,
        )

    def all(self, data: bytes, base: int, bits: int) -> None:
        """Decode all of `data`."""
        from iced_x86 import Decoder  # noqa: PLC0415 - only where code differs

        decoder = Decoder(bits, data, ip=base)
        for instruction in decoder:
            self.take(instruction, decoder)

    def take(self, instruction: Instruction, decoder: object) -> None:
        at = instruction.ip
        self.starts.append(at)
        code = instruction.code
        known = self._known.get(code)
        if known is None:
            known = self._known[code] = _nature(instruction)
        flow, branch = known
        self.flows.append(flow)
        if branch and (target := instruction.near_branch_target):
            if target >> 62:  # no address of an image: these bytes are data
                self.bad.append(at)
                return
            where = decoder.get_constant_offsets(instruction)  # type: ignore[attr-defined]
            place = at + where.immediate_offset
            self.rows.append((place, where.immediate_size, branch, target, 0))
        elif instruction.is_ip_rel_memory_operand:
            where = decoder.get_constant_offsets(instruction)  # type: ignore[attr-defined]
            kind = Kind.TAKEN if instruction.mnemonic == _lea() else self._width(instruction)
            place = at + where.displacement_offset
            target = instruction.ip_rel_memory_address
            if target >> 62:
                self.bad.append(at)
                return
            self.rows.append((place, where.displacement_size, kind, target, 0))
            if flow == Flow.JUMPS_FAR:
                self.indirect.append(at)
        elif flow == Flow.JUMPS_FAR:
            self.indirect.append(at)
        elif not code:
            self.bad.append(at)

    def _width(self, instruction: Instruction) -> int:
        known = self._widths.get(instruction.code)
        if known is None:
            from iced_x86 import MemorySizeExt  # noqa: PLC0415 - as above

            size = MemorySizeExt.size(instruction.memory_size)
            known = max((each for each in VECTORS if each <= size), default=Kind.ACCESS)
            if known in VECTORS and not wants_alignment(_formatter().format_mnemonic(instruction)):
                known = Kind.ACCESS
            self._widths[instruction.code] = known
        return known


def wants_alignment(name: str) -> bool:
    """Whether an instruction faults where its 16 bytes or more are not aligned (SDM 1, 4.1.1)."""
    if name.startswith("v"):
        return name.startswith(("vmova", "vmovdqa", "vmovnt"))
    return name not in ("movups", "movupd", "movdqu", "lddqu")


@cache
def _formatter() -> Formatter:
    from iced_x86 import Formatter, FormatterSyntax  # noqa: PLC0415 - as above

    return Formatter(FormatterSyntax.INTEL)


def _lea() -> int:
    from iced_x86 import Mnemonic  # noqa: PLC0415 - as above

    return int(Mnemonic.LEA)


def _nature(instruction: Instruction) -> tuple[int, int]:
    """(flow, kind of a direct branch or 0) of all instructions of one opcode."""
    from iced_x86 import FlowControl, Mnemonic  # noqa: PLC0415 - as above

    flow = instruction.flow_control
    direct = {
        FlowControl.UNCONDITIONAL_BRANCH: (Flow.ENDS, Kind.BRANCH),
        FlowControl.CONDITIONAL_BRANCH: (Flow.BRANCHES, Kind.BRANCH),
        FlowControl.CALL: (Flow.CALLS, Kind.CALL),
        FlowControl.XBEGIN_XABORT_XEND: (Flow.BRANCHES, Kind.BRANCH),
    }
    if flow in direct:
        return direct[flow]
    if flow == FlowControl.INDIRECT_BRANCH:
        return Flow.JUMPS_FAR, 0
    if flow == FlowControl.INDIRECT_CALL:
        return Flow.CALLS, 0
    if instruction.mnemonic in (Mnemonic.NOP, Mnemonic.INT3):
        return Flow.PADS, 0
    if flow in (FlowControl.RETURN, FlowControl.EXCEPTION) or instruction.mnemonic == Mnemonic.HLT:
        return Flow.ENDS, 0
    return Flow.NEXT, 0
