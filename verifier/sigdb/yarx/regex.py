"""The code of regular expressions and hex strings, cut into programs.

Source: YARA-X, lib/src/re/thompson/instr.rs and lib/src/re/fast/instr.rs. In code
for the Pike VM a byte stands for itself, 0xAA starts an instruction, 0xAA twice is
the byte 0xAA; jumps are relative, so that a program is the same bytes wherever it
lies. Code for the fast VM has only instructions; atoms lead to its first one.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right

from verifier.errors import ParseError

_PREFIX = 0xAA
_MATCH, _SPLIT_A, _SPLIT_B, _SPLIT_N, _JUMP = range(5)
_CLASS_RANGES = 0x09
_GREEDY, _NOT_GREEDY = 0x10, 0x11
_SIZES = {
    _MATCH: 2, _SPLIT_A: 8, _SPLIT_B: 8, _JUMP: 6, 0x05: 2, 0x06: 4, 0x07: 3, 0x08: 34,
    **dict.fromkeys(range(0x0A, 0x10), 2), _GREEDY: 14, _NOT_GREEDY: 14, 0x12: 2, 0x13: 2,
}  # fmt: skip
_TARGET = {_SPLIT_A: 4, _SPLIT_B: 4, _JUMP: 2, _GREEDY: 2, _NOT_GREEDY: 2}  # where a jump's is
_SHOWN = 60  # bytes of a program


class Code:
    """All programs, one after the other.

    Args:
        code: the bytes of all.
        fast: where programs for the fast VM start; others are for the Pike VM.

    Raises:
        ParseError: an instruction is unknown, or a jump leads out of its program.
    """

    def __init__(self, code: bytes, fast: set[int]) -> None:
        self._code = code
        self._boundaries = bytearray(len(code) + 1)
        self._starts: list[int] = []
        self._texts: dict[int, str] = {}
        self._used: set[int] = set()
        self._left = 4 * len(code)  # bytes that may be read as what they then are not
        at = 0
        while at < len(code):
            self._starts.append(at)
            self._boundaries[at] = 1
            # The compiler leaves code for the fast VM behind where that VM then proves unfit.
            at = self._fast(at) if at in fast else self._pike(at) or self._fast(at)

    def _fast(self, at: int) -> int:
        """The end of a program for the fast VM."""
        code = self._code
        while code[at : at + 1] not in (b"\0", b""):
            length = int.from_bytes(code[at + 1 : at + 3], "little")
            sizes = {1: 3 + length, 2: 3 + 2 * length, 3: 5, 4: 9, 5: 5, 6: 9, 7: 3 + length}
            at += sizes.get(code[at], len(code))
        if at >= len(code):
            raise ParseError("Code of a hex string has an unknown instruction, or no end", at)
        return at + 1

    def _pike(self, start: int) -> int:
        """The end of a program for the Pike VM, 0 if it is none.

        It ends with the first match behind which no jump of its own leads.
        """
        at = furthest = start
        while at < len(self._code):
            self._boundaries[at] = 1
            if self._code[at] != _PREFIX:
                at += 1
                continue
            opcode, size = self._size(at)
            if not size:
                break
            for target in self._targets(at, opcode):
                if target < start:
                    raise ParseError("Code of a regular expression jumps to another one", at)
                furthest = max(furthest, target)
            at += size
            if opcode == _MATCH and furthest < at:
                return at
        self._left -= at - start
        if self._left < 0:
            raise ParseError("Code of a regular expression has no end", start)
        return 0

    def _size(self, at: int) -> tuple[int, int]:
        """Opcode and size of an instruction for the Pike VM, 0 for none."""
        code = self._code
        opcode = code[at + 1] if at + 1 < len(code) else -1
        size = 2 if opcode == _PREFIX else _SIZES.get(opcode, 0)
        if opcode == _CLASS_RANGES and at + 2 < len(code):
            size = 3 + 2 * code[at + 2]
        elif opcode == _SPLIT_N and at + 4 < len(code):
            size = 5 + 4 * code[at + 4]
        return (opcode, size) if at + size <= len(code) else (-1, 0)

    def _targets(self, at: int, opcode: int) -> list[int]:
        """Where an instruction jumps to."""
        if opcode in _TARGET:
            (offset,) = struct.unpack_from("<i", self._code, at + _TARGET[opcode])
            return [at + offset]
        if opcode == _SPLIT_N:
            offsets = struct.unpack_from(f"<{self._code[at + 4]}i", self._code, at + 5)
            return [at + offset for offset in offsets]
        return []

    def find(self, at: int) -> tuple[int, int]:
        """The number of a program and the place in it, which must be an instruction's."""
        if not 0 <= at < len(self._code) or not self._boundaries[at]:
            raise ParseError("An atom leads into the middle of an instruction", at)
        number = bisect_right(self._starts, at) - 1
        self._used.add(number)
        return number, at - self._starts[number]

    def text(self, number: int) -> str:
        """A program, and unused ones right before it; call this once all are found.

        Returns:
            Hexadecimal digits; for a long program its first ones and its digest.
        """
        if number not in self._texts:
            first = number
            while first and first - 1 not in self._used:
                first -= 1
            self._texts[number] = self._shown(first, number + 1)
        return self._texts[number]

    def _shown(self, first: int, end: int) -> str:
        starts = [*self._starts, len(self._code)] if end == len(self._starts) else self._starts
        program = self._code[starts[first] : starts[end]]
        if len(program) <= _SHOWN:
            return program.hex()
        digest = hashlib.sha256(program).hexdigest()
        return f"{program[:_SHOWN].hex()}… {len(program)} bytes, sha256 {digest}"

    def unused(self) -> str:
        """The programs behind the last one that an atom leads to."""
        first = max(self._used, default=-1) + 1
        return self._shown(first, len(self._starts)) if first < len(self._starts) else ""
