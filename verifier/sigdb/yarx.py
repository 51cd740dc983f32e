"""Rules compiled by YARA-X, as far as they can be read without the engine.

Source: YARA-X, lib/src/compiler/rules.rs, and what the wheel 1.23.0 writes
(format 12; bincode 2 with its standard variable-length integers). Conditions
are functions of one WebAssembly module, which are cut behind each report of a
rule; the numbers of patterns and texts in them stay numbers. Texts,
parts of patterns, atoms and their code are booked for the rule that has them
(`yarx_ledger`). All other bytes, among them the whole Aho-Corasick automaton,
which is not read yet, are a record of their own, so that two files that differ
are never equal; a change of an atom names that record beside the rule.
Rules in another order give other numbers everywhere: to settle such a file,
rebuild it with the recipe `yara`, whose result is bit-identical if rules, their
order and the engine are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB
from verifier.sigdb import difference, sniff
from verifier.sigdb.base import Change, Effect, Family, File, Files, Options, Record
from verifier.sigdb.bincode import Reader
from verifier.sigdb.wasm import pieces
from verifier.sigdb.yara_weakening import CLASSES, weakening
from verifier.sigdb.yarx_ledger import NOBODY, Atom, Ledger, update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"YARA-X\0\0"
VERSION = 12
SIZE = 128 * MIB
REST = "patterns and code of no single rule"  # no rule's name has a space
_LAYOUT = "numbers"
_REPORT = b"rule_match@"
_KINDS = ("text", "hex", "regex")


class _Pattern(NamedTuple):
    number: int
    name: str
    kind: str
    private: bool


class _Rule(NamedTuple):
    namespace: str
    name: str
    flags: str
    tags: list[str]
    metas: list[tuple[str, str]]
    patterns: list[_Pattern]


def records(file: File, _options: Options) -> Iterator[Record]:
    """One record for what is known of each rule, and one for all other bytes."""
    data = file.data
    if len(data) > SIZE:
        raise LimitError(f"Compiled rules of {len(data)} bytes; {SIZE} are the most.")
    if bytes(data[:8]) != MAGIC or len(data) < 12:
        raise ParseError("This is no file of rules compiled by YARA-X", 0)
    version = int.from_bytes(data[8:12], "little")
    if version != VERSION:
        raise ParseError(f"YARA-X's format {version} is not known here, only {VERSION}", 8)
    whole = (file.path, 0, len(data))
    reader = Reader(data, 12)
    identifiers = [reader.text() for _ in reader.items()]
    for _ in reader.items():
        reader.text()  # regular expressions of conditions
    reader.boolean()  # whether odd escapes in them are allowed
    names_end = reader.at
    literals = [reader.raw() for _ in reader.items()]
    module = reader.raw()
    after = reader.at
    if reader.boolean():
        reader.raw()  # native code for one platform
    imports = [_at(reader, identifiers) for _ in reader.items()]
    rules = [_rule(reader, identifiers, literals) for _ in reader.items()]
    if len({(rule.namespace, rule.name) for rule in rules}) != len(rules):
        raise ParseError("Two rules of a namespace have one name", reader.at)
    conditions, rest = _conditions(module, len(rules))
    ledger = Ledger(len(rules), rest)
    ledger.add(NOBODY, bytes(data[:names_end]))
    ledger.add(NOBODY, bytes(data[after : reader.at]))
    subs = _booked(reader, literals, ledger, rules)
    for name in sorted(set(imports)):
        yield Record("", f"import {name}", (), Effect.SETTING, whole)
    numbers = (len(identifiers), len(literals), [rule.patterns for rule in rules])
    for at, (rule, condition) in enumerate(zip(rules, conditions, strict=True)):
        body = (*_body(rule, subs), ("code", ledger.digest(at)), ("condition", condition))
        yield Record(rule.namespace, rule.name, body, Effect.DETECT, whole)
    layout = hashlib.sha256(repr(numbers).encode()).hexdigest()
    body = (("sha256", rest.hexdigest()), (_LAYOUT, layout))
    yield Record("", REST, body, Effect.DETECT, whole)


def _conditions(module: bytes, rules: int) -> tuple[list[str], hashlib._Hash]:
    """The code of each rule's condition, and a digest of all other code and the places of both."""
    rest = hashlib.sha256()
    found: list[list[str]] = [[] for _ in range(rules)]
    for piece in pieces(module, _REPORT):
        if 0 <= piece.argument < rules:
            found[piece.argument].append(piece.code.hex())
            update(rest, piece.argument, b"")
        else:
            update(rest, -1, piece.code)
    return [", ".join(codes) for codes in found], rest


def _at(reader: Reader, pool: list[str]) -> str:
    number = reader.unsigned()
    if number >= len(pool):
        raise ParseError("A name is not in the pool of names", reader.at)
    return pool[number]


def _literal(reader: Reader, literals: _LiteralUses | list[bytes]) -> str:
    """A text of the pool, as Python writes bytes."""
    number = reader.unsigned()
    pool = literals if isinstance(literals, list) else literals.note(number)
    if number >= len(pool):
        raise ParseError("A text is not in the pool of texts", reader.at)
    return repr(pool[number])


