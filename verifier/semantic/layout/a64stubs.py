"""Stubs of imported functions that never return: control does not run on from a call of one.

C11 7.22.4 and 7.13.2, POSIX, the GNU C library's headers (`__noreturn__`); Itanium C++ ABI,
exception handling; C++ standard library (`[[noreturn]]`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.semantic.layout import elfsymbols

if TYPE_CHECKING:
    from verifier.semantic.layout.program import Piece, Program

_FINAL = {"abort", "exit", "_exit", "_Exit", "quick_exit", "pthread_exit", "longjmp", "_longjmp",
          "siglongjmp", "__longjmp_chk", "__assert_fail", "__assert_perror_fail", "__assert",
          "__stack_chk_fail", "__chk_fail", "__fortify_fail", "err", "errx", "verr", "verrx",
          "_Unwind_Resume", "__cxa_throw", "__cxa_rethrow", "__cxa_bad_cast", "__cxa_bad_typeid",
          "__cxa_throw_bad_array_new_length", "__cxa_call_terminate", "__cxa_call_unexpected",
          "__cxa_pure_virtual", "__cxa_deleted_virtual", "_ZSt9terminatev"}  # fmt: skip
_THROWS = "__throw_"
_WORDS = 6


def final(program: Program) -> set[int]:
    """Addresses of such stubs."""
    slots = program.slots
    names = {
        at: program.symbols[symbol]
        for at, symbol in zip(slots.at.tolist(), slots.symbol.tolist(), strict=True)
        if symbol
    }
    return {
        start
        for piece in program.pieces
        if piece.made and piece.code and piece.data is not None
        for start in elfsymbols.stubs(program.machine, piece)
        if _never(names.get(_slot(piece, start), ""))
    }


def _slot(piece: Piece, start: int) -> int:
    """The word that a stub loads its function's address from; -1 if there is none."""
    assert piece.data is not None
    raw = bytes(piece.data[start - piece.address :][: 4 * _WORDS])
    page = -1
    for number, (word,) in enumerate(struct.iter_unpack("<I", raw[: len(raw) & ~3])):
        if word & 0x9F00001F == 0x90000010:
            distance = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            distance -= (distance >> 20) << 21
            page = (start + 4 * number >> 12 << 12) + (distance << 12)
        elif word & 0xFFC003FF == 0xF9400211 and page >= 0:
            return int(page + (word >> 10 & 0xFFF) * 8)
    return -1


def _never(text: str) -> bool:
    """Whether a function never returns, by a relocation's text: `kind:name@version`."""
    name = text.partition(":")[2].partition("@")[0]
    return name in _FINAL or (name.startswith("_ZSt") and _THROWS in name)
