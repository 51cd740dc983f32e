"""References that no relocation tells: numbers in programs at fixed addresses that look like one.

For reports alone. A number that is an address by chance is compared as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import x86
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iced_x86 import Instruction

    from verifier.semantic.layout.program import Ints, Program
    from verifier.semantic.layout.x86 import Code

_WORDS_MOST = 1 << 24
_LOWEST = 0x1000  # below it, no program begins
# `mov (%esp), %reg; ret`: how i386 code learns where it runs; bytes after 8b, and the register.
_THUNKS = {0x04: "EAX", 0x0C: "ECX", 0x14: "EDX", 0x1C: "EBX", 0x2C: "EBP", 0x34: "ESI",
           0x3C: "EDI"}  # fmt: skip
_Row = tuple[int, int, int, int, int]


def words(program: Program, known: set[int], size: int) -> list[_Row]:
    """Aligned words of data that are addresses of the image."""
    rows: list[_Row] = []
    for piece in program.pieces:
        if piece.code or piece.data is None or not piece.content or piece.address % size:
            continue
        count = min(len(piece.data) // size, _WORDS_MOST)
        form = "<u8" if size == 8 else "<u4"
        values = np.frombuffer(piece.data, dtype=form, count=count).astype(np.int64)
        for index in np.flatnonzero(_inside(program, values)).tolist():
            at = piece.address + index * size
            value = int(values[index])
            home = program.piece_at(value)
            if program.machine == "arm" and home is not None and home.code:
                value &= ~1  # the lowest bit says Thumb
            if at not in known:
                rows.append((at, size, int(Kind.POINTER), value, 0))
    return rows


def _inside(program: Program, values: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which values are addresses of a piece, or the end of one (`__bss_start`, `__TMC_END__`)."""
    found = np.zeros(len(values), dtype=np.bool_)
    for piece in program.pieces:
        found |= (values >= max(piece.address, _LOWEST)) & (values <= piece.end)
    return found


def decode(
    program: Program, fixed: bool, data: bytes, base: int, machine: str, atoms: Sequence[int]
) -> Code:
    """As `x86.decode`, with numbers of instructions that are addresses of the image as slots.

    Args:
        program: the image.
        fixed: whether it runs where it says, so that absolute numbers can be addresses.
        data: code.
        base: its address.
        machine: of the decoder.
        atoms: where code is known to begin.
    """
    code = x86.decode(data, base, machine, atoms)
    found: list[_Row] = []
    if fixed:
        found += _absolute(program, code, data, base, machine)
    if machine == "x86":
        found += _Offsets(program, code, data, base).run()
    taken = set(program.slots.at.tolist())
    rows = [row for row in found if row[0] not in taken]
    return code._replace(fixed=tuple(sorted(set(rows)))) if rows else code


