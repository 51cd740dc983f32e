"""Which registers each AArch64 instruction reads and writes, by numpy over all words.

Arm Architecture Reference Manual for A-profile, C4. What is not known exactly reads and writes
all registers that its fields could name: whoever follows a value then has to give up on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.x86 import Registers

if TYPE_CHECKING:
    from verifier.semantic.layout.program import Ints

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

_PAGE = 12
_SYSCALL = 0x1FF  # x0 to x8
_IP = 0x30000  # x16 and x17


def _bits(field: Ints) -> Ints:
    """The bit of each register; none for 31, which is zero or the stack pointer."""
    found: Ints = np.where(field == 31, 0, np.int64(1) << field)
    return found


class _Sets:
    """Bit sets that grow encoding by encoding."""

    def __init__(self, words: Ints) -> None:
        self.words = words
        self.d, self.n = _bits(words & 31), _bits((words >> 5) & 31)
        self.a, self.m = _bits((words >> 10) & 31), _bits((words >> 16) & 31)
        self.uses = np.zeros(len(words), dtype=np.int64)
        self.defs = np.zeros(len(words), dtype=np.int64)
        self.known = np.zeros(len(words), dtype=np.bool_)

    def has(self, mask: int, value: int) -> Mask:
        """Which words have these bits."""
        found: Mask = (self.words & mask) == value
        return found

    def put(self, which: Mask, uses: Ints | int = 0, defs: Ints | int = 0) -> None:
        """What these words do, beside what is already told of them."""
        self.uses |= np.where(which, uses, 0)
        self.defs |= np.where(which, defs, 0)
        self.known |= which

    def finish(self) -> None:
        """Words that nothing was told of read and write all that they could name."""
        everything = self.d | self.n | self.a | self.m
        self.put(~self.known, everything, everything)


def registers(words: Ints, places: Ints) -> Registers:
    """The registers of each word; `places` are their addresses."""
    sets = _Sets(words)
    _immediate(sets)
    _branches(sets)
    _memory(sets)
    _register(sets)
    _vectors(sets)
    sets.finish()
    adrp = sets.has(0x9F000000, 0x90000000)
    distance = ((((words >> 5) << 45) >> 45) << 2 | ((words >> 29) & 3)) << _PAGE
    page = np.where(adrp, (places >> _PAGE << _PAGE) + distance, -1)
    add = sets.has(0xFFC00000, 0x91000000) & ((words & 31) != 31)
    access = sets.has(0x3B000000, 0x39000000)
    scale = words >> 30
    wide = access & sets.has(0x04800000, 0x04800000)  # a vector of 128 bits
    scale = np.where(wide & (scale == 0), 4, scale)
    base = (words >> 5) & 31
    base = np.where((add | access) & (base != 31), base, -1)
    offset = ((words >> 10) & 0xFFF) << np.where(access, scale, 0)
    offset = np.where(base >= 0, offset, 0)
    taken = (add & (base >= 0)).astype(np.int64)
    return Registers(sets.uses, sets.defs, np.where(page < 0, -1, page), base, offset, taken)


def _immediate(s: _Sets) -> None:
    s.put(s.has(0x1F000000, 0x10000000), 0, s.d)  # adr, adrp
    s.put(s.has(0x1F000000, 0x11000000), s.n, s.d)  # add, sub and their tagged forms
    s.put(s.has(0x1F800000, 0x12000000), s.n, s.d)  # and, orr, eor
    wide = s.has(0x1F800000, 0x12800000)
    s.put(wide, np.where(s.has(0x60000000, 0x60000000), s.d, 0), s.d)  # movk keeps a part
    field = s.has(0x1F800000, 0x13000000)
    s.put(field, s.n | np.where(s.has(0x60000000, 0x20000000), s.d, 0), s.d)  # bfm likewise
    s.put(s.has(0x7F800000, 0x13800000), s.n | s.m, s.d)  # extr


def _branches(s: _Sets) -> None:
    s.put(s.has(0x7C000000, 0x14000000))
    s.put(s.has(0xFF000000, 0x54000000))
    s.put(s.has(0x7C000000, 0x34000000), s.d)
    register = s.has(0xFE000000, 0xD6000000)
    s.put(register, s.n | np.where(s.has(0x00000800, 0x00000800), s.d, 0))
    calls = s.has(0xFC000000, 0x94000000) | s.has(0xFE600000, 0xD6200000)
    s.put(calls, 0, 1 << 30)
    raises = s.has(0xFF000000, 0xD4000000)
    told = np.where(s.has(0x00E00000, 0), _SYSCALL, 0)
    s.put(raises, told, told)
    system = s.has(0xFFC00000, 0xD5000000)
    reads = s.has(0x00200000, 0x00200000)
    s.put(system & reads, 0, s.d)
    s.put(system & ~reads, s.d)
    signs = s.has(0xFFFFFF1F, 0xD503211F) | s.has(0xFFFFFF1F, 0xD503251F)
    s.put(signs, _IP, _IP)  # pacia1716 and its kin


def _memory(s: _Sets) -> None:
    vector = s.has(0x04000000, 0x04000000)
    literal = s.has(0x3B000000, 0x18000000)
    s.put(literal, 0, np.where(vector | s.has(0xC0000000, 0xC0000000), 0, s.d))
    pair = s.has(0x3A000000, 0x28000000)
    loads = s.has(0x00400000, 0x00400000)
    both = np.where(vector, 0, s.d | s.a)
    s.put(pair, s.n | np.where(loads, 0, both), np.where(loads, both, 0))
    s.put(pair & s.has(0x00800000, 0x00800000), 0, s.n)  # before or after: the base moves
    scaled = s.has(0x3B000000, 0x39000000)
    near = s.has(0x3B200000, 0x38000000)
    indexed = s.has(0x3B200C00, 0x38200800)
    single = scaled | near | indexed
    stores = s.has(0x00C00000, 0)
    hint = s.has(0xC0C00000, 0xC0800000)  # prfm: the field names no register
    moved = np.where(vector | hint, 0, s.d)
    s.put(single, s.n | np.where(stores, moved, 0), np.where(stores, 0, moved))
    s.put(near & s.has(0x00000400, 0x00000400), 0, s.n)
    s.put(indexed, s.m)
    many = s.has(0xBE000000, 0x0C000000)
    after = s.has(0x00800000, 0x00800000)
    s.put(many, s.n | np.where(after, s.m, 0), np.where(after, s.n, 0))


def _register(s: _Sets) -> None:
    s.put(s.has(0x1F000000, 0x0A000000), s.n | s.m, s.d)  # and, orr, eor
    s.put(s.has(0x1F000000, 0x0B000000), s.n | s.m, s.d)  # add, sub
    s.put(s.has(0x1FE0FC00, 0x1A000000), s.n | s.m, s.d)  # adc, sbc
    compare = s.has(0x1FE00000, 0x1A400000)
    s.put(compare, s.n | np.where(s.has(0x00000800, 0), s.m, 0))
    s.put(s.has(0x1FE00000, 0x1A800000), s.n | s.m, s.d)  # csel
    s.put(s.has(0x5FE00000, 0x1AC00000), s.n | s.m, s.d)
    one = s.has(0x5FE00000, 0x5AC00000)
    signs = s.has(0x001F0000, 0x00010000)
    s.put(one, s.n | np.where(signs, s.d, 0), s.d)
    s.put(s.has(0x1F000000, 0x1B000000), s.n | s.m | s.a, s.d)  # madd


def _vectors(s: _Sets) -> None:
    vectors = s.has(0x0E000000, 0x0E000000)
    s.put(vectors)
    whole = s.has(0x5F20FC00, 0x1E200000)
    fixed = s.has(0x5F200000, 0x1E000000)
    turns = whole | fixed
    operation = (s.words >> 16) & 7
    into = (operation == 2) | (operation == 3) | (operation == 7)
    s.put(turns & into, s.n)
    s.put(turns & ~into, 0, s.d)
    copies = s.has(0xBFE08400, 0x0E000400)
    part = (s.words >> 11) & 15
    s.put(copies & ((part == 1) | (part == 3)), s.n)
    s.put(copies & ((part == 5) | (part == 7)), 0, s.d)
