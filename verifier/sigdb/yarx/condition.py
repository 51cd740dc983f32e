"""The condition of a rule as text that does not depend on where its rule stands in the file.

Numbers become the names of what they stand for, locals are numbered by their
first use, and what the compiler writes for `any of`, `all of` and `2 of` becomes
one form: it writes ranges of patterns or a loop, as their numbers happen to be.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb import wasm
from verifier.sigdb.yarx.flow import Flow, Kind, parameters
from verifier.sigdb.yarx.implied import Implied, Reader
from verifier.sigdb.yarx.sets import reduced
from verifier.sigdb.yarx.steps import Question, Range

if TYPE_CHECKING:
    from verifier.sigdb.wasm import Import, Instruction, Module, Signature
    from verifier.sigdb.yarx.frame import Code, Frame
    from verifier.sigdb.yarx.pools import Pool, Pools

_NAMES = {
    wasm.BLOCK: "block", wasm.LOOP: "loop", wasm.IF: "if", wasm.ELSE: "else", wasm.END: "end",
    wasm.BR: "leave", wasm.BR_IF: "leave if", wasm.BR_TABLE: "switch", wasm.RETURN: "return",
    wasm.I32_CONST: "i32", wasm.I64_CONST: "i64", wasm.F64_CONST: "f64 bits",
    wasm.GLOBAL_GET: "global", wasm.SELECT: "select", wasm.UNREACHABLE: "unreachable",
    0x29: "i64 load", 0x2D: "byte load", 0x36: "i32 store", 0x37: "i64 store",
    0x45: "not", 0x50: "i64 = 0", 0x51: "i64 =", 0x52: "i64 !=", 0x53: "i64 <", 0x55: "i64 >",
    0x57: "i64 <=", 0x59: "i64 >=", 0x5A: "i64 >= 0x5a", 0x71: "i32 and", 0x76: "i32 >>",
    0x7C: "i64 +", 0x7D: "i64 -", 0x7E: "i64 *", 0x7F: "i64 /", 0xA7: "i32 of i64",
}  # fmt: skip
_PRINTABLE = re.compile(r"[!-~]+")  # no spaces, which stand between the parts of a condition
_WORDS = {
    Kind.REGEX: "regex", Kind.TEXTS: "texts", Kind.REGEXES: "regexes", Kind.FIELD: "field",
}  # fmt: skip
_LOCALS = {wasm.LOCAL_GET: "get", wasm.LOCAL_SET: "set", wasm.LOCAL_TEE: "tee"}
_RANGE = (
    "yara_x::wasm::pat_range_match@pattern_id_start:i64,pattern_id_end:i64,required:i64@b 7f7f7e>7f"
)


class Conditions:
    """All conditions of a file; `implied` has what each says of sizes and starts of files."""

    def __init__(
        self, module: Module, frame: Frame, pools: Pools, literals: dict[int, bytes]
    ) -> None:
        self._pools = pools
        self._module = module
        self._signatures = [item.signature for item in module.imports]
        self._signatures += [item.signature for item in module.functions]
        self._names = {at: _name(item) for at, item in enumerate(module.imports)}
        self._kinds = [parameters(item.name) for item in module.imports]
        self._kinds += [[] for _ in module.functions]
        if frame.check >= 0:
            self._names[frame.check] = "pattern_match"
            self._kinds[frame.check] = [Kind.PATTERN]
        self._check = frame.check
        self._ranges = {at for at, name in self._names.items() if name == _RANGE}
        self.implied: list[Implied] = []
        self._reader = Reader(self._names, self.implied, literals)
        self._called = {*frame.reports, *self._ranges}

    def read(self, number: int, code: Code, patterns: dict[int, str]) -> str:
        """The condition of rule `number` as text; rules must be read in their order.

        Args:
            number: of the rule.
            code: what the module has of it.
            patterns: the names of the rule's own patterns, by their numbers.
        """
        flow = Flow(self._signatures, self._kinds, self._module.types)
        kinds = flow.read(code.body)
        steps = reduced(code.body, kinds, patterns, self._check, self._ranges)
        if any(isinstance(step, int) and step >= number for step in steps):
            raise ParseError("A condition asks for a rule that comes later")
        self.implied.append(self._reader.read(steps))
        locals_ = _Locals(code.kinds)
        return ", ".join(
            str(step)
            if isinstance(step, Question | Range)
            else f"rule {self._pools.rules[step]!r}"
            if isinstance(step, int)
            else self._step(*step, patterns, locals_)
            for step in steps
        )

    def left(self) -> list[str]:
        """What the module has besides conditions: exports, and what no condition uses."""
        module = self._module
        found = [f"export {name!r} {kind} {at}" for name, kind, at in module.exports if kind]
        unused = set(range(len(module.imports))) - self._called
        found += sorted(f"import {self._names[at]}" for at in unused)
        types = {*module.types}.difference(self._signatures)
        return found + sorted(f"type {_signature(kind)}" for kind in types)

    def _step(
        self,
        instruction: Instruction,
        kind: int,
        patterns: dict[int, str],
        locals_: _Locals,
    ) -> str:
        opcode = instruction[0]
        if kind and kind & (kind - 1) == 0:
            named = self._named(Kind(kind), instruction[1], patterns)
            return f"{_NAMES[opcode]} {named}"
        if opcode == wasm.CALL:
            number = instruction[1]
            if number not in self._names:
                raise ParseError("A condition calls a function that is none of the engine's")
            self._called.add(number)
            return f"call {self._names[number]}"
        if opcode in _LOCALS:
            return f"{_LOCALS[opcode]} {locals_.name(instruction[1])}"
        arguments = [str(item) for item in instruction[1:]]
        if opcode in (wasm.BLOCK, wasm.LOOP, wasm.IF):
            arguments = [self._block(instruction[1])]
        return " ".join([_NAMES.get(opcode, f"{opcode:#04x}"), *arguments])

    def _block(self, kind: int) -> str:
        if kind < 0:
            return str(kind)
        if kind >= len(self._module.types):
            raise ParseError("A block is of no known type")
        return _signature(self._module.types[kind])

    def _named(self, kind: Kind, number: int, patterns: dict[int, str]) -> str:
        pools = self._pools
        if kind is Kind.UNREAD:
            return "number that nothing reads"
        if kind is Kind.PATTERN:
            if number not in patterns:
                raise ParseError("A condition asks for a pattern of another rule")
            return f"pattern {patterns[number]}"
        if kind is Kind.TEXT:
            if number & 3:
                raise ParseError("A text in a condition is none of the file's texts")
            return f"text {pools.texts.get(number >> 2)}"
        named: dict[Kind, Pool[str]] = {
            Kind.REGEX: pools.regexes, Kind.TEXTS: pools.text_sets,
            Kind.REGEXES: pools.regex_sets, Kind.FIELD: pools.fields,
        }  # fmt: skip
        if kind not in named:
            raise ParseError("A range of patterns is not where the compiler writes it")
        return f"{_WORDS[kind]} {named[kind].get(number)}"


def _signature(signature: Signature) -> str:
    return f"{signature.takes.hex()}>{signature.gives.hex()}"


def _name(item: Import) -> str:
    """An imported function with its types, which the engine looks at too."""
    if not _PRINTABLE.fullmatch(item.module + item.name):
        raise ParseError("The name of an imported function could pass for something else")
    return f"{item.module}::{item.name} {_signature(item.signature)}"


class _Locals:
    """Locals by type and first use: which of them a rule has depends on its neighbours."""

    def __init__(self, kinds: bytes) -> None:
        self._kinds = kinds
        self._names: dict[int, str] = {}
        self._counts: Counter[int] = Counter()

    def name(self, number: int) -> str:
        if number not in self._names:
            if number >= len(self._kinds):
                raise ParseError("A condition uses a local that is missing")
            kind = self._kinds[number]
            self._names[number] = f"{kind:#x}.{self._counts[kind]}"
            self._counts[kind] += 1
        return self._names[number]
