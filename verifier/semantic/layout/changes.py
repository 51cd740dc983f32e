"""What one function does differently: the lines that changed, and the class of the change."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from verifier.semantic.layout.listing import Line

_LINES_MOST = 4_000  # of one function that are compared line by line
_DETAIL = 24  # lines of assembly that a difference carries
_NUMBER = re.compile(r"-?0x[0-9a-f]+|(?<![\w.])\d+(?!\w)")
_REGISTER = re.compile(
    r"\b(?:[re]?(?:ax|bx|cx|dx|si|di|bp)|[abcd][lh]|[sd]il|bpl|r(?:[89]|1[0-5])[dwb]?|[xyz]mm\d+"
    r"|[xw](?:\d+|zr)|fp|lr|[bhsdqvz]\d+)\b"
)
_UNNAMED = re.compile(r"[ \[](?:[.$\w]+\+0x[0-9a-f]+(?: \(.*\))?|[re]?[a-z0-9]{2,3})\]?`$")
_PLACE = re.compile(r"\[[^\]]*\]")
_SLOT = re.compile(r"(?:\w+ ptr )?\[(.*)\]$")
_LABEL = re.compile(r"\.\d+\b")
_STACK = re.compile(r"\b[re]?sp\b")
_CALLS = ("call", "bl", "blr", "blx")
_JUMPS = ("jmp", "b")
_NAMED = 3  # calls or comparisons that a sentence names
_DECIDES = {"cmp", "test", "cmn", "tst", "ccmp", "ccmn"}
_CONDITIONAL = ("set", "cmov", "b.", "cb", "tb", "cset", "csel", "csinc", "csinv", "csneg", "cinc",
                "cinv", "cneg", "fcsel", "fcmp")  # fmt: skip
_PASSED = ("mov", "push")  # instructions that hand a line number on: mov, movz, push


class Change(NamedTuple):
    """One function's change: its class in words, the sentence, lines side by side, number shift.

    `shift` is the one distance by which all changed numbers grew, 0 where there is none; `at` and
    `rebuilt_at` are the addresses of the first instructions that differ.
    """

    kind: str
    summary: str
    detail: str
    shift: int = 0
    at: int = -1
    rebuilt_at: int = -1


def compare(
    rebuilt: Sequence[Line], shipped: Sequence[Line], same: Callable[[int, int], bool]
) -> Change | None:
    """The change between two listings; None where they are the same instructions.

    `same` tells whether an address of the rebuilt image is one of the shipped image.
    """
    one, other = [line.token for line in rebuilt], [line.token for line in shipped]
    if one == other:
        return None
    blocks = [
        each for block in _blocks(one, other) for each in _real(block, rebuilt, shipped, same)
    ]
    if not blocks:
        return None
    removed = [line for start, end, _c, _d in blocks for line in rebuilt[start:end]]
    added = [line for _a, _b, start, end in blocks for line in shipped[start:end]]
    kind, shift = _class(removed, added)
    start, _end, begin, _stop = blocks[0]
    return Change(
        kind,
        _sentence(kind, removed, added, max(len(rebuilt), len(shipped))),
        _side(blocks, rebuilt, shipped),
        shift,
        shipped[min(begin, len(shipped) - 1)].at if shipped else -1,
        rebuilt[min(start, len(rebuilt) - 1)].at if rebuilt else -1,
    )


def _real(
    block: tuple[int, int, int, int],
    rebuilt: Sequence[Line],
    shipped: Sequence[Line],
    same: Callable[[int, int], bool],
) -> Iterator[tuple[int, int, int, int]]:
    """What is left of a block without lines that refer to the same thing by another name."""
    start, end, begin, stop = block
    if end - start != stop - begin:
        yield block
        return
    for i, j in zip(range(start, end), range(begin, stop), strict=True):
        x, y = rebuilt[i], shipped[j]
        equal = x.bare == y.bare and x.target is not None and y.target is not None
        if not (equal and same(x.target or 0, y.target or 0)):
            yield i, i + 1, j, j + 1


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
    left, right = ([_LABEL.sub(".", line) for line in side] for side in (mine, theirs))
    found = [
        (head + a, head + b, head + c, head + d)
        for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    return found or [
        (head + i, head + i + 1, head + i, head + i + 1)
        for i, (x, y) in enumerate(zip(mine, theirs, strict=False))
        if x != y
    ]


def _class(removed: Sequence[Line], added: Sequence[Line]) -> tuple[str, int]:
    """The class of a change, and the shift of its numbers if that is all."""
    if len(removed) == len(added) and _calls(removed) == _calls(added):
        pairs = list(zip(removed, added, strict=True))
        if all(_without(_NUMBER, x.token) == _without(_NUMBER, y.token) for x, y in pairs):
            return _numbers(pairs)
        if all(x.operands == y.operands for x, y in pairs):
            return "comparison or branch" if any(
                _decides(x) for x, _y in pairs
            ) else "instruction", 0
    return _mixed(removed, added), 0


def _mixed(removed: Sequence[Line], added: Sequence[Line]) -> str:
    """The most telling thing about instructions that came and went."""
    gone, new = _calls(removed), _calls(added)
    if gone != new:
        lost, more = gone - new, new - gone
        return "call target" if lost and more else "call added" if more else "call removed"
    if Counter(map(_shape, removed)) == Counter(map(_shape, added)):
        return "reordering or register allocation only"
    if _decisions(removed) != _decisions(added):
        return "comparison or branch"
    memory = any("[" in line.operands and line.mnemonic != "lea" for line in (*removed, *added))
    return "memory access" if memory else "instructions"


def _calls(lines: Sequence[Line]) -> Counter[str]:
    """What is called, as often as it is; a jump out of the function is a call of its last kind."""
    return Counter(map(_callee, filter(_is_call, lines)))


def _ways(callees: Iterable[str]) -> set[str]:
    """What is called, whether through a slot or by a stub that jumps through one."""
    return {_SLOT.sub(r"\1", callee) for callee in callees}


def _callee(line: Line) -> str:
    return line.token.partition(" ")[2]


def _is_call(line: Line) -> bool:
    """Whether it calls; a jump may lead to another part of the function, if nothing is named."""
    leaves = line.mnemonic in _JUMPS and line.target is not None
    return line.mnemonic in _CALLS or (leaves and not _UNNAMED.search(f"`{line.shown}`"))


def _numbers(pairs: Sequence[tuple[Line, Line]]) -> tuple[str, int]:
    """A change of numbers alone: a constant, a place in memory, the size of the frame."""
    shifts = set()
    memory = stack = branch = False
    handed = all(one.mnemonic.startswith(_PASSED) for one, _other in pairs)
    for one, other in pairs:
        before, after = _NUMBER.findall(one.token), _NUMBER.findall(other.token)
        shifts |= {int(y, 16) - int(x, 16) for x, y in zip(before, after, strict=True) if x != y}
        memory |= "[" in one.operands
        stack |= bool(_STACK.search(one.operands))
        branch |= one.mnemonic.startswith(("j", "b.", "cb", "tb")) or one.mnemonic == "b"
    if stack:
        return "stack frame", 0
    if branch:
        return "comparison or branch", 0
    if memory and not any("[" not in one.operands for one, _other in pairs):
        return "memory access", 0
    return "constant", shifts.pop() if handed and len(shifts) == 1 else 0


def _decides(line: Line) -> bool:
    name = line.mnemonic
    return name in _DECIDES or name.startswith(_CONDITIONAL) or (name[:1] == "j" and name != "jmp")


def _decisions(lines: Sequence[Line]) -> Counter[str]:
    """What is compared and decided, whichever registers, stack slots and labels serve for it."""
    return Counter(_decision(line) for line in lines if _decides(line))


def _decision(line: Line) -> str:
    return _LABEL.sub(".", _PLACE.sub("[]", _without(_REGISTER, line.token)))


def _shape(line: Line) -> str:
    return f"{line.mnemonic} {_without(_REGISTER, _without(_NUMBER, line.token))}"


def _without(pattern: re.Pattern[str], line: str) -> str:
    return pattern.sub("#", line)


def _sentence(kind: str, removed: Sequence[Line], added: Sequence[Line], total: int) -> str:
    count = max(len(removed), len(added))
    size = f"{count} of {total} instructions"
    if kind.startswith("call"):
        tally, key, view = _calls, _callee, _is_call
    else:
        tally, key, view = _decisions, _decision, _decides
    if kind.startswith("call") or kind == "comparison or branch":
        gone, new = tally(removed), tally(added)
        lost, more = (
            _shown([line for line in lines if view(line) and key(line) in counts])
            for lines, counts in ((removed, gone - new), (added, new - gone))
        )
        by_slot = tally is _calls and _ways(gone) == _ways(new)
        if said := _exchanged(kind, lost, more, by_slot):
            return f"{kind}: {said} ({size})."
    for one, other in zip(removed, added, strict=False):
        if one.token != other.token:
            return f"{kind}: `{one.shown}` became `{other.shown}` ({size})."
    lone = (*added, *removed)[:1]
    which = "added" if added else "removed"
    return f"{kind}: `{lone[0].shown}` {which} ({size})." if lone else f"{kind} ({size})."


def _exchanged(kind: str, lost: list[str], more: list[str], by_slot: bool) -> str:
    """What some calls or branches became; empty where nothing of them can be told."""
    same = set(lost) & set(more)
    if same and same == {*lost, *more}:
        way = "by its slot in place of a stub, or back" if by_slot else ""
        return f"{_some(lost)} {way or 'became another function of that name'}"
    lost, more = ([each for each in told if each not in same] for told in (lost, more))
    if len(lost) == len(more) == 1:
        return f"{lost[0]} became {more[0]}"
    if lost and more:
        return f"{_some(more)} in place of {_some(lost)}"
    which = "added" if more else "removed"
    told = _some(more or lost) if more or lost else ""
    return f"{told} {which}" if told and which not in kind else told


def _shown(lines: Sequence[Line]) -> list[str]:
    """How lines are told, in the order of the code; those that call something named come first."""
    found = dict.fromkeys(f"`{line.shown}`" for line in lines)
    return sorted(found, key=lambda each: bool(_UNNAMED.search(each)))


def _some(told: Sequence[str]) -> str:
    more = len(told) - _NAMED
    head = ", ".join(told[:_NAMED])
    return f"{head} and {more} more" if more > 0 else head


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
