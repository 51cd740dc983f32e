"""Rules compiled by YARA-X, read without the engine: every byte, or an error.

Conditions are functions of one WebAssembly module, cut apart, in which numbers
become the names of what they stand for. The automaton that searches for atoms is
derived anew from them and compared. Left out of the records is only what the
compiler derives from the rest and what is checked against it, and the order of
what has a name. That two conditions are equal once numbers are names says that
they do the same, provided that one of the two files was written by the engine.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB
from verifier.sigdb import sniff, wasm
from verifier.sigdb.base import Effect, Family, File, Options, Record
from verifier.sigdb.yara_weakening import CLASSES, weakening
from verifier.sigdb.yarx import automaton, frame, variables
from verifier.sigdb.yarx.condition import Conditions
from verifier.sigdb.yarx.implied import Implied
from verifier.sigdb.yarx.layout import Compiled, Rule, read
from verifier.sigdb.yarx.patterns import Patterns
from verifier.sigdb.yarx.pools import Pool, Pools, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.wasm import Module

_POOLS = ("texts", "regular expressions", "sets of texts", "sets of regular expressions")
_MEMBERS = 65_536  # of one set
_TEXT = 256 * MIB  # of all records
REST = "what belongs to no single rule"  # no rule's name has a space


def records(file: File, _options: Options) -> Iterator[Record]:
    """One record for each rule, module and variable, and one for what belongs to none of them."""
    compiled = read(file.data)
    automaton.check(compiled.automaton, [atom.data for atom in compiled.atoms])
    whole = (file.path, 0, len(file.data))
    known = variables.fields(compiled.variables)
    modules = set(compiled.imports)
    if modules - {name for name, _ in known} or len(modules) != len(compiled.imports):
        raise ParseError("A module is imported twice, or has no fields")
    for name, value in known:
        what = "import" if name in modules else "external"
        yield Record("", f"{what} {name}", (("value", value),), Effect.SETTING, whole)
    pools = _pools(compiled, [name for name, _ in known])
    patterns = Patterns(compiled, pools.texts)
    module = wasm.read(compiled.module)
    spaces = [(rule.space, "global" in rule.flags.split()) for rule in compiled.rules]
    code = frame.read(module, spaces)
    conditions = Conditions(module, code, pools, patterns.literals())
    texts = [patterns.text(number) for number in range(len(compiled.limits))]
    read_conditions = [
        conditions.read(number, code.conditions[number], _by_number(rule))
        for number, rule in enumerate(compiled.rules)
    ]
    needed = _needed(compiled.rules, conditions.implied)
    left = _TEXT
    for rule, condition, implied in zip(compiled.rules, read_conditions, needed, strict=True):
        strings = [
            texts[pattern.number] + patterns.bounds(pattern.number, implied)
            for pattern in rule.patterns
        ]
        body = tuple(_body(rule, strings, condition, pools))
        left -= sum(len(value) for _, value in body)
        if left < 0:
            raise LimitError(f"The rules of a file are more than {_TEXT} bytes as text.")
        yield Record(rule.namespace, rule.name, body, Effect.DETECT, whole)
    for name, value in _groups(compiled.rules):
        yield Record("", f"parts of {name}", (("global", value),), Effect.SETTING, whole)
    rest = tuple(_rest(compiled, module, conditions, pools, patterns))
    yield Record("", REST, rest, Effect.DETECT, whole)


def _pools(compiled: Compiled, known: list[str]) -> Pools:
    rules = [f"{rule.namespace}:{rule.name}" for rule in compiled.rules]
    if len(set(rules)) != len(rules):
        raise ParseError("Two rules of a namespace have one name")
    texts = listed("text", [shown(text) for text in compiled.texts])
    regexes = listed("regular expression", [shown(text.encode()) for text in compiled.regexes])
    return Pools(
        texts,
        regexes,
        _sets("set of texts", compiled.text_sets, texts),
        _sets("set of regular expressions", compiled.regex_sets, regexes),
        listed("module or variable", known),
        rules,
    )


def _sets(what: str, sets: dict[int, list[int]], members: Pool[str]) -> Pool[str]:
    if any(len(numbers) > _MEMBERS for numbers in sets.values()):
        raise LimitError(f"A {what} has more than {_MEMBERS} members.")
    return Pool(
        what,
        {
            number: shown(" ".join(map(members.get, numbers)).encode())
            for number, numbers in sets.items()
        },
    )


def _labels(rule: Rule) -> list[str]:
    """The names of a rule's patterns; those without a name are numbered."""
    labels = []
    anonymous = 0
    for pattern in rule.patterns:
        anonymous += pattern.name == "$"
        labels.append(pattern.name if pattern.name != "$" else f"$#{anonymous:04}")
    return labels