def _rule(reader: Reader, names: list[str], literals: list[bytes]) -> _Rule:
    reader.signed()  # the namespace's number
    namespace, name = _at(reader, names), _at(reader, names)
    tags = [_at(reader, names) for _ in reader.items()]
    metas = [(_at(reader, names), _meta(reader, literals)) for _ in reader.items()]
    patterns = [
        _Pattern(reader.signed(), _at(reader, names), _kind(reader), reader.boolean())
        for _ in reader.items()
    ]
    private = reader.unsigned()
    if private != sum(pattern.private for pattern in patterns):
        raise ParseError("The number of private patterns is wrong", reader.at)
    flags = [name for name in ("global", "private") if reader.boolean()]
    return _Rule(namespace, name, " ".join(flags), tags, metas, patterns)


def _kind(reader: Reader) -> str:
    number = reader.unsigned()
    if number >= len(_KINDS):
        raise ParseError("A pattern is neither text nor hex nor a regular expression", reader.at)
    return _KINDS[number]


def _meta(reader: Reader, literals: list[bytes]) -> str:
    variant = reader.unsigned()
    if variant == 0:
        return f"boolean {reader.boolean()}"
    if variant == 1:
        return str(reader.signed())
    if variant == 2:
        return repr(reader.double())
    if variant in (3, 4):
        return f"{'text' if variant == 3 else 'bytes'} {_literal(reader, literals)}"
    raise ParseError("A meta has no known type", reader.at)


def _booked(
    reader: Reader, literals: list[bytes], ledger: Ledger, rules: list[_Rule]
) -> dict[int, list[str]]:
    """Read and book all that follows the rules, then the texts."""
    owners: dict[int, int] = {}
    first: dict[int, int] = {}
    for at, rule in enumerate(rules):
        for item in rule.patterns:
            owners.setdefault(item.number, at)
    for pattern in sorted(owners, reverse=True):
        first[owners[pattern]] = pattern
    used: dict[int, int] = {}
    found = _sub_patterns(_Parts(reader, literals, ledger, owners, first, used, []))
    for number, literal in enumerate(literals):
        ledger.add(used.get(number, NOBODY), literal)
    return found


class _Parts(NamedTuple):
    """What parts of patterns are read with; `owners` and `first` are by pattern and by rule."""

    reader: Reader
    literals: list[bytes]
    ledger: Ledger
    owners: dict[int, int]
    first: dict[int, int]
    used: dict[int, int]
    numbers: list[int]

    def book(self, pattern: int, text: str) -> None:
        """Something is of the rule that has the pattern, whose number counts from its first one."""
        owner = self.owners.get(pattern, NOBODY)
        own = pattern - self.first.get(owner, 0)
        self.ledger.add(owner, f"{own} {text}".encode())

    def book_map(self, step: Callable[[Reader], None]) -> None:
        """Book a map by pattern; its order says nothing, so each rule's entries stand together."""
        entries = []
        for _ in self.reader.items():
            pattern, start = self.reader.signed(), self.reader.at
            step(self.reader)
            text = bytes(self.reader.data[start : self.reader.at]).hex()
            entries.append((self.owners.get(pattern, NOBODY), pattern, text))
        for _, pattern, text in sorted(entries, key=lambda entry: entry[0]):
            self.book(pattern, text)


def _size(reader: Reader) -> None:
    """File sizes for which a pattern is looked for."""
    for _ in ("from", "to"):
        if reader.unsigned():
            reader.signed()


def _head(reader: Reader) -> None:
    """How a file must start for a pattern to be looked for."""
    if reader.unsigned() == 2:
        reader.raw()


class _LiteralUses(NamedTuple):
    """The texts of one pattern: the first rule that uses one in a pattern owns it."""

    parts: _Parts
    pattern: int

    def note(self, number: int) -> list[bytes]:
        """Say that the pattern uses a text of the pool, which is given back."""
        owner = self.parts.owners.get(self.pattern, NOBODY)
        self.parts.used.setdefault(number, owner)
        self.parts.numbers.append(number)
        return self.parts.literals


def _sub_patterns(parts: _Parts) -> dict[int, list[str]]:
    """What is searched for, and by which atoms it is suspected, by the number of the pattern."""
    reader, ledger = parts.reader, parts.ledger
    patterns = reader.unsigned()
    ledger.add(NOBODY, b"patterns %d" % patterns)
    owners: list[int] = []
    found: dict[int, list[str]] = {}
    for number in reader.items():
        pattern = reader.signed()
        if not 0 <= pattern < patterns:
            raise ParseError("A part belongs to no pattern", reader.at)
        owners.append(pattern)
        used = _LiteralUses(parts, pattern)
        text = _sub_pattern(reader, used, number)
        found.setdefault(pattern, []).append(text)
        parts.book(pattern, text)
    ledger.add(NOBODY, b"sizes")
    parts.book_map(_size)
    ledger.add(NOBODY, b"heads")
    parts.book_map(_head)
    first = {pattern: number for number, pattern in reversed([*enumerate(owners)])}
    ledger.add(NOBODY, b"anchored")
    for _ in reader.items():  # parts that stand at one offset
        part = reader.unsigned()
        if part >= len(owners):
            raise ParseError("A part that stands at one offset is missing", reader.at)
        parts.book(owners[part], str(part - first[owners[part]]))
    ledger.add(NOBODY, b"atoms")
    _atoms(parts, owners, first, found)
    return found


