"""What one function does differently: the lines that changed, and the class of the change."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.listing import Line

_LINES_MOST = 4_000  # of one function that are compared line by line
_DETAIL = 24  # lines of assembly that a difference carries
_NUMBER = re.compile(r"-?0x[0-9a-f]+|(?<![\w.])\d+(?!\w)")
_REGISTER = re.compile(
    r"\b(?:[re]?(?:ax|bx|cx|dx|si|di|bp)|[abcd][lh]|[sd]il|bpl|r(?:[89]|1[0-5])[dwb]?|[xyz]mm\d+)\b"
)
_STACK = re.compile(r"\[?[re]sp\b")


class Change(NamedTuple):
    """One function's change: its class in words, the sentence, lines side by side, number shift.

    `shift` is the one distance by which all changed numbers grew, 0 where there is none.
    """

    kind: str
    summary: str
    detail: str
    shift: int = 0


def compare(rebuilt: Sequence[Line], shipped: Sequence[Line]) -> Change | None:
    """The change between two listings; None where they are the same instructions."""
    one, other = [line.token for line in rebuilt], [line.token for line in shipped]
    if one == other:
        return None
    blocks = _blocks(one, other)
    removed = [line for start, end, _c, _d in blocks for line in rebuilt[start:end]]
    added = [line for _a, _b, start, end in blocks for line in shipped[start:end]]
    kind, shift = _class(removed, added)
    return Change(kind, _sentence(kind, removed, added, len(shipped)), _side(blocks, rebuilt, shipped), shift)


def _blocks(one: list[str], other: list[str]) -> list[tuple[int, int, int, int]]:
    """Differing ranges of both; what is equal at both ends is cut off first."""
    head = 0
    while head < min(len(one), len(other)) and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < min(len(one), len(other)) - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    mine, theirs = one[head : len(one) - tail], other[head : len(other) - tail]
    if max(len(mine), len(theirs)) > _LINES_MOST:
        return [(head, len(one) - tail, head, len(other) - tail)]
    # Labels count instructions, so that one more shifts all after it: compared without them.
    plain = [[re.sub(r"\.\d+\b", ".", line) for line in side] for side in (mine, theirs)]
    found = [
        (head + a, head + b, head + c, head + d)
        for tag, a, b, c, d in SequenceMatcher(None, *plain, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    return found or [
        (head + i, head + i + 1, head + i, head + i + 1)
        for i, (x, y) in enumerate(zip(mine, theirs, strict=False))
        if x != y
    ]


def _class(removed: Sequence[Line], added: Sequence[Line]) -> tuple[str, int]:
    shapes = [Counter(_shape(line) for line in side) for side in (removed, added)]
    calls = [Counter(line.shown for line in side if line.mnemonic == "call") for side in (removed, added)]
    if len(removed) == len(added):
        pairs = list(zip(removed, added, strict=True))
        numbers = [(_without(_NUMBER, x.token), _without(_NUMBER, y.token)) for x, y in pairs]
        if all(x == y for x, y in numbers):
            return _numbers(pairs)
        if all(x.operands == y.operands for x, y in pairs):
            return "comparison or branch" if any(_decides(x) for x, _y in pairs) else "instruction", 0
    if calls[0] != calls[1]:
        gone, new = calls[0] - calls[1], calls[1] - calls[0]
        return ("call target" if gone and new else "call added" if new else "call removed"), 0
    if shapes[0] == shapes[1]:
        return "reordering or register allocation only", 0
    if any(_decides(line) for line in (*removed, *added)):
        return "comparison or branch", 0
    if any("[" in line.operands for line in (*removed, *added)):
        return "memory access", 0
    return "instructions", 0


def _numbers(pairs: Sequence[tuple[Line, Line]]) -> tuple[str, int]:
    """A change of numbers alone: a constant, a place in memory, the size of the frame."""
    shifts = set()
    memory = stack = branch = False
    for one, other in pairs:
        before, after = _NUMBER.findall(one.token), _NUMBER.findall(other.token)
        shifts |= {int(y, 16) - int(x, 16) for x, y in zip(before, after, strict=True) if x != y}
        memory |= "[" in one.operands
        stack |= bool(_STACK.search(one.operands))
        branch |= one.mnemonic.startswith("j")
    if stack:
        return "stack frame", 0
    if branch:
        return "comparison or branch", 0
    if memory and not any("[" not in one.operands for one, _other in pairs):
        return "memory access", 0
    return "constant", shifts.pop() if len(shifts) == 1 else 0


def _decides(line: Line) -> bool:
    name = line.mnemonic
    return name in ("cmp", "test") or name.startswith(("j", "set", "cmov")) and name != "jmp"


def _shape(line: Line) -> str:
    return f"{line.mnemonic} {_without(_REGISTER, _without(_NUMBER, line.token))}"


def _without(pattern: re.Pattern[str], line: str) -> str:
    return pattern.sub("#", line)


def _sentence(kind: str, removed: Sequence[Line], added: Sequence[Line], total: int) -> str:
    count = max(len(removed), len(added))
    size = f"{count} of {total} instructions"
    for one, other in zip(removed, added, strict=False):
        if one.token != other.token:
            return f"{kind}: `{one.shown}` became `{other.shown}` ({size})."
    lone = (*added, *removed)[:1]
    which = "added" if added else "removed"
    return f"{kind}: `{lone[0].shown}` {which} ({size})." if lone else f"{kind} ({size})."


def _side(
    blocks: Sequence[tuple[int, int, int, int]], rebuilt: Sequence[Line], shipped: Sequence[Line]
) -> str:
    """Changed lines, rebuilt (-) before shipped (+), with one line around each block."""
    lines: list[str] = []
    for start, end, begin, stop in blocks:
        if len(lines) >= _DETAIL:
            lines.append("…")
            break
        lines += [f"  {line.shown}" for line in rebuilt[max(start - 1, 0) : start]]
        lines += [f"- {line.shown}" for line in rebuilt[start:end][:_DETAIL]]
        lines += [f"+ {line.shown}" for line in shipped[begin:stop][:_DETAIL]]
        lines += [f"  {line.shown}" for line in shipped[stop : stop + 1]]
    return "\n".join(lines)
