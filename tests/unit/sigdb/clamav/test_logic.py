"""Logical expressions: what binds to what, decided by clamscan on every combination of parts."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.clamav.engine import scan_all
from verifier.errors import ParseError
from verifier.sigdb.clamav import logic

if TYPE_CHECKING:
    from pathlib import Path

WORDS = (b"ALPHA-ONE", b"BRAVO-TWO", b"CHARLIE-3", b"DELTA-FOU")
EXPRESSIONS = 200


def _expression(chance: random.Random, depth: int) -> str:
    if not depth or chance.random() < 0.3:
        return str(chance.randrange(len(WORDS)))
    parts = [_expression(chance, depth - 1) for _ in range(chance.choice((2, 2, 3)))]
    joined = parts[0]
    for part in parts[1:]:
        joined += chance.choice("&|") + part
    return f"({joined})" if chance.random() < 0.6 else joined


def _true(expression: str, values: tuple[bool, ...]) -> bool:
    stack: list[bool] = []
    for piece in logic.parse(expression).postfix:
        if piece in {"&", "|"}:
            right, left = stack.pop(), stack.pop()
            stack.append((left and right) if piece == "&" else (left or right))
        else:
            stack.append(values[int(piece)])
    return stack[0]


def test_operators_bind_as_the_engine_has_them(tmp_path: Path) -> None:
    chance = random.Random(5)
    made = {_expression(chance, chance.choice((1, 2, 3))) for _ in range(EXPRESSIONS)}
    known = [one for one in sorted(made) if "3" in one]
    assert len(known) > 30
    subs = b";".join(word.hex().encode() for word in WORDS)
    lines = [
        b"T.%03d;Engine:51-255,Target:0;%s;%s\n" % (number, expression.encode(), subs)
        for number, expression in enumerate(known)
    ]
    rows = list(product((False, True), repeat=len(WORDS)))
    samples = {
        f"s{number:02}": b"x " + b" ".join(word for word, on in zip(WORDS, row, strict=True) if on)
        for number, row in enumerate(rows)
    }
    found = scan_all(tmp_path, {"a.ldb": b"".join(lines)}, samples)
    assert found is not None
    for number, expression in enumerate(known):
        for (name, said), row in zip(sorted(found.items()), rows, strict=True):
            assert (f"T.{number:03}" in said) == _true(expression, row), (expression, name)


@pytest.mark.parametrize("expression", ["(0)>1", "((0|1))>1", "(0)=1&1", "((0&1)>1)>1"])
def test_a_count_needs_an_operator_inside(expression: str) -> None:
    with pytest.raises(ParseError, match="without an operator"):
        logic.parse(expression)