def _atoms(
    parts: _Parts, owners: list[int], first: dict[int, int], found: dict[int, list[str]]
) -> None:
    """Atoms, their code and all that comes behind it."""
    reader = parts.reader
    atoms = []
    for _ in reader.items():
        part, text, places = _atom(reader, owners)
        pattern = owners[part]
        found[pattern].append(text)
        owner = parts.owners.get(pattern, NOBODY)
        own = pattern - parts.first.get(owner, 0)
        code = f"{own} {part - first[pattern]} {text}".encode()
        atoms.append(Atom(owner, code, places))
    parts.ledger.code(reader.raw(), atoms)
    parts.ledger.add(NOBODY, bytes(reader.data[reader.at :]))
    parts.ledger.add(NOBODY, repr(parts.numbers).encode())


def _atom(reader: Reader, owners: list[int]) -> tuple[int, str, tuple[int, int]]:
    """One atom: the number of its part, what it is, and where its code starts (-1: nowhere)."""
    part = reader.unsigned()
    if part >= len(owners):
        raise ParseError("An atom belongs to no part of a pattern", reader.at)
    text = f"atom {reader.raw().hex()}{'' if reader.boolean() else ' or more'}"
    text += f" back {reader.unsigned()}"
    forward = reader.unsigned() if reader.boolean() else -1
    backward = reader.unsigned() if reader.boolean() else -1
    return part, text, (forward, backward)


def _sub_pattern(reader: Reader, literals: _LiteralUses, number: int) -> str:
    """One of the variants of `SubPattern`, in their order in YARA-X's source."""
    variant = reader.unsigned()
    if variant == 0:
        text = f"literal {_literal(reader, literals)}"
        anchored = f" at {reader.unsigned()}" if reader.boolean() else ""
        return f"{text}{anchored} flags {reader.unsigned():#x}"
    if variant == 1:
        text = f"literal {_literal(reader, literals)} mask {_literal(reader, literals)}"
    elif variant in (2, 7):
        text = f"{'xor' if variant == 7 else 'head'} {_literal(reader, literals)}"
    elif variant == 3:
        text = f"tail {_literal(reader, literals)} {_gap(reader, number)}"
    elif variant in (4, 5):
        text = "regex" if variant == 4 else "regex head"
    elif variant == 6:
        text = f"regex tail {_gap(reader, number)}"
    elif variant in (8, 9):
        return f"base64 {variant} {_literal(reader, literals)} {reader.byte()}"
    elif variant in (10, 11):
        text = f"base64 {variant} {_literal(reader, literals)} {_literal(reader, literals)}"
        return f"{text} {reader.byte()}"
    else:
        raise ParseError("A part of a pattern is of no known kind", reader.at)
    return f"{text} flags {reader.unsigned():#x}"


def _gap(reader: Reader, number: int) -> str:
    """The part before this one, and how far away it may be."""
    before = number - reader.unsigned()
    variant = reader.unsigned()
    if variant == 0:
        return f"{before} before, {reader.unsigned()} to {reader.unsigned()} apart"
    if variant == 1:
        return f"{before} before, {reader.unsigned()} or more apart"
    raise ParseError("A gap is of no known kind", reader.at)


def _body(rule: _Rule, subs: dict[int, list[str]]) -> Iterator[tuple[str, str]]:
    yield "flags", rule.flags
    yield "tags", " ".join(sorted(rule.tags))
    for name, value in sorted(rule.metas):
        yield f"meta {name}", value
    for order, pattern in enumerate(rule.patterns):
        label = pattern.name if pattern.name != "$" else f"$#{order + 1:04}"
        private = "private " if pattern.private else ""
        parts = ", ".join(subs.get(pattern.number, ()))
        yield f"string {label}", f"{private}{pattern.kind}: {parts}"


def changes(rebuilt: Files, shipped: Files, options: Options) -> list[Change]:
    """What differs. Where numbers stand for other things, conditions that do too are not named.

    They are then part of what REST says: it covers the pools that the numbers lead to.
    """
    sides = [
        [record for file in files for record in records(file, options)]
        for files in (rebuilt, shipped)
    ]
    layouts = [{item.value(_LAYOUT) for item in side if item.name == REST} for side in sides]
    if layouts[0] != layouts[1]:
        sides = [[_without_code(record) for record in side] for side in sides]
    return difference.changes(sides[0], sides[1], weakening)


def _without_code(record: Record) -> Record:
    return record._replace(
        body=tuple(item for item in record.body if item[0] not in ("code", "condition"))
    )


FAMILY = Family(
    name="yarx",
    accepts=sniff.yarx,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "How long functions of the WebAssembly module say they are, once they end there.",
        "The order, between rules, of the maps of file sizes and starts by pattern.",
    ),
    together="file",
    changes=changes,
)
