"""The logical expression of an ldb line: parsed, and asked whether one implies another.

Source: ClamAV's manual (Logical Signatures), libclamav 1.4 (`cli_ac_chklsig`).
Operators have no precedence: the engine cuts at the first of a level, so they
bind to the right. Nothing here recurses: input decides how deep it nests.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PIECE = re.compile(
    r"\(|\)(?:[=<>][0-9]{1,9}(?:,[0-9]{1,9})?)?|[&|]"
    r"|[0-9]{1,2}(?:[=<>][0-9]{1,9}(?:,[0-9]{1,9})?)?"
)
_ATOMS = 12  # up to which implication is decided by trying all values
_DEPTH = 64
MAX_SUBSIGNATURES = 64


class Logic(NamedTuple):
    """An expression in postfix order: atoms `3`, `3>2`, operators `&` `|`, and `=n` of a block."""

    postfix: tuple[str, ...]
    highest: int  # subsignature that it names


def parse(text: str) -> Logic:
    """Parse an expression; ParseError where it is none."""
    out: list[str] = []
    groups: list[list[str]] = [[]]  # operators that wait, per open group
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
            groups.append([])
            if len(groups) > _DEPTH:
                raise ParseError("The logical expression is nested too deep")
        elif piece[0] == ")":
            _close(groups, out, piece)
        elif piece in "&|":
            groups[-1].append(piece)
            operand = False
        else:
            out.append(piece)
            highest = max(highest, int(re.split("[=<>]", piece, maxsplit=1)[0]))
            operand = True
    if at != len(text) or len(groups) != 1 or not operand:
        raise ParseError("The logical expression is malformed")
    out += reversed(groups[0])
    return Logic(tuple(out), highest)


def _close(groups: list[list[str]], out: list[str], piece: str) -> None:
    if len(groups) == 1:
        raise ParseError("The logical expression closes what it did not open")
    out += reversed(groups.pop())
    if len(piece) > 1:
        out.append(piece[1:])


def implies(one: Logic, other: Logic, mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether `one` over the subsignatures `mine` being true makes `other` over `theirs` true.

    False also where it cannot be told. Equal subsignatures are equal by text.
    """
    left, right = _named(one, mine), _named(other, theirs)
    atoms = sorted({piece for piece in (*left, *right) if piece not in {"&", "|"}})
    if len(atoms) > _ATOMS:
        return left == right
    return all(
        _value(right, values) or not _value(left, values)
        for values in (
            dict(zip(atoms, row, strict=True)) for row in product((False, True), repeat=len(atoms))
        )
    )


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


def _value(postfix: Iterable[str], values: Mapping[str, bool]) -> bool:
    stack: list[bool] = []
    for piece in postfix:
        if piece == "&":
            right, left = stack.pop(), stack.pop()
            stack.append(left and right)
        elif piece == "|":
            right, left = stack.pop(), stack.pop()
            stack.append(left or right)
        else:
            stack.append(values[piece])
    return stack[0]
