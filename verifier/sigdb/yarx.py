"""Rules compiled by YARA-X, as far as they can be read without the engine.

Source: YARA-X, lib/src/compiler/rules.rs, and what the wheel 1.23.0 writes
(format 12; bincode 2 with its standard variable-length integers). Conditions
are functions of one WebAssembly module, which are cut behind each report of a
rule; the numbers of patterns and texts in them stay numbers. All bytes that are
in no rule's condition are a record of their own, so that two files that differ
are never equal. Rules in another order give other numbers everywhere: to settle
such a file, rebuild it with the recipe `yara`, whose result is bit-identical if
rules, their order and the engine are.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.limits import MIB
from verifier.sigdb import difference, sniff
from verifier.sigdb.base import Change, Effect, Family, File, Files, Options, Record
from verifier.sigdb.bincode import Reader
from verifier.sigdb.wasm import pieces
from verifier.sigdb.yara_weakening import CLASSES, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    literals = [reader.raw() for _ in reader.items()]
    before = reader.at
    module = reader.raw()
    after = reader.at
    if reader.boolean():
        reader.raw()  # native code for one platform
    imports = [_at(reader, identifiers) for _ in reader.items()]
    rules = [_rule(reader, identifiers, literals) for _ in reader.items()]
    if len({(rule.namespace, rule.name) for rule in rules}) != len(rules):
        raise ParseError("Two rules of a namespace have one name", reader.at)
    subs = _sub_patterns(reader, literals)
    for name in sorted(set(imports)):
        yield Record("", f"import {name}", (), Effect.SETTING, whole)
    numbers = (len(identifiers), len(literals), [rule.patterns for rule in rules])
    conditions, rest = _conditions(module, len(rules))
    for rule, condition in zip(rules, conditions, strict=True):
        body = (*_body(rule, subs), ("condition", condition))
        yield Record(rule.namespace, rule.name, body, Effect.DETECT, whole)
    for part in (data[:before], data[after:]):
        _update(rest, -1, bytes(part))
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
            _update(rest, piece.argument, b"")
        else:
            _update(rest, -1, piece.code)
    return [", ".join(codes) for codes in found], rest


def _update(digest: hashlib._Hash, number: int, part: bytes) -> None:
    """Add bytes with what they are, so that they cannot pass for their neighbours."""
    digest.update(struct.pack("<qQ", number, len(part)))
    digest.update(part)


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
    """What is searched for, and by which atoms it is suspected, by the number of the pattern."""
    patterns = reader.unsigned()
    owners: list[int] = []
    found: dict[int, list[str]] = {}
    for number in reader.items():
        pattern = reader.signed()
        if not 0 <= pattern < patterns:
            raise ParseError("A part belongs to no pattern", reader.at)
        owners.append(pattern)
        found.setdefault(pattern, []).append(_sub_pattern(reader, literals, number))
    for _ in reader.items():  # file sizes for which a pattern is looked for
        reader.signed()
        for _ in ("from", "to"):
            if reader.unsigned():
                reader.signed()
    for _ in reader.items():  # how a file must start for a pattern to be looked for
        reader.signed()
        if reader.unsigned() == 2:
            reader.raw()
    for _ in reader.items():  # parts that stand at one offset
        reader.unsigned()
    for _ in reader.items():
        owner, text = _atom(reader, owners)
        found[owner].append(text)
    return found


def _atom(reader: Reader, owners: list[int]) -> tuple[int, str]:
    """One atom, with the number of its pattern; where its code lies is left to REST."""
    part = reader.unsigned()
    if part >= len(owners):
        raise ParseError("An atom belongs to no part of a pattern", reader.at)
    text = f"atom {reader.raw().hex()}{'' if reader.boolean() else ' or more'}"
    text += f" back {reader.unsigned()}"
    for _ in ("forward", "backward"):
        if reader.boolean():
            reader.unsigned()
    return owners[part], text


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
        sides = [[_without_condition(record) for record in side] for side in sides]
    return difference.changes(sides[0], sides[1], weakening)


def _without_condition(record: Record) -> Record:
    return record._replace(body=tuple(item for item in record.body if item[0] != "condition"))


FAMILY = Family(
    name="yarx",
    accepts=sniff.yarx,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=("How long functions of the WebAssembly module say they are, once they end there.",),
    together="file",
    changes=changes,
)
