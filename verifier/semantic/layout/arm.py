"""ARM and Thumb code of 32 bits, for reports alone: flow, calls, and words between functions.

Arm Architecture Reference Manual for A-profile, F (AArch32); AAELF32, mapping symbols.
Addresses stand in words after the code that reads them, or in two halves (movw, movt).
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.program import Kind, table_of
from verifier.semantic.layout.x86 import Code, Flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.semantic.layout.program import Piece, Program

_LITERAL = re.compile(r"^(\w+), \[pc(?:, #(-?(?:0x)?[0-9a-f]+))?\]$")
_INDEXED = re.compile(r"^\w+, \[pc, (\w+)\]$")
_HALF = re.compile(r"^(\w+), #(0x[0-9a-f]+|\d+)$")
_BRANCH = re.compile(r"(?:^|, )#(0x[0-9a-f]+|\d+)$")
_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_IDLE = {("mov", "r0, r0"), ("movs", "r0, r0"), ("mov", "r8, r8")}
_LOWEST = 0x1000
Mode = tuple[int, str]
_Row = tuple[int, int, int, int, int]


def modes(program: Program, told: list[Mode], entry: int) -> list[Mode]:
    """Where ARM code (a), Thumb code (t) and data (d) begin, sorted; one for each code section.

    Args:
        program: the image.
        told: mapping symbols; `A` and `T` where a function begins.
        entry: where the program begins, odd in Thumb code.
    """
    exact = [each for each in told if each[1].islower()]
    hints = [each for each in told if each[1].isupper()]
    found = {at: mode for at, mode in hints if not exact}
    found = {at: mode.lower() for at, mode in found.items()} | dict(exact)
    for piece in program.pieces:
        if piece.code and piece.content and piece.address not in found:
            mine = [mode for at, mode in hints if piece.address <= at < piece.end]
            thumb = mine.count("T") > mine.count("A") or (not mine and entry & 1)
            found[piece.address] = "t" if thumb and not piece.made else "a"
    return sorted(found.items())


def spans(known: Sequence[Mode], start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """(start, end, mode) of the stretches of one mode in a range."""
    at = start
    index = bisect_right(known, (start, "z")) - 1
    while at < end:
        stop = known[index + 1][0] if index + 1 < len(known) else end
        stop = min(max(stop, at), end)
        if stop > at:
            yield at, stop, known[index][1] if index >= 0 else "a"
        at, index = stop, index + 1


def instructions(
    known: Sequence[Mode], raw: bytes, start: int
) -> Iterator[tuple[int, int, str, str]]:
    """(address, size, mnemonic, operands) of all of `raw`; words of data as `.word`."""
    import capstone  # type: ignore[import-untyped]  # noqa: PLC0415 - only for what differs

    engines = {}
    for mode, flag in (("a", capstone.CS_MODE_ARM), ("t", capstone.CS_MODE_THUMB)):
        engines[mode] = capstone.Cs(capstone.CS_ARCH_ARM, flag)
    for first, last, mode in spans(known, start, start + len(raw)):
        if mode == "d":
            for at in range(first, last, 4):
                word = raw[at - start : min(at + 4, last) - start]
                yield at, len(word), ".word", f"0x{int.from_bytes(word, 'little'):x}"
            continue
        at, step = first, 2 if mode == "t" else 4
        while at < last:
            done = at
            for each in engines[mode].disasm_lite(raw[at - start : last - start], at):
                yield each
                done = each[0] + each[1]
            if done < last:
                size = min(step, last - done)
                bad = int.from_bytes(raw[done - start : done - start + size], "little")
                yield done, size, ".inst", f"0x{bad:x}"
                done += size
            at = done


def decode(
    program: Program,
    fixed: bool,
    data: bytes,
    base: int,
    _machine: str,
    atoms: Sequence[int],
) -> Code:
    """The code of a section.

    Args:
        program: the image; its `modes` tell code and data apart.
        fixed: whether absolute numbers can be addresses.
        data: code.
        base: its address.
        atoms: where code is known to begin.
    """
    sweep = _Sweep(program, fixed, data, base, set(atoms))
    for each in instructions(program.modes, data, base):
        sweep.take(*each)
    home = program.piece_at(base)
    if home is not None and home.made:
        sweep.stubs(home)
    rows = [row for row in sweep.words if row[0] not in sweep.relocated]
    return Code(
        np.array(sweep.starts, dtype=np.int64),
        np.array(sweep.flows, dtype=np.int64),
        table_of(sweep.rows),
        [],
        sweep.indirect,
        bytes(sweep.normal),
        fixed=tuple(rows),
    )


def guess(program: Program) -> None:
    """Set the program's modes where no symbol tells code and data apart.

    What Thumb code calls by `blx` is ARM code, and the reverse; what code reads beside itself is
    data, and stands behind it.
    """
    code = [each for each in program.pieces if each.code and each.data is not None]
    for piece in code:
        raw = bytes(piece.data or b"")
        found = dict(program.modes)
        for at, _size, name, operands in instructions(program.modes, raw, piece.address):
            hit = _BRANCH.search(operands) if name == "blx" else None
            target = int(hit[1], 0) if hit else -1
            home = program.piece_at(target)
            if home is None or not home.code or home.made or target not in program.sizes:
                continue
            here = next(spans(program.modes, at, at + 1))[2]
            found[target] = "a" if here == "t" else "t"
            after = int(np.searchsorted(program.starts, target, side="right"))
            if after < len(program.starts):
                found.setdefault(int(program.starts[after]), here)
        program.modes = sorted(found.items())
    for piece in code:
        program.modes = _with_literals(program.modes, bytes(piece.data or b""), piece.address)


def _with_literals(known: list[Mode], data: bytes, base: int) -> list[Mode]:
    """Modes with the words of one section that code reads as data."""
    import capstone  # noqa: PLC0415 - as above

    engines = {
        mode: capstone.Cs(capstone.CS_ARCH_ARM, flag)
        for mode, flag in (("a", capstone.CS_MODE_ARM), ("t", capstone.CS_MODE_THUMB))
    }
    literals: dict[int, str] = {}
    for start, stop, mode in spans(known, base, base + len(data)):
        at = start
        while at < stop:
            done = at
            for place, size, name, operands in engines[mode].disasm_lite(
                data[at - base : stop - base], at
            ):
                if place in literals:
                    break
                target = _literal(place, size, name, operands, thumb=mode == "t")
                if target is not None and place < target < base + len(data) - 3:
                    literals[target] = mode
                done = place + size
            at = done + 4 if done in literals else max(done, at + (2 if mode == "t" else 4))
    found = dict(known)
    for at, mode in literals.items():
        found[at] = "d"
        if at + 4 not in literals:
            found.setdefault(at + 4, mode)
    return sorted(found.items())


def stubs(piece: Piece) -> Iterator[tuple[int, int]]:
    """(start, address of the offset table's word) of each stub of an imported function.

    Two additions to pc make the address from which `ldr pc, [ip, #n]!` jumps (AAELF32, PLT).
    """
    words = struct.unpack(f"<{piece.size // 4}I", bytes(piece.data or b"")[: piece.size // 4 * 4])
    for index, (one, two, three) in enumerate(zip(words, words[1:], words[2:], strict=False)):
        if one >> 12 == 0xE28FC and two >> 12 == 0xE28CC and three >> 12 == 0xE5BCF:
            at = piece.address + 4 * index
            target = at + 8 + _rotated(one) + _rotated(two) + (three & 0xFFF)
            thumb = index > 0 and words[index - 1] == 0xE7FD4778  # bx pc; b .-2
            yield at - 4 * thumb, target & 0xFFFFFFFF


def _rotated(word: int) -> int:
    """The constant of a data-processing instruction (F1.7.7, A32ExpandImm)."""
    value, turn = word & 0xFF, (word >> 8 & 15) * 2
    return (value >> turn | value << (32 - turn)) & 0xFFFFFFFF


def _literal(at: int, size: int, name: str, operands: str, *, thumb: bool) -> int | None:
    """The address of the word that an instruction loads from beside the code."""
    del size
    if not name.startswith("ldr"):
        return None
    hit = _LITERAL.match(operands)
    if hit is None:
        return None
    pc = (at + 4) & ~3 if thumb else at + 8
    return pc + int(hit[2] or "0", 0)


class _Sweep:
    def __init__(
        self, program: Program, fixed: bool, data: bytes, base: int, atoms: set[int]
    ) -> None:
        self._program, self._fixed, self._data, self._base = program, fixed, data, base
        self._atoms = atoms
        self._loaded: dict[str, tuple[int, int]] = {}  # register: (place of its word, value)
        self._halves: dict[str, tuple[int, int, int]] = {}  # (movw, movt or 0, value)
        self._span: tuple[int, int, str] = (0, 0, "a")
        self.relocated = set(program.slots.at.tolist())
        self.starts: list[int] = []
        self.flows: list[int] = []
        self.rows: list[_Row] = []
        self.words: list[_Row] = []
        self.indirect: list[int] = []
        self.normal = bytearray(data)

    def take(self, at: int, size: int, name: str, operands: str) -> None:
        if at in self._atoms:
            self._loaded.clear()
            self._halves.clear()
        self.starts.append(at)
        flow = _flow(name, operands)
        if flow == Flow.JUMPS_FAR:
            self.indirect.append(at)
        self.flows.append(flow)
        if name == ".word":
            value = int(operands, 16)
            if self._fixed and size == 4:
                self._word(at, value)
            return
        if flow in (Flow.CALLS, Flow.ENDS, Flow.BRANCHES) and (hit := _BRANCH.search(operands)):
            if name[0] in "bc":
                kind = Kind.CALL if flow == Flow.CALLS else Kind.BRANCH
                self.rows.append((at, size, int(kind), int(hit[1], 0), 0))
                self._mask(at, size)
            return
        self._address(at, size, name, operands)

    def stubs(self, piece: Piece) -> None:
        """Slots for the stubs of imported functions, whose three numbers are one address."""
        for start, target in stubs(piece):
            at = start + 4 * (self._data[start - self._base] == 0x78)
            inner = at - self._base
            words = struct.unpack_from("<III", self._data, inner)
            struct.pack_into("<III", self.normal, inner, *(word & 0xFFFFF000 for word in words))
            self.words.append((at + 8, 4, int(Kind.ACCESS), target, 0))

    def _thumb(self, at: int) -> bool:
        if not self._span[0] <= at < self._span[1]:
            self._span = next(spans(self._program.modes, at, self._base + len(self._data)))
        return self._span[2] == "t"

    def _address(self, at: int, size: int, name: str, operands: str) -> None:
        """Follow words beside the code, and halves of addresses, to where they are used."""
        pc = at + (4 if self._thumb(at) else 8)
        if name.startswith("ldr") and (hit := _LITERAL.match(operands)):
            place = (pc & ~3) + int(hit[2] or "0", 0)
            inner = place - self._base
            if 0 <= inner <= len(self._data) - 4:
                value = int.from_bytes(self._data[inner : inner + 4], "little")
                self._loaded[hit[1]] = place, value
                self._halves.pop(hit[1], None)
            return
        if name[:4] in ("movw", "movt") and (hit := _HALF.match(operands)):
            self._half(at, name[:4], hit[1], name[4:].removesuffix(".w"), int(hit[2], 0))
            return
        parts = operands.split(", ")
        if name.startswith("add") and "pc" in parts[1:]:
            for register in parts:
                self._relative(register, pc)
        elif hit := _INDEXED.match(operands):
            self._relative(hit[1], pc)
        del size

    def _half(self, at: int, name: str, register: str, condition: str, value: int) -> None:
        held = register + condition
        if name == "movw":
            self._halves[held] = at, 0, value
            self._loaded.pop(register, None)
        elif held in self._halves and not self._halves[held][1]:
            first, _none, low = self._halves[held]
            self._halves[held] = first, at, value << 16 | low
            if self._fixed and self._real(value << 16 | low):
                self._both(held, value << 16 | low)

    def _relative(self, register: str, pc: int) -> None:
        """A register's value, added to the program counter, is an address."""
        if register in self._loaded:
            place, value = self._loaded.pop(register)
            self._word(place, (value + pc) & 0xFFFFFFFF)
        elif register in self._halves and self._halves[register][1]:
            self._both(register, (self._halves[register][2] + pc) & 0xFFFFFFFF)

    def _both(self, register: str, target: int) -> None:
        first, second, _value = self._halves.pop(register)
        if self._real(target):
            for at in (first, second):
                self.words.append((at, 4, int(Kind.TAKEN), self._even(target), 0))
                self._mask(at, 4)

    def _word(self, at: int, value: int) -> None:
        if self._real(value):
            inner = at - self._base
            self.normal[inner : inner + 4] = bytes(4)
            self.words.append((at, 4, int(Kind.POINTER), self._even(value), 0))

    def _real(self, value: int) -> bool:
        lowest = _LOWEST if self._fixed else 1
        return value >= lowest and self._program.piece_at(value) is not None

    def _even(self, value: int) -> int:
        piece = self._program.piece_at(value)
        return value & ~1 if piece is not None and piece.code else value

    def _mask(self, at: int, size: int) -> None:
        """Zero the bits of a distance, or of a half, in the code as it is compared."""
        inner = at - self._base
        if size == 2:
            self.normal[inner : inner + 2] = bytes(2)
            return
        if not self._thumb(at):
            word = int.from_bytes(self._data[inner : inner + 4], "little")
            half = word & 0x0FB00000 == 0x03000000
            word &= 0xFFF0F000 if half else 0xFF000000
            self.normal[inner : inner + 4] = word.to_bytes(4, "little")
            return
        first, second = struct.unpack_from("<HH", self._data, inner)
        half = first & 0xFB70 == 0xF240
        masks = (0xFBF0, 0x8F00) if half else (0xF800, 0xC000)
        struct.pack_into("<HH", self.normal, inner, first & masks[0], second & masks[1])


_LEAVES = ("b", "udf", "bkpt", ".word")
_FAR = ("bx", "tbb", "tbh")


def _flow(name: str, operands: str) -> int:
    """What can run after an instruction."""
    plain = name.removesuffix(".w").removesuffix(".n")
    target = operands.startswith("pc,")
    if plain == "nop" or (plain, operands) in _IDLE:
        return Flow.PADS
    if plain in ("bl", "blx") or (plain[:2] == "bl" and plain[2:] in _CONDITIONS):
        return Flow.CALLS
    popped = plain in ("pop", "ldm", "ldmfd") and "pc" in operands
    if plain in _LEAVES or popped or (plain == "bx" and operands == "lr"):
        return Flow.ENDS
    if plain in _FAR or (target and plain[:3] in ("ldr", "mov", "add", "sub")):
        return Flow.JUMPS_FAR
    if plain in ("cbz", "cbnz") or (plain[0] == "b" and plain[1:] in _CONDITIONS):
        return Flow.BRANCHES
    return Flow.NEXT
