"""The code that calls the rules of compiled YARA-X, checked so that only their conditions are left.

Source: YARA-X, lib/src/wasm/builder.rs, and what the wheel 1.23.0 writes. `main`
calls functions of namespaces; each has a block for each namespace, which calls
functions of rules and is left once a global rule does not match; a function of
rules has condition after condition, each with a report behind it. How many rules
and namespaces share a function follows from their order and says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.sigdb import wasm
from verifier.sigdb.wasm import Import, Instruction, Signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.sigdb.wasm import Function, Module

_VOID = -64
_END: Instruction = (wasm.END,)
_ZERO: Instruction = (wasm.I32_CONST, 0)
_ONE: Instruction = (wasm.I32_CONST, 1)
_RULES = Signature(b"", b"\x7f")
_NAMESPACES = Signature(b"", b"")
_MATCH, _NO_MATCH = "rule_match@rule_id:i64@", "rule_no_match@rule_id:i64@"
_CHECK = (
    Signature(b"\x7f", b"\x7f"),
    b"\x7f",
    [  # bit (parameter % 8) of the byte at (parameter / 8) of the bitmap of patterns
        (wasm.LOCAL_GET, 0), (wasm.I32_CONST, 3), (0x76,), (wasm.GLOBAL_GET, 0), (0x6A,),
        (0x2D, 0, 0), _ONE, (wasm.LOCAL_GET, 0), (wasm.I32_CONST, 8), (0x70,),
        (wasm.LOCAL_TEE, 1), (0x74,), (0x71,), (wasm.LOCAL_GET, 1), (0x76,), _END,
    ],
)  # fmt: skip


class Code(NamedTuple):
    """The condition of one rule, and the types of the locals that it may use."""

    body: list[Instruction]
    kinds: bytes


class Frame(NamedTuple):
    """The condition of each rule, and the number of the function that asks for a pattern."""

    conditions: list[Code]
    check: int  # -1 for none
    reports: list[int]  # the numbers of the functions that are told of rules


def read(module: Module, rules: Sequence[tuple[int, bool]]) -> Frame:
    """Cut the module into conditions.

    Args:
        module: all code.
        rules: the number of its namespace, and whether it is global, of each rule.

    Raises:
        ParseError: anything is not as the compiler writes it.
    """
    first = len(module.imports)
    blocks = [block for number in _called(module) for block in _blocks(module, number)]
    reports = [_report(module, name) for name in (_MATCH, _NO_MATCH)]
    found: list[Code] = []
    seen: set[int] = set()
    for block in blocks:
        start = len(found)
        for number in block:
            function = _local(module, number, _RULES)
            bodies = _cut(function.body, reports, len(found), rules)
            found += [Code(body, function.kinds) for body in bodies]
        spaces = {space for space, _ in rules[start : len(found)]}
        if len(spaces) != 1 or spaces & seen:
            raise ParseError("A block holds not exactly the rules of one namespace")
        seen |= spaces
    if len(found) != len(rules):
        raise ParseError("There are more rules than conditions")
    numbers = {number for block in blocks for number in block} | set(_called(module))
    numbers |= {index for _, kind, index in module.exports if kind == 0}
    left = [first + at for at in range(len(module.functions)) if first + at not in numbers]
    if len(left) > 1 or any(tuple(module.functions[at - first]) != _CHECK for at in left):
        raise ParseError("A WebAssembly function is none that the compiler writes")
    if len(numbers) != sum(map(len, blocks)) + len(_called(module)) + 1:
        raise ParseError("A WebAssembly function is called twice")
    return Frame(found, left[0] if left else -1, [number for _, number in reports])


def _local(module: Module, number: int, signature: Signature) -> Function:
    at = number - len(module.imports)
    if not 0 <= at < len(module.functions) or module.functions[at].signature != signature:
        raise ParseError("Rules are called by a function of a wrong kind")
    return module.functions[at]


def _called(module: Module) -> list[int]:
    """The functions of namespaces, as `main` calls them."""
    mains = [index for name, kind, index in module.exports if (name, kind) == ("main", 0)]
    if len(mains) != 1 or sum(kind == 0 for _, kind, _ in module.exports) != 1:
        raise ParseError("The WebAssembly module has not exactly one function to start with")
    body = _local(module, mains[0], _RULES).body
    calls = body[:-2]
    if body[-2:] != [_ZERO, _END] or any(call[0] != wasm.CALL for call in calls):
        raise ParseError("The function that calls all namespaces does something else")
    return [call[1] for call in calls]


def _blocks(module: Module, number: int) -> Iterator[list[int]]:
    """The functions of rules, by namespace, that a function of namespaces calls."""
    body = _local(module, number, _NAMESPACES).body
    at = 0
    while at < len(body) - 1:
        if body[at] != (wasm.BLOCK, _VOID):
            raise ParseError("A function of namespaces does something else")
        at += 1
        calls = []
        while body[at : at + 1] != [_END]:
            if len(body) - at < 3 or body[at][0] != wasm.CALL or body[at + 1] != (wasm.BR_IF, 0):
                raise ParseError("A block of a namespace does something else than call rules")
            calls.append(body[at][1])
            at += 2
        at += 1
        yield calls
    if body[at:] != [_END]:
        raise ParseError("A function of namespaces does not end where it should")


def _report(module: Module, name: str) -> Instruction:
    """The call of an import; a call of nothing if it is not imported."""
    known = Import("yara_x::wasm", name, Signature(b"\x7f", b""))
    return (wasm.CALL, module.imports.index(known) if known in module.imports else -1)


def _cut(
    body: list[Instruction],
    reports: list[Instruction],
    first: int,
    rules: Sequence[tuple[int, bool]],
) -> Iterator[list[Instruction]]:
    """The conditions of one function of rules; the first one is of rule number `first`."""
    start = depth = 0
    number = first
    for at, instruction in enumerate(body[:-2]):
        opcode = instruction[0]
        if opcode in (wasm.BLOCK, wasm.LOOP, wasm.IF):
            depth += 1
        elif opcode == wasm.END:
            depth -= 1
            if depth < 0:
                raise ParseError("A function of rules ends too early")
            if depth == 0 and body[at - 1] == reports[0]:
                if number >= len(rules):
                    raise ParseError("There are more conditions than rules")
                tail = _tail(number, reports, is_global=rules[number][1])
                end = at + 1 - len(tail)
                if end < start or body[end : at + 1] != tail:
                    raise ParseError("A rule is not reported as the compiler does it")
                yield body[start:end]
                start, number = at + 1, number + 1
    if depth or start != len(body) - 2 or body[-2:] != [_ZERO, _END]:
        raise ParseError("A function of rules does something behind its rules")


def _tail(number: int, reports: list[Instruction], *, is_global: bool) -> list[Instruction]:
    """What stands behind the condition of a rule."""
    this = (wasm.I32_CONST, number)
    silent = [this, reports[1], _ONE, (wasm.RETURN,)] if is_global else []
    then = [(wasm.IF, _VOID), *silent, (wasm.ELSE,), this, reports[0], _END]
    return [(0x45,), *then]
