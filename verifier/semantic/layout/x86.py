"""x86 and x86-64 code: instruction starts, flow, and references outside their own atom.

Decoded by iced-x86; `recheck` decodes by capstone, so that neither is trusted alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.semantic.layout import spliced
from verifier.semantic.layout.program import VECTORS, Ints, Kind

if TYPE_CHECKING:
    from iced_x86 import Decoder, Formatter, Instruction


class Flow:
    """What can run after an instruction."""

    NEXT, ENDS, CALLS, BRANCHES, JUMPS_FAR, PADS = range(6)


class Registers(NamedTuple):
    """What each 4-byte instruction does with registers 0 to 30, by its place in the section.

    `uses` and `defs` are bit sets. `base` is the register that an instruction adds `offset` to,
    for an address or an access (-1 where it does no such thing); `page` the address that it
    sets its register to (-1 likewise).
    """

    uses: Ints
    defs: Ints
    page: Ints
    base: Ints
    offset: Ints
    taken: Ints  # 1 where base and offset make an address, 0 where they access memory


Fields = Callable[[Sequence[tuple[int, int]]], list[int]]
"""For (start, place) of an instruction and of four bytes of it: the kind of reference that they
are as an absolute address, or 0 where they are none of its numbers."""


class Code(NamedTuple):
    """Decoded code. `rows` is a table of slots: at, size, kind, target, symbol (0).

    Where references are bit fields, `normal` is the code with all of them zeroed, and slots hide
    those bits alone; `registers` tells what each instruction does, for addresses in two parts.
    """

    starts: Ints
    flows: Ints
    rows: Ints
    bad: list[int]  # addresses of bytes that are no instruction
    indirect: list[int]  # addresses of jumps through a register or memory
    normal: bytes = b""
    registers: Registers | None = None
    fixed: tuple[tuple[int, int, int, int, int], ...] = ()  # slots even inside their own atom
    doubts: tuple[str, ...] = ()
    tables: tuple[tuple[int, int], ...] = ()  # (address, length) of jump tables without slots
    fields: Fields | None = None  # what absolute numbers of 32-bit code are to their instructions


def decode(data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """Decode `data` at address `base`; begins anew at each of the sorted addresses `atoms`."""
    from iced_x86 import Decoder  # noqa: PLC0415 - only where code differs

    bits = 64 if machine == "x86-64" else 32
    sweep = _Sweep(bits)
    decoder = Decoder(bits, data, ip=base)
    sweep.take(decoder)
    code = refined(sweep.found(), data, base, machine, atoms)
    return code._replace(fields=fields(data, base)) if bits == 32 else code


def refined(code: Code, data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """The code of `data` as if each atom were decoded alone; `code` is that of fewer atoms.

    What lost step with where one begins is read anew.
    """
    inside = [at for at in atoms if base < at < base + len(data)]
    cuts = np.unique(np.array([base, *inside, base + len(data)], dtype=np.int64))
    places = spliced.spoilt(code, cuts)
    return spliced.replaced(code, places, decode_parts(data, base, machine, places))


def decode_parts(data: bytes, base: int, machine: str, parts: Sequence[tuple[int, int]]) -> Code:
    """Decode some stretches (start, end) of the code at `base`, each by itself."""
    from iced_x86 import Decoder  # noqa: PLC0415 - as above

    bits = 64 if machine == "x86-64" else 32
    sweep = _Sweep(bits)
    for start, end in parts:
        sweep.take(Decoder(bits, data[start - base : end - base], ip=start))
    return sweep.found()


class _Nature(NamedTuple):
    """What all instructions of one opcode have in common."""

    flow: int
    branch: int  # the kind of a direct branch, 0 of others, -1 where each must be looked at
    memory: bool  # whether an operand can be memory
    distance: int  # bytes of a branch's distance, which are the last of the instruction


class _Sweep:
    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.starts = array("q")
        self.flows = bytearray()
        self.rows = array("q")
        self.bad: list[int] = []
        self.indirect: list[int] = []
        self._known: dict[int, _Nature] = {}
        self._widths: dict[int, int] = {}
        self._tails: dict[int, int] = {}

    def found(self) -> Code:
        return Code(
            np.array(self.starts, dtype=np.int64),
            np.frombuffer(self.flows, dtype=np.uint8).astype(np.int64),
            np.array(self.rows, dtype=np.int64).reshape(-1, 5),
            self.bad,
            self.indirect,
        )

    def take(self, decoder: Decoder) -> None:
        """All instructions of a decoder. The loop is the cost of a whole comparison."""
        start, flow_of, known = self.starts.append, self.flows.append, self._known
        row, lea = self.rows.extend, _lea()
        for instruction in decoder:
            at, code = instruction.ip, instruction.code
            start(at)
            nature = known.get(code)
            if nature is None:
                nature = known[code] = self._learn(instruction, decoder)
            flow, branch, memory, distance = nature
            if branch < 0:
                flow, branch = Flow.PADS if _idle(instruction) else Flow.NEXT, 0
            flow_of(flow)
            if flow == Flow.JUMPS_FAR:
                self.indirect.append(at)
            if branch:
                target = instruction.near_branch_target
                place, size, kind = at + instruction.len - distance, distance, branch
            elif memory and instruction.is_ip_rel_memory_operand:
                target = instruction.ip_rel_memory_address
                place, size = at + instruction.len - self._tail(instruction, decoder), 4
                kind = Kind.TAKEN if instruction.mnemonic == lea else self._width(instruction)
            else:
                if not code:
                    self.bad.append(at)
                continue
            if target >> 62:  # no address of an image: these bytes are data
                self.bad.append(at)
            else:
                row((place, size, kind, target, 0))

    def _tail(self, instruction: Instruction, decoder: Decoder) -> int:
        """Bytes from a rip-relative distance to the end, of which each opcode has one number."""
        tail = self._tails.get(instruction.code)
        if tail is None:
            place = decoder.get_constant_offsets(instruction).displacement_offset
            tail = self._tails[instruction.code] = instruction.len - place
        return tail

    def _learn(self, instruction: Instruction, decoder: Decoder) -> _Nature:
        """What the first instruction of an opcode tells of all."""
        if not instruction.code:
            return _Nature(Flow.NEXT, 0, False, 0)
        lea = self.bits == 32 and instruction.mnemonic == _lea()
        flow, branch = (Flow.NEXT, -1) if lea else _nature(instruction)
        if branch > 0:
            size = decoder.get_constant_offsets(instruction).immediate_size
            return _Nature(flow, branch if size else 0, False, size)  # syscall is one without
        described = instruction.op_code()
        kinds = {described.op_kind(index) for index in range(described.op_count)}
        return _Nature(flow, branch, bool(kinds & _memory()), 0)

    def _width(self, instruction: Instruction) -> int:
        known = self._widths.get(instruction.code)
        if known is None:
            known = self._widths[instruction.code] = _wide(instruction)
        return known


def _wide(instruction: Instruction) -> int:
    """The kind of an access: to how many bytes at once, if these must be aligned."""
    from iced_x86 import MemorySizeExt  # noqa: PLC0415 - as above

    size = MemorySizeExt.size(instruction.memory_size)
    known = max((each for each in VECTORS if each <= size), default=Kind.ACCESS)
    aligned = known not in VECTORS or wants_alignment(_formatter().format_mnemonic(instruction))
    return int(known if aligned else Kind.ACCESS)


def fields(data: bytes, base: int) -> Fields:
    """What numbers of the 32-bit code `data` at `base` are (`Fields`)."""
    return partial(_fields, data, base)


def _fields(data: bytes, base: int, wanted: Sequence[tuple[int, int]]) -> list[int]:
    from iced_x86 import Decoder, Register  # noqa: PLC0415 - as above

    decoder = Decoder(32, data, ip=base)
    found: list[int] = []
    for start, place in wanted:
        decoder.position, decoder.ip = start - base, start
        instruction = decoder.decode()
        parts = decoder.get_constant_offsets(instruction)
        inner = place - start
        kind = 0
        if inner == parts.immediate_offset and parts.immediate_size == 4:
            kind = 0 if instruction.near_branch_target else int(Kind.TAKEN)
        elif inner == parts.displacement_offset and parts.displacement_size == 4:
            kind = _wide(instruction)
            bare = instruction.memory_base == instruction.memory_index == Register.NONE
            if kind == Kind.ACCESS and not bare:
                kind = int(Kind.INDEXED)
            elif instruction.mnemonic == _lea():
                kind = int(Kind.TAKEN)
        found.append(kind if instruction.code else 0)
    return found


_SCALAR = ("cvtsd", "cvtss", "cvttsd", "cvttss", "cvtsi", "pins", "pmov")


def wants_alignment(name: str) -> bool:
    """Whether an instruction faults where its 16 bytes or more are not aligned (SDM 1, 4.1.1)."""
    if name.startswith("v"):
        return name.startswith(("vmova", "vmovdqa", "vmovnt"))
    if name in ("movups", "movupd", "movdqu", "lddqu"):
        return False
    # One number, though capstone says 16 bytes of some: comisd, ucomiss, cvtsd2si …
    return not name.endswith(("sd", "ss")) and not name.startswith(_SCALAR)


@cache
def _formatter() -> Formatter:
    from iced_x86 import Formatter, FormatterSyntax  # noqa: PLC0415 - as above

    return Formatter(FormatterSyntax.INTEL)


@cache
def _memory() -> frozenset[int]:
    """Kinds of operands that can be memory."""
    from iced_x86 import OpCodeOperandKind  # noqa: PLC0415 - as above

    names = (name for name in dir(OpCodeOperandKind) if "MEM" in name)
    return frozenset(int(getattr(OpCodeOperandKind, name)) for name in names)


@cache
def _lea() -> int:
    from iced_x86 import Mnemonic  # noqa: PLC0415 - as above

    return int(Mnemonic.LEA)


def _idle(instruction: Instruction) -> bool:
    """Whether a 32-bit lea writes a register's own value to it, as assemblers pad."""
    from iced_x86 import Register  # noqa: PLC0415 - as above

    same = instruction.op0_register == instruction.memory_base
    plain = instruction.memory_index == Register.NONE and not instruction.memory_displacement
    wide = Register.EAX <= instruction.op0_register <= Register.EDI
    return bool(same and plain and wide)


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
