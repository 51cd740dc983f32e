"""Loops over sets of patterns, which are left when enough of them match.

Source: YARA-X, lib/src/compiler/emit.rs (emit_for, emit_switch), and what the
wheel 1.23.0 writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.sigdb import wasm
from verifier.sigdb.yarx.flow import Kind
from verifier.sigdb.yarx.steps import Question, Step, constant, question

if TYPE_CHECKING:
    from verifier.sigdb.wasm import Instruction

_INT, _LONG, _VOID = -1, -2, -64  # types of blocks: i32, i64, none
_STACK = 256  # where variables start
_FIXED = 69  # instructions of a loop over a set, without those that are there for each pattern


def is_as_long(steps: list[Step], start: int) -> bool:
    """Whether a block has as many steps as a loop over so many patterns has."""
    total = constant(steps, start + 2, wasm.I64_CONST, 0)
    return total is not None and total > 1 and len(steps) - start == _FIXED + 4 * total


def read(steps: list[Step], patterns: dict[int, str], check: int) -> Question | None:
    """A loop over a set of patterns, left when enough of them match."""
    total = constant(steps, 2, wasm.I64_CONST, 0)
    count = constant(steps, 8, wasm.I64_CONST, 0)
    place = constant(steps, 14, wasm.I32_CONST, 0)
    if total is None or count is None or place is None or count < 1:
        return None
    first = 26 + total
    items = [
        constant(steps, at, wasm.I64_CONST, Kind.PATTERN)
        for at in range(first, first + 3 * total, 3)
    ]
    names = [patterns[item] for item in items if item in patterns]
    local = steps[18]
    if len(names) != total or not isinstance(local, tuple):
        return None
    if _plain(steps) != _written(place, count, local[0][1:], check, total):
        return None
    return question(count, names, total)


def _plain(steps: list[Step]) -> list[Instruction]:
    """The instructions of steps; numbers of patterns are left out."""
    found: list[Instruction] = []
    for step in steps:
        if not isinstance(step, tuple):
            return []
        found.append(step[0] if step[1] == 0 else (step[0][0],))
    return found


def _written(
    place: int, count: int, local: Instruction, check: int, total: int
) -> list[Instruction]:
    """What the compiler writes for such a loop; `place` is where its variables start."""
    item, size, at, least, found = ((wasm.I32_CONST, place + 8 * number) for number in range(5))
    load, store = (0x29, 3, _STACK), (0x37, 3, _STACK)
    void, end, other = (wasm.BLOCK, _VOID), (wasm.END,), (wasm.ELSE,)
    wrap, one, zero = (0xA7,), (wasm.I64_CONST, 1), (wasm.I64_CONST, 0)
    ask = (wasm.IF, _VOID)
    switch = [(wasm.LOCAL_GET, *local), (wasm.BR_TABLE, *range(1, total + 1), 0), end]
    for number in range(1, total):
        switch += [(wasm.UNREACHABLE,), end] if number == 1 else []
        switch += [(wasm.I64_CONST,), (wasm.BR, total - number), end]
    return [
        (wasm.BLOCK, _INT), size, (wasm.I64_CONST, total), store, at, zero, store,
        least, (wasm.I64_CONST, count), store, found, zero, store,
        (wasm.LOOP, _VOID), item, at, load, wrap, (wasm.LOCAL_SET, *local), (wasm.BLOCK, _LONG),
        *[void] * (total + 1), *switch, (wasm.I64_CONST,), end, store,
        item, load, wrap, (wasm.CALL, check), ask,
        found, found, load, one, (0x7C,), store, found, load, least, load, (0x5A,), ask,
        least, load, zero, (0x52,), (wasm.BR, 3), other, end, other, end,
        at, at, load, one, (0x7C,), store, at, load, size, load, (0x53,), (wasm.BR_IF, 0), end,
        least, load, (0x50,), end,
    ]  # fmt: skip
