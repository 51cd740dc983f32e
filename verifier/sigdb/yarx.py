"""Rules compiled by YARA-X, as far as they can be read without the engine.

Source: YARA-X, lib/src/compiler/rules.rs, and what the wheel 1.23.0 writes
(format 12; bincode 2 with its standard variable-length integers). Conditions
are compiled to one WebAssembly module for all rules, in which those of one rule
cannot be told from the next one's for sure. So the whole file is a record of its
own, beside one for what is known of each rule: two files that differ in a byte
are never equal. To settle such a file, rebuild it with the recipe `yara`, whose
result is bit-identical if rules, their order and the engine are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, File, Options, Record
from verifier.sigdb.bincode import Reader
from verifier.sigdb.yara_weakening import CLASSES, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"YARA-X\0\0"
VERSION = 12
SIZE = 128 * MIB
WHOLE = "compiled code"  # no rule's name has a space
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
    """One record for what is known of each rule, and one for the whole file."""
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
    literals = [reader.raw() for _ in reader.items()]
    reader.raw()  # the WebAssembly module
    if reader.boolean():
        reader.raw()  # native code for one platform
    imports = [_at(reader, identifiers) for _ in reader.items()]
    rules = [_rule(reader, identifiers, literals) for _ in reader.items()]
    subs = _sub_patterns(reader, literals)
    for name in sorted(set(imports)):
        yield Record("", f"import {name}", (), Effect.SETTING, whole)
    for rule in rules:
        body = tuple(_body(rule, subs))
        yield Record(rule.namespace, rule.name, body, Effect.DETECT, whole)
    digest = hashlib.sha256(data).hexdigest()
    yield Record("", WHOLE, (("sha256", digest),), Effect.DETECT, whole)


def _at(reader: Reader, pool: list[str]) -> str:
    number = reader.unsigned()
    if number >= len(pool):
        raise ParseError("A name is not in the pool of names", reader.at)
    return pool[number]


def _literal(reader: Reader, literals: list[bytes]) -> str:
    """A text of the pool, as Python writes bytes."""
    number = reader.unsigned()
    if number >= len(literals):
        raise ParseError("A text is not in the pool of texts", reader.at)
    return repr(literals[number])


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


def _sub_patterns(reader: Reader, literals: list[bytes]) -> dict[int, list[str]]:
    """What is searched for, by the number of the pattern."""
    patterns = reader.unsigned()
    found: dict[int, list[str]] = {}
    for number in reader.items():
        pattern = reader.signed()
        if not 0 <= pattern < patterns:
            raise ParseError("A part belongs to no pattern", reader.at)
        found.setdefault(pattern, []).append(_sub_pattern(reader, literals, number))
    return found


def _sub_pattern(reader: Reader, literals: list[bytes], number: int) -> str:
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


FAMILY = Family(
    name="yarx",
    accepts=sniff.yarx,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    together="file",
)
