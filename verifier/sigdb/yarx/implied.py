"""What a condition implies about a file's size and its first bytes.

The compiler notes such bounds with patterns, so as not to look for them in other
files: those of the rule, of rules it asks for, and of global rules that come
before it, by which the notes depend on the order of rules. A note that follows
from the conditions themselves has no effect and is left out of the records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.sigdb import wasm
from verifier.sigdb.yarx.flow import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verifier.sigdb.wasm import Instruction
    from verifier.sigdb.yarx.steps import Step

Interval = tuple[int | None, int | None]
_LESS, _MORE, _UP_TO, _FROM, _EQUAL = 0x53, 0x55, 0x57, 0x59, 0x51
_MIRROR = {_LESS: _MORE, _MORE: _LESS, _UP_TO: _FROM, _FROM: _UP_TO, _EQUAL: _EQUAL}
_SIZE = 1  # the number of the global that has the file's size
_READ = re.compile(r"yara_x::wasm::u?int(8|16|32)(be)?@offset:i64@[ui]\d+u 7e>7e7f")
_PLACE = "yara_x::wasm::is_pat_match_at@pattern_id:i64,offset:i64@b 7f7e>7f"
_SEARCH = "yara_x::wasm::search_for_patterns@@ >"
_VOID, _INT = -64, -1
_LAST = 1_024  # of bytes from the start on, those that are of interest
_DEPTH = 20  # conditions that must all hold, in each other
_AND = [(wasm.BLOCK, _INT), (wasm.BLOCK, _VOID)], [
    (wasm.BR, 1), (wasm.END,), (wasm.I32_CONST, 0), (wasm.END,)
]  # fmt: skip


@dataclass
class Implied:
    """Sizes of files (None: no bound) and first bytes by their places that a condition needs."""

    least: int | None = None
    most: int | None = None
    head: dict[int, int] = field(default_factory=dict)
    never: bool = False

    def add(self, other: Implied) -> None:
        """Need what the other one needs too."""
        self.size(other.least, other.most)
        for place, byte in other.head.items():
            self.byte(place, byte)
        self.never = self.never or other.never

    def size(self, least: int | None, most: int | None) -> None:
        """Need a size between these, both included."""
        if least is not None:
            self.least = least if self.least is None else max(self.least, least)
        if most is not None:
            self.most = most if self.most is None else min(self.most, most)
        if self.least is not None and self.most is not None and self.least > self.most:
            self.never = True

    def byte(self, place: int, byte: int) -> None:
        """Need a byte at a place."""
        if self.head.setdefault(place, byte) != byte:
            self.never = True

    def within(self, sizes: Interval) -> bool:
        """Whether all files that this allows are of such sizes."""
        least, most = sizes
        low = least is None or (self.least is not None and self.least >= least)
        high = most is None or (self.most is not None and self.most <= most)
        return self.never or (low and high)

    def starts(self, head: bytes | None) -> bool:
        """Whether all files that this allows start so; None is a start that no file has."""
        if self.never or head is None:
            return self.never
        return all(self.head.get(place) == byte for place, byte in enumerate(head))


class Reader:
    """Reads conditions whose steps are known.

    Args:
        names: imported functions, by their numbers.
        rules: what the rules that come before imply.
        literals: the bytes that a pattern is, by the numbers of those that are nothing else.
    """

    def __init__(
        self, names: Mapping[int, str], rules: Sequence[Implied], literals: Mapping[int, bytes]
    ) -> None:
        self._names, self._rules, self._literals = names, rules, literals

    def read(self, steps: list[Step]) -> Implied:
        """What a condition implies."""
        found = Implied()
        for part in _parts(steps):
            self._part(part, found)
        return found

    def _part(self, part: list[Step], found: Implied) -> None:
        """One of several conditions that must all hold."""
        part = self._without_search(part)
        if len(part) == 1 and isinstance(part[0], int):
            found.add(self._rules[part[0]])
            return
        plain = [step[0] for step in part if isinstance(step, tuple)]
        kinds = [step[1] for step in part if isinstance(step, tuple) and step[1]]
        if len(plain) != len(part):
            return
        if len(plain) == 3 and kinds == [Kind.PATTERN] and part[0] == (plain[0], Kind.PATTERN):
            if plain[1] == (wasm.I64_CONST, 0) and self._name(plain[2]) == _PLACE:
                for place, byte in enumerate(self._literals.get(plain[0][1], b"")[:_LAST]):
                    found.byte(place, byte)
        elif not kinds and len(plain) > 3:
            self._comparison(plain, found)

    def _without_search(self, part: list[Step]) -> list[Step]:
        """A part without the search for patterns that the first question about one starts."""
        start = [((wasm.GLOBAL_GET, 2), 0), ((0x45,), 0), ((wasm.IF, _VOID), 0)]
        if part[:3] == start and part[4:6] == [((wasm.ELSE,), 0), ((wasm.END,), 0)]:
            call = part[3]
            if isinstance(call, tuple) and self._name(call[0]) == _SEARCH:
                return part[6:]
        return part

    def _name(self, instruction: Instruction) -> str:
        return self._names.get(instruction[1], "") if instruction[0] == wasm.CALL else ""

    def _comparison(self, plain: list[Instruction], found: Implied) -> None:
        """Something on one side of a comparison, a constant on the other."""
        operator = plain[-1][0]
        if plain[-2][0] == wasm.I64_CONST:
            number, value = plain[-2][1], plain[:-2]
        elif plain[0][0] == wasm.I64_CONST:
            number, value = plain[0][1], plain[1:-1]
            operator = _MIRROR.get(operator, 0)
        else:
            return
        if value[0] == (wasm.GLOBAL_GET, _SIZE):
            local = value[-1][1:]
            if value == [*_checked_size(local, inner=len(value) == 9), (wasm.LOCAL_GET, *local)]:
                _size(operator, number, found)
        elif operator == _EQUAL and value[2:] == _undefined(inner=len(value) == 6):
            self._bytes(value, number, found)

    def _bytes(self, value: list[Instruction], number: int, found: Implied) -> None:
        """Bytes at a place are a number."""
        place = value[0][1] if value[0][0] == wasm.I64_CONST else -1
        read = _READ.fullmatch(self._name(value[1]))
        if read and 0 <= place < _LAST:
            size = int(read[1]) // 8
            raw = (number & (1 << 8 * size) - 1).to_bytes(size, "big" if read[2] else "little")
            for at, byte in enumerate(raw):
                found.byte(place + at, byte)


def _parts(steps: list[Step], depth: int = 0) -> list[list[Step]]:
    """The conditions that must all hold; a single one is the condition itself."""
    start, end = [[(item, 0) for item in items] for items in _AND]
    if steps[:2] == start and steps[-4:] == end and depth < _DEPTH:
        return [part for inner in _split(steps[2:-4]) for part in _parts(inner, depth + 1)]
    if steps[:1] == start[:1] and steps[-1:] == end[-1:] and len(steps) > 2:
        return [steps[1:-1]]
    return [steps]


def _split(steps: list[Step]) -> list[list[Step]]:
    """What stands between jumps out of a block that are taken where something is false."""
    found: list[list[Step]] = []
    start = depth = 0
    for at, step in enumerate(steps):
        opcode = step[0][0] if isinstance(step, tuple) else -1
        depth += (opcode in (wasm.BLOCK, wasm.LOOP, wasm.IF)) - (opcode == wasm.END)
        if depth == 0 and step == ((wasm.BR_IF, 0), 0):
            if at == start or steps[at - 1] != ((0x45,), 0):
                return []  # one of them is enough
            found.append(steps[start : at - 1])
            start = at + 1
    return [*found, steps[start:]]


def _undefined(*, inner: bool) -> list[Instruction]:
    """Leave with "false" what asks for something that is not there."""
    result = [] if inner else [(wasm.I32_CONST, 0)]
    return [(wasm.IF, _VOID), *result, (wasm.BR, 1), (wasm.ELSE,), (wasm.END,)]


def _checked_size(local: Instruction, *, inner: bool) -> list[Instruction]:
    """The size of the file, if there is one."""
    head = [(wasm.GLOBAL_GET, _SIZE), (wasm.LOCAL_TEE, *local), (wasm.I64_CONST, 0), (_LESS,)]
    return [*head, *_undefined(inner=inner)]


def _size(operator: int, number: int, found: Implied) -> None:
    if operator in (_LESS, _UP_TO):
        found.size(None, number - (operator == _LESS))
    elif operator in (_MORE, _FROM):
        found.size(number + (operator == _MORE), None)
    elif operator == _EQUAL:
        found.size(number, number)
