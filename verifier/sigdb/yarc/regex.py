"""Programs of libyara's regular expressions, which hex strings are compiled to as well.

Source: libyara, re.h and re.c (`_yr_re_emit`, `_yr_re_fiber_sync`). A program is
position independent and ends with its one MATCH; jumps must lead to the start
of an instruction of the same program.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.sigdb.yarc.arena import REGEX

if TYPE_CHECKING:
    from verifier.sigdb.yarc.arena import Arena

_MATCH = 0xAD
_JUMP, _SPLIT, _REPEAT = range(1, 4)
# opcode: (name, bytes after the opcode, kind of jump)
_OPCODES: dict[int, tuple[str, int, int]] = {
    0xA0: (".", 0, 0),
    0xA2: ("", 1, 0),
    0xA4: ("mask ", 2, 0),
    0xA5: ("class ", 33, 0),
    0xA7: ("\\w", 0, 0),
    0xA8: ("\\W", 0, 0),
    0xA9: ("\\s", 0, 0),
    0xAA: ("\\S", 0, 0),
    0xAB: ("\\d", 0, 0),
    0xAC: ("\\D", 0, 0),
    _MATCH: ("match", 0, 0),
    0xAE: ("~", 1, 0),
    0xAF: ("~mask ", 2, 0),
    0xB0: ("$", 0, 0),
    0xB1: ("^", 0, 0),
    0xB2: ("\\b", 0, 0),
    0xB3: ("\\B", 0, 0),
    0xB4: ("any ", 4, 0),
    0xB5: ("any? ", 4, 0),
    0xC0: ("split-a ", 3, _SPLIT),
    0xC1: ("split-b ", 3, _SPLIT),
    0xC2: ("jump ", 2, _JUMP),
    0xC3: ("repeat ", 8, _REPEAT),
    0xC4: ("repeat-end ", 8, _REPEAT),
    0xC5: ("repeat? ", 8, _REPEAT),
    0xC6: ("repeat-end? ", 8, _REPEAT),
}
_DISTANCE = {_JUMP: "<h", _SPLIT: "<xh", _REPEAT: "<4xi"}  # from its own opcode
_SINCE_20 = {0xAE, 0xAF}  # formats before 20 know no negation


class Program:
    """One parsed program: its text, and the offsets at which its instructions start."""

    def __init__(self, arena: Arena, start: int) -> None:
        code = arena.bytes[REGEX]
        self.start = start
        self.boundaries: set[int] = set()
        parts: list[str] = []
        targets: list[int] = []
        at, opcode = start, 0
        while opcode != _MATCH:
            opcode = code[at] if at < len(code) else 0
            known = _OPCODES.get(opcode)
            if known is None or (opcode in _SINCE_20 and arena.version < 20):
                raise arena.error("This is no instruction of a regular expression", REGEX, at)
            name, length, jump = known
            operand = code[at + 1 : at + 1 + length]
            if len(operand) != length:
                raise arena.error("A regular expression is cut short", REGEX, at)
            self.boundaries.add(at)
            parts.append(name + operand.hex())
            if jump:
                targets.append(at + struct.unpack_from(_DISTANCE[jump], operand)[0])
            at += 1 + length
        self.end = at
        if not self.boundaries.issuperset(targets):
            raise arena.error("A regular expression jumps between instructions", REGEX, start)
        self.text = ", ".join(parts)
