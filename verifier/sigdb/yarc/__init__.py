"""Rules compiled by libyara 4 (`yarac`), read without the engine: every byte, or an error.

Left out of the records is only what the compiler derives from the rest and what
is checked against it: slots of the automaton's tables, indexes, the order of
rules (references lead to earlier rules by name; the engine decides on globals
after all rules), of relocations, of strings and of the members of a set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, File, Options, Record
from verifier.sigdb.yara_sample import COMPILED_ENGINE, of_compiled
from verifier.sigdb.yara_weakening import CLASSES, weakening
from verifier.sigdb.yarc.arena import NAMES, RULES, Arena
from verifier.sigdb.yarc.automaton import atoms
from verifier.sigdb.yarc.condition import read
from verifier.sigdb.yarc.tables import (
    STRING_SIZE,
    Rule,
    String,
    externals,
    fixed_text,
    namespaces,
    rule_flags,
    rules,
    string_flags,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.yarc.automaton import Atom


def records(file: File, _options: Options) -> Iterator[Record]:
    """One record for each rule, import, external variable, and namespace without a rule."""
    arena = Arena(file.data)
    spaces = namespaces(arena)
    variables = externals(arena)
    found = rules(arena, spaces)
    code = read(arena, found, {name for name, _ in variables})
    _attach(arena, found, atoms(arena, STRING_SIZE))
    arena.finish()
    whole = (file.path, 0, len(file.data))
    yield Record("", "format", (("version", str(arena.version)),), Effect.SETTING, whole)
    for name in sorted(set(code.imports)):
        yield Record("", f"import {name}", (), Effect.SETTING, whole)
    for name, value in variables:
        yield Record("", f"external {name}", (("value", value),), Effect.SETTING, whole)
    for name in sorted({space.name for space in spaces} - {rule.namespace for rule in found}):
        yield Record("", f"namespace {name}", (), Effect.SETTING, whole)
    size = len(arena.bytes[RULES]) // (len(found) + 1)
    for index, (rule, condition) in enumerate(zip(found, code.conditions, strict=True)):
        place = (file.path, arena.start[RULES] + index * size, size)
        body = tuple(_body(rule, condition))
        yield Record(rule.namespace, rule.name, body, Effect.DETECT, place)


def _attach(arena: Arena, found: list[Rule], all_atoms: list[Atom]) -> None:
    """Give each atom to its string; they must come in the order of the strings."""
    strings = [string for rule in found for string in rule.strings]
    last = 0
    for atom in all_atoms:
        if atom.string < last or atom.string >= len(strings):
            raise arena.error(f"The {NAMES[10]} are not in the order of their strings", 10)
        last = atom.string
        string = strings[atom.string]
        string.atoms.append(_atom(arena, string, atom))


def _atom(arena: Arena, string: String, atom: Atom) -> str:
    """One atom as text; its code must be the string's own."""
    shown = f"{atom.path.hex()}-{atom.backtrack}"
    if string.programs is None:
        if atom.forward >= 0 or atom.backward >= 0:
            raise arena.error("A literal string has the code of a regular expression", 10)
        return shown
    for sign, offset, program in zip(
        "<>", (atom.backward, atom.forward), string.programs[::-1], strict=True
    ):
        if offset >= 0 and offset not in program.boundaries:
            raise arena.error("A match goes on in the code of another string", 10)
        shown += f"{sign}{offset - program.start}" if offset >= 0 else sign
    return shown


def _body(rule: Rule, condition: str) -> Iterator[tuple[str, str]]:
    yield "flags", rule_flags(rule)
    yield "tags", " ".join(sorted(rule.tags))
    for name, value in sorted(rule.metas):
        yield f"meta {name}", value
    for string in sorted(rule.strings, key=lambda item: item.label):
        yield f"string {string.label}", _string(string)
    yield "condition", condition
    yield "counts", f"{rule.atoms} atoms, {rule.required} required"


def _string(string: String) -> str:
    parts = [string_flags(string)]
    if string.data is not None:
        parts.append(f"text {string.data.hex()}")
    if string.programs is not None:
        parts += [f"forward [{string.programs[0].text}]", f"backward [{string.programs[1].text}]"]
    parts.append(f"at {fixed_text(string)}")
    if string.chained >= 0:
        parts.append(f"gap {string.gap[0]} to {string.gap[1]}")
    parts.append("atoms " + " ".join(string.atoms))
    return "; ".join(parts)


FAMILY = Family(
    name="yarc",
    accepts=sniff.yarc,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "The order of rules, strings and tags, and all numbers that follow from it.",
        "Where the automaton's states lie in its tables.",
    ),
    together="file",
    engine=COMPILED_ENGINE,
    sample=of_compiled,
)
