"""Where AArch64 code keeps a value: in registers 0 to 30, or in words of the stack from 31 on.

Compilers move values between registers and spill them; such a copy is no use of the value.
"""

from __future__ import annotations

from typing import NamedTuple

STACK = 31  # the location of the word at [sp]; the one at [sp, #8] is the next
_FRAME = 29


class Moves(NamedTuple):
    """`copies`: by index of a word, (from, to) pairs; `taken`, `given`: sp moved down, up.

    `uses`, `defs`: bit sets of words of the stack, by index. `framed`: accesses from x29.
    """

    copies: dict[int, tuple[tuple[int, int], ...]]
    uses: dict[int, int]
    defs: dict[int, int]
    taken: set[int]
    given: set[int]
    framed: set[int]


def moves(words: list[int]) -> Moves:
    """All copies, and what touches the stack through sp."""
    found = Moves({}, {}, {}, set(), set(), set())
    for index, word in enumerate(words):
        if word & 0xFFE0FFE0 == 0xAA0003E0:  # mov
            if word & 31 != 31 and word >> 16 & 31 != 31:
                found.copies[index] = ((word >> 16 & 31, word & 31),)
        elif word & 0x0A000000 == 0x08000000:  # loads and stores
            base = word >> 5 & 31
            if base == 31:
                _stack(found, index, word)
            elif base == _FRAME:
                found.framed.add(index)
        elif word & 0x3F00001F == 0x1100001F:  # add or sub to sp
            (found.taken if word >> 30 & 1 else found.given).add(index)
        elif word & 0x3FE0001F == 0x0B20001F or (
            word & 0x1F80001F == 0x1200001F and word >> 29 & 3 != 3  # and, orr, eor; not tst
        ):
            found.taken.add(index)
    return found


def _stack(found: Moves, index: int, word: int) -> None:
    """An access from sp."""
    if word & 0x3A000000 == 0x28000000:
        vector = word >> 26 & 1
        width = 4 << (word >> 30) if vector else 8 if word >> 31 or word >> 30 else 4
        offset = ((word >> 15 & 0x7F) ^ 0x40) - 0x40
        registers = (word & 31, word >> 10 & 31)
        _touch(found, index, word, (offset * width, width, 2), registers, word >> 22 & 1)
        if word >> 23 & 1:
            (found.given if word >> 22 & 1 else found.taken).add(index)
    elif word & 0x3B000000 == 0x39000000:
        scale = word >> 30
        if word & 0x04800000 == 0x04800000 and not scale:
            scale = 4
        place = (word >> 10 & 0xFFF) << scale, 1 << scale, 1
        _touch(found, index, word, place, (word & 31,), int(word >> 22 & 3 != 0))
    elif word & 0x3B200000 == 0x38000000:
        offset = ((word >> 12 & 0x1FF) ^ 0x100) - 0x100
        load = int(word >> 22 & 3 != 0)
        if word >> 10 & 1:
            (found.given if load else found.taken).add(index)
        width = 16 if word & 0x04800000 == 0x04800000 else 1 << (word >> 30)
        _touch(found, index, word, (offset, width, 1), (), load)
    else:  # by an index, exclusive, or of many at once: anywhere
        found.taken.add(index)


def _touch(
    found: Moves,
    index: int,
    word: int,
    place: tuple[int, int, int],
    registers: tuple[int, ...],
    load: int,
) -> None:
    """Note the words of the stack; whole registers as copies. `place` is (offset, width, count)."""
    offset, width, count = place
    first, last = offset // 8, (offset + width * count - 1) // 8
    bits = 0
    for each in range(max(first, 0), last + 1):
        bits |= 1 << each + STACK
    if bits:
        (found.uses if load else found.defs)[index] = bits
    plain = width == 8 and not word >> 26 & 1 and offset % 8 == 0 and offset >= 0
    if plain and len(registers) == count and not (word >> 23 & 1 and count == 2):
        pairs = [
            (first + each + STACK, number) if load else (number, first + each + STACK)
            for each, number in enumerate(registers)
            if number != 31
        ]
        if word & 0x3A000000 != 0x39000000 or word >> 22 & 3 < 2:
            found.copies[index] = tuple(pairs)
