"""The instructions of libyara's conditions, by version of the file format.

Source: libyara, exec.h and exec.c of 4.2.3 (format 19) and 4.5.4 (formats 20 and 21).
"""

from __future__ import annotations

from typing import NamedTuple

# What follows the opcode.
NOTHING, U8, U16, U32, U64, JUMP, TEXT, PUSH, RULE, INIT = range(10)
SIZES = {NOTHING: 0, U8: 1, U16: 2, U32: 4, U64: 8, JUMP: 4, TEXT: 8, PUSH: 8, RULE: 8, INIT: 8}


class Instruction(NamedTuple):
    """One kind of instruction: what it is called, and what follows it."""

    name: str
    operand: int


_PLAIN = """
    1 and, 2 or, 3 not, 4 bitwise-not, 5 bitwise-and, 6 bitwise-or, 7 bitwise-xor, 8 shl, 9 shr,
    10 mod, 12 str-to-bool, 14 pop, 17 obj-value, 19 index-array, 20 count, 21 length, 22 found,
    23 found-at, 24 found-in, 25 offset, 37 filesize, 38 entrypoint, 40 matches, 42 lookup-dict,
    53 iter-next, 54 iter-array, 55 iter-dict, 56 iter-range, 57 iter-ints, 254 nop, 255 halt,
    100 eq, 101 neq, 102 lt, 103 gt, 104 le, 105 ge, 106 add, 107 sub, 108 mul, 109 div, 110 minus,
    120 eq-d, 121 neq-d, 122 lt-d, 123 gt-d, 124 le-d, 125 ge-d, 126 add-d, 127 sub-d, 128 mul-d,
    129 div-d, 130 minus-d, 140 eq-s, 141 neq-s, 142 lt-s, 143 gt-s, 144 le-s, 145 ge-s,
    240 int8, 241 int16, 242 int32, 243 uint8, 244 uint16, 245 uint32,
    246 int8be, 247 int16be, 248 int32be, 249 uint8be, 250 uint16be, 251 uint32be
"""
_PLAIN_19 = """
    63 push-undefined, 64 contains, 65 startswith, 66 endswith, 67 icontains, 68 istartswith,
    69 iendswith, 70 iequals, 72 of-found-in, 73 count-in, 74 defined
"""
_PLAIN_20 = """
    58 iter-strings, 59 iter-condition, 60 iter-end, 66 push-undefined, 67 contains, 68 startswith,
    69 endswith, 70 icontains, 71 istartswith, 72 iendswith, 73 iequals, 75 of-found-in,
    76 count-in, 77 defined, 78 iter-texts, 79 of-found-at
"""
_OPERANDS: dict[int, Instruction] = {
    11: Instruction("int-to-double", U64),
    13: Instruction("push", PUSH),
    15: Instruction("call", TEXT),
    16: Instruction("load", TEXT),
    18: Instruction("field", TEXT),
    26: Instruction("of", U64),
    27: Instruction("rule", RULE),
    28: Instruction("init-rule", INIT),
    29: Instruction("match-rule", U64),
    30: Instruction("incr-m", U64),
    31: Instruction("clear-m", U64),
    32: Instruction("add-m", U64),
    33: Instruction("pop-m", U64),
    34: Instruction("push-m", U64),
    35: Instruction("set-m", U64),
    36: Instruction("swap-undefined", U64),
    41: Instruction("import", TEXT),
    44: Instruction("jump-undefined-p", JUMP),
    45: Instruction("jump-defined", JUMP),
    47: Instruction("jump-false", JUMP),
    48: Instruction("jump-false-p", JUMP),
    49: Instruction("jump-true", JUMP),
    50: Instruction("jump-true-p", JUMP),
    51: Instruction("jump-less-p", JUMP),
    52: Instruction("jump-less-equal-p", JUMP),
}


def _plain(text: str) -> dict[int, Instruction]:
    pairs = (item.split() for item in text.split(","))
    return {int(number): Instruction(name, NOTHING) for number, name in pairs}


def _numbers(jump: int, push: int, percent: int) -> dict[int, Instruction]:
    return {
        jump: Instruction("jump-zero", JUMP),
        jump + 1: Instruction("jump-zero-p", JUMP),
        push: Instruction("push", U8),
        push + 1: Instruction("push", U16),
        push + 2: Instruction("push", U32),
        percent: Instruction("of-percent", U64),
    }


_V19 = {**_OPERANDS, **_plain(_PLAIN), **_plain(_PLAIN_19), **_numbers(58, 60, 71)}
_V20 = {**_OPERANDS, **_plain(_PLAIN), **_plain(_PLAIN_20), **_numbers(61, 63, 74)}
INSTRUCTIONS: dict[int, dict[int, Instruction]] = {19: _V19, 20: _V20, 21: _V20}
