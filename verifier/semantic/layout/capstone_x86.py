"""x86 code once more, by capstone: for checking a saved map with another decoder than made it.

Places of operands are found in the bytes themselves: a branch's distance stands at the end of
its instruction, a rip-relative one before the immediate, if there is any.
"""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from verifier.semantic.layout.program import Kind, table_of
from verifier.semantic.layout.x86 import Code, Flow, wants_alignment

if TYPE_CHECKING:
    from collections.abc import Sequence

_RIP = re.compile(r"\[(?:[c-gs]s:)?rip(?: ([+-]) (0x[0-9a-f]+|\d+))?\]")
_IDLE = re.compile(r"^(e[a-ds][xpi]), (?:[c-gs]s:)?(?:dword ptr )?\[\1\]$")
_EIP = re.compile(r"\beip\b")
_LONGEST = 15  # bytes of an instruction
_WIDTHS = (("xmmword", Kind.WIDE_16), ("ymmword", Kind.WIDE_32), ("zmmword", Kind.WIDE_64))
_PREFIXES = ("bnd ", "notrack ", "rep ", "repne ", "repz ", "repnz ", "lock ")
_ENDS = {"ret", "retf", "iretq", "iretd", "iret", "hlt", "ud0", "ud1", "ud2", "sysret", "sysexit",
         "sysretq", "sysexitq", "retfq"}  # fmt: skip


def decode(data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """As `x86.decode`."""
    import capstone  # type: ignore[import-untyped]  # noqa: PLC0415 - only for checking

    mode = capstone.CS_MODE_64 if machine == "x86-64" else capstone.CS_MODE_32
    engine = capstone.Cs(capstone.CS_ARCH_X86, mode)
    sweep = _Sweep(data, base)
    cuts = sorted({base, *(at for at in atoms if base < at < base + len(data)), base + len(data)})
    for start, end in itertools.pairwise(cuts):
        at = start
        while at < end:
            done = at
            for place, size, name, operands in engine.disasm_lite(data[at - base : end - base], at):
                sweep.take(place, size, name, operands)
                done = place + size
            if done < end:  # no instruction begins here
                sweep.starts.append(done)
                sweep.flows.append(Flow.NEXT)
                sweep.bad.append(done)
                done += 1
            at = done
    return Code(
        np.array(sweep.starts, dtype=np.int64),
        np.array(sweep.flows, dtype=np.int64),
        table_of(sweep.rows),
        sweep.bad,
        sweep.indirect,
        fields=partial(_fields, data, base) if machine == "x86" else None,
    )


def _fields(data: bytes, base: int, wanted: Sequence[tuple[int, int]]) -> list[int]:
    """As `x86.fields`: by capstone's own account of where numbers stand."""
    import capstone  # noqa: PLC0415 - as above

    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    engine.detail = True
    found: list[int] = []
    for start, place in wanted:
        raw = data[start - base : start - base + _LONGEST]
        found += [_field(each, place - start) for each in engine.disasm(raw, start, 1)] or [0]
    return found


def _field(instruction: Any, inner: int) -> int:
    """What the four bytes at an offset of one instruction are to it."""
    import capstone  # noqa: PLC0415 - as above

    name = instruction.mnemonic.split()[-1]
    if inner and inner == instruction.imm_offset and instruction.imm_size == 4:
        direct = _nature(name)[1] and instruction.op_str.startswith("0x")
        return 0 if direct else int(Kind.TAKEN)
    if not inner or inner != instruction.disp_offset or instruction.disp_size != 4:
        return 0
    memory = [each.mem for each in instruction.operands if each.type == capstone.x86.X86_OP_MEM]
    bare = all(not each.base and not each.index for each in memory)
    kind = _width(name, instruction.op_str)
    if kind == Kind.ACCESS and not bare:
        return int(Kind.INDEXED)
    return int(Kind.TAKEN if name == "lea" else kind)


class _Sweep:
    def __init__(self, data: bytes, base: int) -> None:
        self._data, self._base = data, base
        self.starts: list[int] = []
        self.flows: list[int] = []
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.bad: list[int] = []
        self.indirect: list[int] = []

    def take(self, at: int, size: int, name: str, operands: str) -> None:
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        flow, branch = _nature(name)
        if name == "lea" and _IDLE.search(operands):
            flow = Flow.PADS
        direct = branch and operands.startswith("0x")
        if name == "jmp" and not direct:
            flow = Flow.JUMPS_FAR
            self.indirect.append(at)
        self.starts.append(at)
        self.flows.append(flow)
        if direct:
            self._branch(at, size, branch, int(operands, 16))
        elif "rip" in operands and (found := _RIP.search(operands)):
            distance = int(found[2] or "0", 0) * (-1 if found[1] == "-" else 1)
            kind = Kind.TAKEN if name == "lea" else _width(name, operands)
            self._access(at, size, kind, distance)
        elif "eip" in operands and _EIP.search(operands):  # no compiler writes it
            self.bad.append(at)

    def _branch(self, at: int, size: int, kind: int, target: int) -> None:
        for width in (4, 1, 2):
            place = at + size - width
            if size > width and self._signed(place, width) + at + size == target:
                self.rows.append((place, width, kind, target, 0))
                return
        self.bad.append(at)

    def _access(self, at: int, size: int, kind: int, distance: int) -> None:
        for immediate in (0, 1, 4, 2):
            place = at + size - immediate - 4
            if place > at and self._signed(place, 4) == distance and self._modrm(place, at):
                self.rows.append((place, 4, kind, at + size + distance, 0))
                return
        self.bad.append(at)

    def _modrm(self, place: int, at: int) -> bool:
        """Whether the byte before the distance says rip-relative (mod 0, r/m 5)."""
        return place - 1 >= at and self._data[place - 1 - self._base] & 0xC7 == 0x05

    def _signed(self, place: int, width: int) -> int:
        raw = self._data[place - self._base : place - self._base + width]
        return int.from_bytes(raw, "little", signed=True)


def _width(name: str, operands: str) -> int:
    """The kind of an access by the words for its size."""
    if not wants_alignment(name):
        return Kind.ACCESS
    return next((kind for word, kind in _WIDTHS if word in operands), Kind.ACCESS)


def _nature(name: str) -> tuple[int, int]:
    if name in ("nop", "int3"):
        return Flow.PADS, 0
    if name == "jmp":
        return Flow.ENDS, Kind.BRANCH
    if name == "call":
        return Flow.CALLS, Kind.CALL
    if name in _ENDS:
        return Flow.ENDS, 0
    if name.startswith(("j", "loop")) or name == "xbegin":
        return Flow.BRANCHES, Kind.BRANCH
    return Flow.NEXT, 0
