"""Conditions: libyara's code as text, with names in place of pointers and numbers.

Source: libyara, exec.c, parser.c and grammar.y of 4.2.3 and 4.5.4. The compiler
writes the rules' code in the order of the rules, each from INIT_RULE to
MATCH_RULE, with imports between them and one HALT at the end.
"""

from __future__ import annotations

import struct
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from verifier.sigdb.yarc import opcodes
from verifier.sigdb.yarc.arena import CODE, POOL, REGEX, STRINGS, Ref
from verifier.sigdb.yarc.regex import Program
from verifier.sigdb.yarc.tables import STRING_SIZE

if TYPE_CHECKING:
    from verifier.sigdb.yarc.arena import Arena
    from verifier.sigdb.yarc.tables import Rule, String

_NUMBERS = {opcodes.U8: "<B", opcodes.U16: "<H", opcodes.U32: "<I", opcodes.U64: "<Q"}
_LITERAL = 0x400
_SET = "push-undefined"  # what the compiler puts below the members of a set


class Code(NamedTuple):
    """What all code says: a condition for each rule, and the modules that are imported."""

    conditions: list[str]
    imports: list[str]


class _Reader:
    """Walks the code once; `regex` is where the next regular expression must start."""

    def __init__(self, arena: Arena, rules: list[Rule], known: set[str]) -> None:
        self.arena = arena
        self.code = arena.bytes[CODE]
        self.table = opcodes.INSTRUCTIONS[arena.version]
        self.rules = rules
        self.known = known  # names that code may load: modules and external variables
        self.imports: list[str] = []
        self.regex = 0

    def instruction(self, at: int) -> tuple[opcodes.Instruction, int]:
        """The instruction at an offset, and where the next one starts."""
        known = self.table.get(self.code[at]) if at < len(self.code) else None
        if known is None:
            raise self.arena.error("This is no instruction of a condition", CODE, at)
        end = at + 1 + opcodes.SIZES[known.operand]
        if end > len(self.code):
            raise self.arena.error("An instruction is cut short", CODE, at)
        return known, end

    def number(self, at: int, kind: int) -> int:
        """An operand that is a number."""
        return int(struct.unpack_from(_NUMBERS[kind], self.code, at)[0])

    def text(self, at: int) -> str:
        """An operand that is a name."""
        return self.arena.text(self.arena.needed(CODE, at, POOL))

    def between(self, at: int) -> int:
        """Read the imports before a rule or the end; returns where that starts."""
        while True:
            known, end = self.instruction(at)
            if known.name != "import":
                return at
            name = self.text(at + 1)
            self.imports.append(name)
            self.known.add(name)
            at = end

    def rule(self, at: int, index: int) -> tuple[str, int]:
        """The condition of rule `index`, and where its code ends."""
        known, end = self.instruction(at)
        if known.name != "init-rule":
            raise self.arena.error("The code of a rule is missing", CODE, at)
        jump, number = struct.unpack_from("<iI", self.code, at + 1)
        if number != index:
            raise self.arena.error("The code of rules is out of order", CODE, at)
        start, stop = at, at + jump
        parts: list[str] = []
        targets: list[int] = []
        boundaries: set[int] = set()
        at = end
        while True:
            boundaries.add(at)
            known, end = self.instruction(at)
            if known.name == "match-rule":
                break
            parts.append(self.shown(known, at, index, targets))
            at = end
        if end != stop or self.number(at + 1, opcodes.U64) != index:
            raise self.arena.error("The code of a rule ends elsewhere", CODE, start)
        if not boundaries.issuperset(targets):
            raise self.arena.error("A condition jumps between instructions", CODE, start)
        return "; ".join(_sorted_sets(parts)), end

    def shown(self, known: opcodes.Instruction, at: int, index: int, targets: list[int]) -> str:
        """One instruction as text."""
        operand = known.operand
        if operand == opcodes.NOTHING and known.name != "halt":
            return known.name
        if operand in _NUMBERS:
            return f"{known.name} {self.number(at + 1, operand):#x}"
        if operand == opcodes.JUMP:
            (jump,) = struct.unpack_from("<i", self.code, at + 1)
            targets.append(at + jump)
            return f"{known.name} {jump:+}"
        if operand == opcodes.PUSH:
            return f"push {self.pushed(at + 1, index)}"
        if operand == opcodes.RULE:
            return f"rule {self.referred(at, index)}"
        if operand == opcodes.TEXT and known.name != "import":
            name = self.text(at + 1)
            if known.name == "load" and name not in self.known:
                raise self.arena.error("A condition uses a name that is not there", CODE, at)
            return f"{known.name} {name!r}"
        raise self.arena.error(f"{known.name} stands inside a condition", CODE, at)

    def referred(self, at: int, index: int) -> str:
        """The name of another rule; it must have been evaluated before this one."""
        number = self.number(at + 1, opcodes.U64)
        if number >= index or self.rules[number].namespace != self.rules[index].namespace:
            raise self.arena.error("A condition uses a rule that is not before it", CODE, at)
        return self.rules[number].name

    def pushed(self, at: int, index: int) -> str:
        """What is pushed: a string of the rule, a text, a regular expression, or a number."""
        if not self.arena.is_pointer(CODE, at):
            return f"number {self.number(at, opcodes.U64):#x}"
        target = struct.unpack_from("<I", self.code, at)[0]
        if target not in (STRINGS, POOL, REGEX):
            raise self.arena.error("A condition points nowhere", CODE, at)
        ref = Ref(target, self.arena.needed(CODE, at, target))
        if target == STRINGS:
            return self.string(ref, at, index).label
        if target == POOL:
            return self.sized(ref.offset)
        if ref.offset != self.regex or ref.offset + 4 > len(self.arena.bytes[REGEX]):
            raise self.arena.error("A regular expression is not where it belongs", CODE, at)
        (flags,) = struct.unpack_from("<I", self.arena.bytes[REGEX], ref.offset)
        program = Program(self.arena, ref.offset + 4)
        self.regex = program.end
        return f"regex {flags:#x} [{program.text}]"

    def string(self, ref: Ref, at: int, index: int) -> String:
        """The string of this rule that a pointer leads to."""
        rule = self.rules[index]
        number, rest = divmod(ref.offset, STRING_SIZE)
        if rest or not 0 <= number - rule.first < len(rule.strings):
            raise self.arena.error("A condition uses a string of another rule", CODE, at)
        return rule.strings[number - rule.first]

    def sized(self, offset: int) -> str:
        """A text of known length."""
        pool = self.arena.bytes[POOL]
        if offset + 9 > len(pool):
            raise self.arena.error("A text is cut short", POOL, offset)
        length, flags = struct.unpack_from("<II", pool, offset)
        raw = self.arena.raw(offset, length + 9)[8:]
        if raw[-1]:
            raise self.arena.error("A text has no end", POOL, offset)
        return f"text {flags:#x} {raw[:-1]!r}"

    def programs(self, rule: Rule) -> None:
        """The code of a rule's strings, which comes before that of its condition."""
        for string in rule.strings:
            if string.flags & _LITERAL:
                continue
            forward = Program(self.arena, self.regex)
            backward = Program(self.arena, forward.end)
            string.programs = (forward, backward)
            self.regex = backward.end


