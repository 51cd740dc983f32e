"""The code around conditions of YARA-X is exactly what the compiler writes, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.yara import engines
from verifier.errors import ParseError
from verifier.sigdb import wasm
from verifier.sigdb.yarx import frame
from verifier.sigdb.yarx.layout import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.sigdb.wasm import Instruction, Module

RULES = [(1, True), (1, False), (2, False)]


def module() -> Module:
    texts = {
        "one": 'global rule g { condition: filesize < 9 } rule a { strings: $a = "abcd" '
        "condition: $a }",
        "two": "rule b { condition: filesize > 3 }",
    }
    compiled = read(memoryview(engines.yara_x_rules(texts)))
    assert [(rule.space, rule.flags == "global") for rule in compiled.rules] == RULES
    return wasm.read(compiled.module)


def body(found: Module, *, holds: Instruction) -> list[Instruction]:
    """The first function with that instruction."""
    return next(item.body for item in found.functions if holds in item.body)


def test_conditions_are_all_that_is_left() -> None:
    found = frame.read(module(), RULES)
    assert len(found.conditions) == 3
    calls = [(wasm.CALL, number) for number in found.reports]
    for condition in found.conditions:
        assert not any(call in condition.body for call in calls)
    assert module().functions[found.check - len(module().imports)].signature.takes == b"\x7f"


def test_other_rules_than_those_of_the_file_are_refused() -> None:
    for rules in (
        RULES[:2], [*RULES, (2, False)], [(1, False), *RULES[1:]],
        [(1, True), (2, False), (2, False)],
        [(1, True), (1, False), (1, False)], [(1, True), (1, True), (2, False)],
    ):  # fmt: skip
        with pytest.raises(ParseError):
            frame.read(module(), rules)


def _drop_report(found: Module) -> None:
    rules = body(found, holds=(wasm.RETURN,))
    rules.remove((wasm.RETURN,))


def _other_number(found: Module) -> None:
    rules = body(found, holds=(wasm.RETURN,))
    number = (wasm.I32_CONST, 1)
    last = len(rules) - 1 - rules[::-1].index(number)
    rules[last] = (wasm.I32_CONST, 2)


def _behind_the_rules(found: Module) -> None:
    body(found, holds=(wasm.RETURN,))[-2:-2] = [(wasm.I32_CONST, 1), (wasm.RETURN,)]


def _before_the_calls(found: Module) -> None:
    body(found, holds=(wasm.BR_IF, 0))[:0] = [(wasm.RETURN,)]


def _called_twice(found: Module) -> None:
    spaces = next(item for item in found.functions if not item.signature.gives)
    calls = [at for at, item in enumerate(spaces.body) if item[0] == wasm.CALL]
    spaces.body[calls[1]] = spaces.body[calls[0]]


def _not_left(found: Module) -> None:
    spaces = next(item for item in found.functions if not item.signature.gives)
    spaces.body.remove((wasm.BR_IF, 0))


def _other_check(found: Module) -> None:
    check = next(item for item in found.functions if item.signature.takes)
    check.body[1] = (wasm.I32_CONST, 4)


def _one_more(found: Module) -> None:
    found.functions.append(found.functions[0])


def _other_start(found: Module) -> None:
    found.exports[:] = [item for item in found.exports if item[0] != "main"]


def _main_does_more(found: Module) -> None:
    main = next(at for name, kind, at in found.exports if (name, kind) == ("main", 0))
    found.functions[main - len(found.imports)].body[-2:-2] = [(wasm.NOP,)]


@pytest.mark.parametrize(
    "change",
    [
        _drop_report, _other_number, _behind_the_rules, _before_the_calls, _called_twice,
        _not_left, _other_check, _one_more, _other_start, _main_does_more,
    ],
)  # fmt: skip
def test_code_that_the_compiler_does_not_write_is_refused(
    change: Callable[[Module], None],
) -> None:
    found = module()
    change(found)
    with pytest.raises(ParseError):
        frame.read(found, RULES)