def _by_number(rule: Rule) -> dict[int, str]:
    """The name of each pattern by its number; of two that are one the first in the alphabet."""
    labels: dict[int, str] = {}
    for pattern, label in zip(rule.patterns, _labels(rule), strict=True):
        labels[pattern.number] = min(label, labels.get(pattern.number, label))
    return labels


def _needed(rules: list[Rule], implied: list[Implied]) -> list[Implied]:
    """What must be true of a file for each rule to be reported: global rules have a say."""
    spaces: dict[int, Implied] = {}
    for rule, own in zip(rules, implied, strict=True):
        if "global" in rule.flags.split():
            spaces.setdefault(rule.space, Implied()).add(own)
    for rule, own in zip(rules, implied, strict=True):
        if rule.space in spaces:
            own.add(spaces[rule.space])
    return implied


def _body(
    rule: Rule, strings: list[str], condition: str, pools: Pools
) -> Iterator[tuple[str, str]]:
    yield "flags", rule.flags
    yield "tags", " ".join(sorted(rule.tags))
    metas = [
        (name, value if text is None else f"{value} {pools.texts.get(text)}")
        for name, value, text in rule.metas
    ]
    for name, value in sorted(metas):
        yield f"meta {name}", value
    for label, pattern, string in sorted(zip(_labels(rule), rule.patterns, strings, strict=True)):
        private = "private " if pattern.private else ""
        yield f"string {label}", f"{private}{pattern.kind}: {string}"
    yield "condition", condition


def _rest(
    compiled: Compiled, module: Module, conditions: Conditions, pools: Pools, patterns: Patterns
) -> Iterator[tuple[str, str]]:
    """What no rule, module or variable tells."""
    yield "escapes in regular expressions", "relaxed" if compiled.relaxed else "strict"
    yield "module", "; ".join(conditions.left())
    for number, content in module.rest:
        yield f"section {number}", content.hex()
    yield "code", patterns.left()
    yield "unused names", shown(repr(compiled.unnamed).encode())
    for name, pool in zip(_POOLS, pools[:4], strict=True):
        yield f"unused {name}", shown(" ".join(pool.unused()).encode())


def _groups(rules: list[Rule]) -> Iterator[tuple[str, str]]:
    """Which rules a global rule silences, for namespaces that are there more than once."""
    spaces: dict[str, dict[int, list[Rule]]] = {}
    for rule in rules:
        spaces.setdefault(rule.namespace, {}).setdefault(rule.space, []).append(rule)
    for name, parts in sorted(spaces.items()):
        found = []
        for part in parts.values():
            names = sorted(rule.name for rule in part)
            if any("global" in rule.flags.split() for rule in part):
                found.append(hashlib.sha256(" ".join(names).encode()).hexdigest())
        if len(parts) > 1 and found:
            yield name, " ".join(sorted(found))


FAMILY = Family(
    name="yarx",
    accepts=sniff.yarx,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "The order of rules, patterns, texts, modules and tags, and all numbers that follow.",
        "In which files a pattern is looked for, where its rule can hold for no others.",
        "How the WebAssembly module shares rules out over functions, and its locals.",
        "Where the states of the automaton that searches for atoms lie in its table.",
    ),
    together="file",
)
