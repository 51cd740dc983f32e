"""One form for each question about sets of patterns, and for the question whether a rule matches.

Source: YARA-X, lib/src/compiler/emit.rs (emit_of_pattern_set, emit_for,
emit_switch, emit_check_for_rule_match), and what the wheel 1.23.0 writes. Each
form is compared as a whole, instruction by instruction; what is not exactly one
of them stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.sigdb import wasm
from verifier.sigdb.yarx import loops
from verifier.sigdb.yarx.flow import Kind
from verifier.sigdb.yarx.steps import Question, Range, Step, constant, question

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from verifier.sigdb.wasm import Instruction

_INT, _VOID = -1, -64  # types of blocks: i32, none
_BITMAP = 17664  # where the bits of the rules that match stand in memory
_ITEMS = 1_000_000  # patterns of all ranges of a condition


def reduced(
    body: Sequence[Instruction],
    kinds: Sequence[int],
    patterns: dict[int, str],
    check: int,
    ranges: Collection[int],
) -> list[Step]:
    """A condition with its questions.

    Args:
        body: its instructions.
        kinds: what their constants stand for.
        patterns: the names of the rule's patterns.
        check: the number of the function that asks for one pattern.
        ranges: the numbers of functions that ask for a range of patterns.

    Raises:
        ParseError: a range has patterns of other rules.
        LimitError: the ranges are longer than any compiler makes them.
    """
    steps: list[Step] = []
    starts: list[int] = []
    left, tried = _ITEMS, 0
    for instruction, kind in zip(body, kinds, strict=True):
        steps.append((instruction, kind))
        opcode = instruction[0]
        if opcode in (wasm.BLOCK, wasm.LOOP, wasm.IF):
            starts.append(len(steps) - 1)
        elif opcode == wasm.END and starts:
            tried += _block(steps, starts.pop(), patterns, check)
            if tried > 4 * len(body):
                raise LimitError("Blocks in blocks look like loops over patterns and are none.")
        elif kind == Kind.LAST:
            left -= _range(steps, patterns, left)
        elif opcode == wasm.CALL and instruction[1] == check:
            _one(steps, patterns)
        elif opcode == wasm.CALL and instruction[1] in ranges:
            _enough(steps)
        elif opcode == 0x76:
            _rule(steps)
    return steps


def _block(steps: list[Step], start: int, patterns: dict[int, str], check: int) -> int:
    """A block that has just ended; how many steps were looked at as a loop."""
    found, tried = _either(steps, start), 0
    if found is None and loops.is_as_long(steps, start):
        tried = len(steps) - start
        found = loops.read(steps[start:], patterns, check)
    if found:
        steps[start:] = [found]
    return tried


def _one(steps: list[Step], patterns: dict[int, str]) -> None:
    """A pattern and the question whether it matches."""
    number = constant(steps, -2, wasm.I32_CONST, Kind.PATTERN)
    if number in patterns:
        steps[-2:] = [question(1, [patterns[number]], 1)]


def _range(steps: list[Step], patterns: dict[int, str], most: int) -> int:
    """Put the first and the last pattern of a range together; how many patterns it has."""
    first = constant(steps, -2, wasm.I32_CONST, Kind.FIRST)
    last = constant(steps, -1, wasm.I32_CONST, Kind.LAST)
    if first is None or last is None:
        return 0
    numbers = range(first, last + 1)
    if last - first >= most:
        raise LimitError(f"The ranges of a condition have more than {_ITEMS} patterns.")
    if not numbers or any(number not in patterns for number in numbers):
        raise ParseError("A condition asks for a range of patterns of other rules")
    steps[-2:] = [Range(tuple(sorted(patterns[number] for number in numbers)))]
    return len(numbers)


def _enough(steps: list[Step]) -> None:
    """A range, a number, and the question whether so many of its patterns match."""
    if len(steps) < 3:
        return
    found, count = steps[-3], constant(steps, -2, wasm.I64_CONST, 0)
    if isinstance(found, Range) and count is not None and count > 0:
        steps[-3:] = [question(count, found.patterns, len(found.patterns))]


def _rule(steps: list[Step]) -> None:
    """The bit of a rule: its byte, its mask, its place."""
    if len(steps) < 6:
        return
    byte = constant(steps, -6, wasm.I32_CONST, 0)
    bit = constant(steps, -2, wasm.I32_CONST, 0)
    if byte is None or bit is None or byte < 0 or not 0 <= bit < 8:
        return
    rest = [((0x2D, 0, _BITMAP), 0), ((wasm.I32_CONST, 1 << bit), 0), ((0x71,), 0)]
    if steps[-5:-2] == rest:
        steps[-6:] = [8 * byte + bit]


def _either(steps: list[Step], start: int) -> Question | None:
    """Several questions one after the other, of which one or all must be answered with yes.

    It is read from its end, so that a block which is something else costs no time.
    """
    result = constant(steps, len(steps) - 2, wasm.I32_CONST, 0)
    if result not in (0, 1) or steps[-4:-2] != [((wasm.BR, 1), 0), ((wasm.END,), 0)]:
        return None
    between: list[Step] = [((wasm.BR_IF, 0), 0)] if result else [((0x45,), 0), ((wasm.BR_IF, 0), 0)]
    count = "any" if result else "all"
    at = len(steps) - 5
    names: set[str] = set()
    while at > start + 1:
        item = steps[at]
        if not isinstance(item, Question) or item.count not in (count, "1"):
            return None
        names.update(item.patterns)
        if at == start + 2:
            break
        if steps[at - len(between) : at] != between:
            return None
        at -= len(between) + 1
    head = [((wasm.BLOCK, _INT), 0), ((wasm.BLOCK, _VOID), 0)]
    if at != start + 2 or steps[start:at] != head:
        return None
    return Question(count if len(names) > 1 else "1", tuple(sorted(names)))