def _absolute(program: Program, code: Code, data: bytes, base: int, machine: str) -> Iterator[_Row]:
    """Immediates and displacements without a base that are addresses of the image."""
    from iced_x86 import Decoder, Mnemonic  # noqa: PLC0415 - only where code differs

    bits = {Mnemonic.AND, Mnemonic.OR, Mnemonic.XOR, Mnemonic.TEST}

    places: list[int] = []
    for shift in range(4):
        part = data[shift : shift + (len(data) - shift) // 4 * 4]
        values = np.frombuffer(part, dtype="<u4").astype(np.int64)
        places += (base + shift + 4 * np.flatnonzero(_inside(program, values))).tolist()
    decoder = Decoder(64 if machine == "x86-64" else 32, data, ip=base)
    wanted = np.array(sorted(places), dtype=np.int64)
    homes = np.searchsorted(code.starts, wanted, side="right") - 1
    for at, home in zip(wanted.tolist(), homes.tolist(), strict=True):
        if home < 0:
            continue
        start = int(code.starts[home])
        decoder.position, decoder.ip = start - base, start
        instruction = decoder.decode()
        parts = decoder.get_constant_offsets(instruction)
        inner = at - start
        value = int.from_bytes(data[at - base : at - base + 4], "little")
        relative = instruction.is_ip_rel_memory_operand
        if parts.has_immediate and inner == parts.immediate_offset and parts.immediate_size >= 4:
            if not instruction.near_branch_target and instruction.mnemonic not in bits:
                yield at, parts.immediate_size, int(Kind.TAKEN), value, 0
        elif inner == parts.displacement_offset and parts.displacement_size >= 4 and not relative:
            yield at, 4, int(Kind.ACCESS), value, 0


class _Offsets:
    """i386: which registers and stack slots hold the offset table's address, from code in order."""

    def __init__(self, program: Program, code: Code, data: bytes, base: int) -> None:
        from iced_x86 import Decoder, Mnemonic, OpKind, Register  # noqa: PLC0415 - as above

        self._program, self._data, self._base = program, data, base
        self._decoder = Decoder(32, data, ip=base)
        self._names, self._kinds, self._registers = Mnemonic, OpKind, Register
        homes = [piece.address for piece in program.pieces if piece.name in (".got", ".got.plt")]
        self.table = max(homes, default=0)
        self._thunks = _thunks(program)
        self._starts = set(program.starts.tolist())
        self._real = set(code.starts.tolist())
        self._held: set[object] = set()
        self._done: set[int] = set()  # jump tables
        self._ever: set[object] = set()  # registers that held it anywhere in the function
        self.rows: list[_Row] = []

    def run(self) -> list[_Row]:
        """Slots of all numbers that, added to the table's address, are one of the image."""
        learnt = 0  # where the last thunk returned to
        if not self.table:
            return []
        for instruction in self._decoder:
            at = instruction.ip
            if at in self._starts:
                self._held = {int(self._registers.EBX)}
                self._ever.clear()
                learnt = 0
            if instruction.near_branch_target in self._thunks:
                learnt = instruction.next_ip
            elif learnt and instruction.mnemonic == self._names.ADD:
                if self._adds(instruction, self.table - learnt):
                    place = at + instruction.len - 4
                    self.rows.append((place, 4, int(Kind.TAKEN), self.table, 0))
                    self._held.add(int(instruction.op0_register))
                    self._ever.add(int(instruction.op0_register))
                    learnt = 0
            elif self._relative(instruction):
                self._use(instruction)
            self._move(instruction)
        return self.rows

    def _adds(self, instruction: Instruction, distance: int) -> bool:
        """Whether an instruction adds this number of four bytes to a register."""
        size = self._decoder.get_constant_offsets(instruction).immediate_size
        register = instruction.op_kind(0) == self._kinds.REGISTER
        return register and size == 4 and _signed(instruction.immediate(1)) == distance

    def _relative(self, instruction: Instruction) -> bool:
        """Whether an operand is a number beside the table's address, which may come by a jump."""
        below = _signed(instruction.memory_displacement) < 0
        registers = [instruction.memory_base]
        if instruction.memory_index_scale == 1:
            registers.append(instruction.memory_index)
        return any(each in self._held or (below and each in self._ever) for each in registers)

    def _use(self, instruction: Instruction) -> None:
        """A number beside a register that holds the table's address."""
        parts = self._decoder.get_constant_offsets(instruction)
        value = (self.table + _signed(instruction.memory_displacement)) & 0xFFFFFFFF
        home = self._program.piece_at(value)
        load = instruction.mnemonic in (self._names.MOV, self._names.PUSH)
        near = home is not None and home.made and load and value % 4 == 0
        wide = parts.displacement_size == 4 and home is not None
        if wide or (near and parts.displacement_size):
            taken = instruction.mnemonic == self._names.LEA
            kind = Kind.TAKEN if taken else Kind.ACCESS
            place = instruction.ip + parts.displacement_offset
            self.rows.append((place, parts.displacement_size, int(kind), value, 0))
            if instruction.memory_index:
                self._jumps(value)

    def _jumps(self, table: int) -> None:
        """Distances from the offset table to code, where a jump table of them stands."""
        piece = self._program.piece_at(table)
        if piece is None or piece.code or piece.data is None or table % 4 or table in self._done:
            return
        self._done.add(table)
        for at in range(table - piece.address, piece.size - 3, 4):
            word = int.from_bytes(piece.data[at : at + 4], "little")
            target = (self.table + word) & 0xFFFFFFFF
            if not self._base <= target < self._base + len(self._data):
                return
            if target not in self._real:
                return
            self.rows.append((piece.address + at, 4, int(Kind.TABLE), target, 0))

    def _move(self, instruction: Instruction) -> None:
        """Follow copies of the address; what is overwritten no longer holds it."""
        if instruction.mnemonic != self._names.MOV:
            return
        kept = self._place(instruction, 1) in self._held
        where = self._place(instruction, 0)
        if kept and where is not None:
            self._held.add(where)
            self._ever.add(where)
        elif where != int(self._registers.EBX):
            self._held.discard(where)

    def _place(self, instruction: Instruction, index: int) -> object:
        """A register, or a place on the stack."""
        kind = instruction.op_kind(index)
        if kind == self._kinds.REGISTER:
            return int(instruction.op_register(index))
        stack = instruction.memory_base in (self._registers.ESP, self._registers.EBP)
        if kind == self._kinds.MEMORY and stack:
            return "stack", int(instruction.memory_base), int(instruction.memory_displacement)
        return None


def _thunks(program: Program) -> set[int]:
    """Addresses of `__x86.get_pc_thunk.*`, by what they do."""
    found = set()
    for piece in program.pieces:
        if piece.code and piece.data is not None:
            raw = bytes(piece.data)
            at = raw.find(b"\x8b")
            while at >= 0:
                if raw[at + 2 : at + 4] == b"\x24\xc3" and raw[at + 1] in _THUNKS:
                    found.add(piece.address + at)
                at = raw.find(b"\x8b", at + 1)
    return found


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