def read(arena: Arena, rules: list[Rule], externals: set[str]) -> Code:
    """All code of the file, to its last byte; fills in the programs of the strings."""
    reader = _Reader(arena, rules, set(externals))
    conditions = []
    at = 0
    for index, rule in enumerate(rules):
        at = reader.between(at)
        reader.programs(rule)
        text, at = reader.rule(at, index)
        conditions.append(text)
    at = reader.between(at)
    known, end = reader.instruction(at)
    if known.name != "halt" or end != len(reader.code):
        raise arena.error("The code does not end after the last rule", CODE, at)
    if reader.regex != len(arena.bytes[REGEX]):
        raise arena.error("A regular expression belongs to nothing", REGEX, reader.regex)
    return Code(conditions, reader.imports)


def _sorted_sets(parts: list[str]) -> list[str]:
    """Put the members of each set of strings or rules in order: a set has none.

    The compiler pushes a mark and then the members; one that stands elsewhere
    is followed by what is done with it, so that two in a row are always a set.
    """
    found: list[str] = []
    for kind, group in groupby(parts, _member):
        members = list(group)
        if kind and found and found[-1] == _SET:
            members.sort()
        found += members
    return found


def _member(part: str) -> str:
    if part.startswith("push $"):
        return "string"
    return "rule" if part.startswith("rule ") else ""
