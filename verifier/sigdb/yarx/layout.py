"""A file of rules compiled by YARA-X, field by field.

Source: YARA-X, lib/src/compiler/rules.rs, and what the wheel 1.23.0 writes
(format 12; bincode 2 with its standard variable-length integers): behind the
automaton it has sets of regular expressions and of texts, how many matches of
each pattern are of interest, and whether times are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB
from verifier.sigdb.bincode import Reader
from verifier.sigdb.yarx.parts import Atom, Part, atom, part

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.content import Buffer
    from verifier.sigdb.yarx.implied import Interval

MAGIC = b"YARA-X\0\0"
VERSION = 12
SIZE = 128 * MIB
_T = TypeVar("_T")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATTERN = re.compile(r"\$[A-Za-z0-9_]*")
_ANY = re.compile(r".*", re.DOTALL)
_KINDS = ("text", "hex", "regex")


class Pattern(NamedTuple):
    """One pattern of a rule; others may have the same `number`."""

    number: int
    name: str
    kind: str
    private: bool


class Rule(NamedTuple):
    """One rule but for its condition; metas have their value, or the number of a text."""

    space: int
    namespace: str
    name: str
    flags: str
    tags: list[str]
    metas: list[tuple[str, str, int | None]]
    patterns: list[Pattern]


@dataclass(frozen=True)
class Compiled:
    """All fields of a file; names are looked up, other numbers are as they stand."""

    unnamed: list[str]  # names in the pool that nothing has
    regexes: list[str]
    relaxed: bool
    texts: list[bytes]
    module: bytes
    imports: list[str]
    rules: list[Rule]
    parts: list[Part]
    sizes: dict[int, Interval]
    heads: dict[int, bytes | None]
    anchored: list[int]
    atoms: list[Atom]
    code: bytes
    variables: bytes
    automaton: bytes
    regex_sets: dict[int, list[int]]
    text_sets: dict[int, list[int]]
    limits: list[int | None]


class _Names:
    def __init__(self, reader: Reader) -> None:
        self.all = [reader.text() for _ in reader.items()]
        self._used: set[int] = set()

    def get(self, reader: Reader, form: re.Pattern[str] = _IDENTIFIER) -> str:
        number = reader.unsigned()
        if number >= len(self.all):
            raise ParseError("A name is not in the pool of names", reader.at)
        self._used.add(number)
        if not form.fullmatch(self.all[number]):
            raise ParseError("A name is no identifier", reader.at)
        return self.all[number]

    def unused(self) -> list[str]:
        return sorted(name for at, name in enumerate(self.all) if at not in self._used)


def read(data: Buffer) -> Compiled:
    """The whole file.

    Raises:
        ParseError: it is of another format, broken, or goes on after its end.
        LimitError: it is larger than any that is compared.
    """
    if len(data) > SIZE:
        raise LimitError(f"Compiled rules of {len(data)} bytes; {SIZE} are the most.")
    if bytes(data[:8]) != MAGIC or len(data) < 12:
        raise ParseError("This is no file of rules compiled by YARA-X", 0)
    version = int.from_bytes(data[8:12], "little")
    if version != VERSION:
        raise ParseError(f"YARA-X's format {version} is not known here, only {VERSION}", 8)
    reader = Reader(data, 12)
    names = _Names(reader)
    regexes = [reader.text() for _ in reader.items()]
    relaxed = reader.boolean()
    texts = [reader.raw() for _ in reader.items()]
    module = reader.raw()
    if reader.boolean():
        raise ParseError("The file holds native code, which is not compared", reader.at)
    imports = [names.get(reader) for _ in reader.items()]
    rules = [_rule(reader, names) for _ in reader.items()]
    patterns = reader.unsigned()
    found = Compiled(
        unnamed=names.unused(),
        regexes=regexes,
        relaxed=relaxed,
        texts=texts,
        module=module,
        imports=imports,
        rules=rules,
        parts=[part(reader, number) for number in reader.items()],
        sizes=_map(reader, _size),
        heads=_map(reader, _head),
        anchored=[reader.unsigned() for _ in reader.items()],
        atoms=[atom(reader) for _ in reader.items()],
        code=reader.raw(),
        variables=reader.raw(),
        automaton=reader.raw(),
        regex_sets=_sets(reader, reader.signed),
        text_sets=_sets(reader, reader.unsigned),
        limits=[reader.optional() for _ in reader.items()],
    )
    if reader.boolean() or reader.at != len(data):
        raise ParseError("The file takes the times of rules, or goes on after its end", reader.at)
    numbers = {pattern.number for rule in rules for pattern in rule.patterns}
    if numbers != set(range(patterns)) or len(found.limits) != patterns:
        raise ParseError("The patterns of the rules are not those of the file")
    return found


def _rule(reader: Reader, names: _Names) -> Rule:
    space, namespace, name = reader.signed(), names.get(reader, _ANY), names.get(reader)
    tags = [names.get(reader) for _ in reader.items()]
    metas = [(names.get(reader), *_meta(reader)) for _ in reader.items()]
    patterns = [
        Pattern(reader.signed(), names.get(reader, _PATTERN), _kind(reader), reader.boolean())
        for _ in reader.items()
    ]
    private = reader.unsigned()
    if private != sum(pattern.private for pattern in patterns):
        raise ParseError("The number of private patterns is wrong", reader.at)
    flags = [flag for flag in ("global", "private") if reader.boolean()]
    return Rule(space, namespace, name, " ".join(flags), tags, metas, patterns)


def _kind(reader: Reader) -> str:
    number = reader.unsigned()
    if number >= len(_KINDS):
        raise ParseError("A pattern is neither text nor hex nor a regular expression", reader.at)
    return _KINDS[number]


def _meta(reader: Reader) -> tuple[str, int | None]:
    """The value of a meta, or its type and the number of its text."""
    variant = reader.unsigned()
    if variant == 0:
        return f"boolean {reader.boolean()}", None
    if variant == 1:
        return str(reader.signed()), None
    if variant == 2:
        return f"double {reader.take(8).hex()}", None
    if variant in (3, 4):
        return "text" if variant == 3 else "bytes", reader.unsigned()
    raise ParseError("A meta has no known type", reader.at)


def _map(reader: Reader, value: Callable[[Reader], _T]) -> dict[int, _T]:
    """What is said of some patterns, by their numbers."""
    found: dict[int, _T] = {}
    for _ in reader.items():
        number = reader.signed()
        if number in found:
            raise ParseError("Two entries are of one pattern", reader.at)
        found[number] = value(reader)
    return found


def _size(reader: Reader) -> Interval:
    """The least and the largest size of files in which a pattern is looked for."""
    ends: list[int | None] = []
    for step in (1, -1):
        variant = reader.unsigned()
        if variant > 2:
            raise ParseError("A size of files has an end of no known kind", reader.at)
        ends.append(reader.signed() + step * (variant == 2) if variant else None)
    return ends[0], ends[1]


def _head(reader: Reader) -> bytes | None:
    """How a file must start for a pattern to be looked for; None for a start that none has."""
    variant = reader.unsigned()
    if variant not in (1, 2):
        raise ParseError("A start of files is of no known kind", reader.at)
    return reader.raw() if variant == 2 else None


def _sets(reader: Reader, member: Callable[[], int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for _ in reader.items():
        number = reader.signed()
        if number in found:
            raise ParseError("Two sets have one number", reader.at)
        found[number] = [member() for _ in reader.items()]
    return found
