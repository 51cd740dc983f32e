"""The logical expression of an ldb line: parsed, and asked whether one implies another.

Source: ClamAV's manual (Logical Signatures), libclamav 1.4 (`cli_ac_chklsig`).
Operators have no precedence. Outside of parentheses the engine cuts at the first
operator, so they bind to the right; what parentheses hold it cuts at the last one
first: `0&1|2` is `0&(1|2)`, and `(0&1|2)` is `(0&1)|2`. Nothing here recurses:
input decides how deep it nests.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PIECE = re.compile(
    r"\(|\)(?:[=<>][0-9]{1,9}(?:,[0-9]{1,9})?)?|[&|]"
    r"|[0-9]{1,2}(?:[=<>][0-9]{1,9}(?:,[0-9]{1,9})?)?"
)
_ATOMS = 12  # up to which implication is decided by trying all values
_LONGEST = 2_000  # pieces of two expressions up to which it is decided at all
_DEPTH = 64
MAX_SUBSIGNATURES = 64


class Logic(NamedTuple):
    """An expression in postfix order: atoms `3`, `3>2`, operators `&` `|`, and `=n` of a block."""

    postfix: tuple[str, ...]
    highest: int  # subsignature that it names


class _Group:
    """What one pair of parentheses holds: operands in postfix order, and the operators between."""

    def __init__(self) -> None:
        self.operands: list[list[str]] = []
        self.operators: list[str] = []

    def bound(self, *, closed: bool) -> list[str]:
        """All of it in postfix order; `closed` for what stands in parentheses."""
        whole = [piece for operand in self.operands for piece in operand]
        if not (closed and self.operators):
            return whole + self.operators[::-1]
        last = len(self.operands[-1])
        return [*whole[:-last], *self.operators[-2::-1], *whole[-last:], self.operators[-1]]


@lru_cache(maxsize=256)
def parse(text: str) -> Logic:
    """Parse an expression; ParseError where it is none."""
    groups = [_Group()]
    operand = False
    highest = 0
    at = 0
    for found in _PIECE.finditer(text):
        piece = found.group()
        if found.start() != at:
            break
        at = found.end()
        if operand != (piece[0] in "&|)"):
            raise ParseError("The logical expression is malformed")
        if piece == "(":
            groups.append(_Group())
            if len(groups) > _DEPTH:
                raise ParseError("The logical expression is nested too deep")
        elif piece[0] == ")":
            _close(groups, piece[1:])
        elif piece in "&|":
            groups[-1].operators.append(piece)
            operand = False
        else:
            groups[-1].operands.append([piece])
            highest = max(highest, int(re.split("[=<>]", piece, maxsplit=1)[0]))
            operand = True
    if at != len(text) or len(groups) != 1 or not operand:
        raise ParseError("The logical expression is malformed")
    return Logic(tuple(groups[0].bound(closed=False)), highest)


def _close(groups: list[_Group], count: str) -> None:
    if len(groups) == 1:
        raise ParseError("The logical expression closes what it did not open")
    group = groups.pop()
    if count and not group.operators:
        raise ParseError("The logical expression counts in parentheses without an operator")
    groups[-1].operands.append([*group.bound(closed=True), *([count] if count else [])])


def implies(one: Logic, other: Logic, mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether `one` over the subsignatures `mine` being true makes `other` over `theirs` true.

    False also where it cannot be told. Equal subsignatures are equal by text.
    """
    if len(one.postfix) + len(other.postfix) > _LONGEST:
        return (one.postfix, tuple(mine)) == (other.postfix, tuple(theirs))
    left, right = _named(one, mine), _named(other, theirs)
    atoms = sorted({piece for piece in (*left, *right) if piece not in {"&", "|"}})
    if len(atoms) > _ATOMS:
        return left == right
    tables = dict(zip(atoms, _columns(len(atoms)), strict=True))
    return not _table(left, tables) & ~_table(right, tables)


def _named(logic: Logic, subs: Sequence[str]) -> tuple[str, ...]:
    """Postfix with subsignatures for numbers; a counted block is one atom with all of its text."""
    stack: list[list[str]] = []
    for piece in logic.postfix:
        if piece in {"&", "|"}:
            right, left = stack.pop(), stack.pop()
            stack.append([*left, *right, piece])
        elif piece[0] in "=<>":
            stack.append(["\n".join((*stack.pop(), piece))])
        else:
            index, mark, rest = re.fullmatch(r"([0-9]+)([=<>]?)(.*)", piece).groups()  # type: ignore[union-attr]
            stack.append([f"{subs[int(index)]}\t{mark}{rest}"])
    return tuple(stack[0])


@cache
def _columns(count: int) -> tuple[int, ...]:
    """For each of `count` atoms its table of truth: a bit for each set of values."""
    rows = range(1 << count)
    return tuple(sum(1 << row for row in rows if row >> place & 1) for place in range(count))


def _table(postfix: Iterable[str], tables: Mapping[str, int]) -> int:
    stack: list[int] = []
    for piece in postfix:
        if piece == "&":
            right, left = stack.pop(), stack.pop()
            stack.append(left & right)
        elif piece == "|":
            right, left = stack.pop(), stack.pop()
            stack.append(left | right)
        else:
            stack.append(tables[piece])
    return stack[0]
