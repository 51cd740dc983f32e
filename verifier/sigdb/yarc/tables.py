"""The tables of compiled rules: namespaces, rules, metas, strings, externals, summary.

Source: libyara, types.h, compiler.c and parser.c of 4.2.3 and 4.5.4. The
compiler writes the parts of one rule one after the other, in the order of the
rules; anything else is refused, so that no entry can belong to two rules or none.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from verifier.sigdb.yarc.arena import (
    EXTERNALS,
    METAS,
    NAMESPACES,
    POOL,
    RULES,
    STRINGS,
    SUMMARY,
)

if TYPE_CHECKING:
    from verifier.sigdb.yarc.arena import Arena
    from verifier.sigdb.yarc.regex import Program

STRING_SIZE = 56
_NAMESPACE_SIZE, _META_SIZE, _EXTERNAL_SIZE = 16, 32, 24
_LAST = 0x1000  # of a string: STRING_FLAGS_LAST_IN_RULE
_LITERAL = 0x400
_UNDEFINED = 0xFFFABADAFABADAFF
_NULL_RULE, _FILLED = 4, b"\xfa"
_STRING_FLAGS = (
    "referenced", "hex", "nocase", "ascii", "wide", "regex", "fast", "fullword", "anonymous",
    "single-match", "literal", "fits-in-atom", "", "chain-part", "chain-tail", "fixed-offset",
    "greedy", "dot-all", "disabled", "xor", "private", "base64", "base64wide",
)  # fmt: skip
_RULE_FLAGS = ("private", "global", "null", "disabled")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_EXTERNAL_TYPES = {1: "float", 2: "integer", 3: "boolean", 4: "string"}


class Namespace(NamedTuple):
    """A namespace; globals silence the rules of their own one."""

    name: str


@dataclass
class String:
    """One string, or one piece of a string that was cut at a long gap."""

    name: str
    flags: int
    fixed: int
    data: bytes | None  # None where regex code matches it
    chained: int  # the index of the piece before this one, -1 for none
    gap: tuple[int, int]
    label: str = ""
    programs: tuple[Program, Program] | None = None
    atoms: list[str] = field(default_factory=list)


@dataclass
class Rule:
    """One rule without its condition; `first` is the index of its first string."""

    name: str
    namespace: str
    flags: int
    atoms: int
    required: int
    tags: list[str]
    metas: list[tuple[str, str]]
    strings: list[String]
    first: int


def flags_text(flags: int, names: tuple[str, ...]) -> str:
    """The names of the bits that are set; unknown ones as a number."""
    found = [name for bit, name in enumerate(names) if name and flags >> bit & 1]
    rest = flags & ~sum(1 << bit for bit, name in enumerate(names) if name)
    return " ".join([*found, hex(rest)] if rest else found)


def rule_flags(rule: Rule) -> str:
    """`private`, `global` or both."""
    return flags_text(rule.flags, _RULE_FLAGS)


def string_flags(string: String) -> str:
    """How a string is matched."""
    return flags_text(string.flags & ~_LAST, _STRING_FLAGS)


def namespaces(arena: Arena) -> list[Namespace]:
    """All namespaces by index; ParseError for two of one name, which would split a global."""
    found = []
    for number, at in enumerate(_rows(arena, NAMESPACES, _NAMESPACE_SIZE)):
        index, padding = struct.unpack_from("<II", arena.bytes[NAMESPACES], at + 8)
        if index != number or padding:
            raise arena.error("A namespace has a wrong number", NAMESPACES, at)
        found.append(Namespace(arena.text(arena.needed(NAMESPACES, at, POOL))))
    if len(set(found)) != len(found):
        raise arena.error("Two namespaces have one name", NAMESPACES)
    return found


def rules(arena: Arena, spaces: list[Namespace]) -> list[Rule]:
    """All rules with their metas and strings, in the order of their evaluation."""
    size = 56 if arena.version > 20 else 48
    offsets = _rows(arena, RULES, size)
    if not offsets or arena.bytes[RULES][offsets[-1] :] != struct.pack("<i", _NULL_RULE) + (
        _FILLED * (size - 4)
    ):
        raise arena.error("The table of rules does not end with an empty rule", RULES)
    found: list[Rule] = []
    metas = strings = 0
    for at in offsets[:-1]:
        flags, atoms, required, unused = struct.unpack_from("<iiII", arena.bytes[RULES], at)
        if size == 48:
            required = unused = 0
        pointers = at + size - 40
        if unused or flags & _NULL_RULE:
            raise arena.error("A rule is padded, or marked as the last one", RULES, at)
        name = _identifier(arena, RULES, pointers)
        tags = _tags(arena, pointers + 8)
        own_metas = _metas(arena, pointers + 16, metas)
        own_strings = _strings(arena, pointers + 24, strings, len(found))
        space = arena.needed(RULES, pointers + 32, NAMESPACES)
        if space % _NAMESPACE_SIZE:
            raise arena.error("A rule's namespace is none", RULES, at)
        namespace = spaces[space // _NAMESPACE_SIZE].name
        found.append(
            Rule(name, namespace, flags, atoms, required, tags, own_metas, own_strings, strings)
        )
        metas += len(own_metas)
        strings += len(own_strings)
    if metas * _META_SIZE != len(arena.bytes[METAS]):
        raise arena.error("A meta belongs to no rule", METAS, metas * _META_SIZE)
    if strings * STRING_SIZE != len(arena.bytes[STRINGS]):
        raise arena.error("A string belongs to no rule", STRINGS, strings * STRING_SIZE)
    if len({(rule.namespace, rule.name) for rule in found}) != len(found):
        raise arena.error("Two rules of a namespace have one name", RULES)
    summary = struct.pack("<III", len(found), strings, len(spaces))
    if arena.bytes[SUMMARY] != summary:
        raise arena.error("The summary counts other rules, strings or namespaces", SUMMARY)
    return found


def externals(arena: Arena) -> list[tuple[str, str]]:
    """(name, type and default) of each variable that a caller may set."""
    offsets = _rows(arena, EXTERNALS, _EXTERNAL_SIZE)
    table = arena.bytes[EXTERNALS]
    if not offsets or table[offsets[-1] :] != bytes(4) + _FILLED * (_EXTERNAL_SIZE - 4):
        raise arena.error("The table of externals does not end with an empty one", EXTERNALS)
    found = []
    for at in offsets[:-1]:
        kind, padding, value = struct.unpack_from("<iIQ", table, at)
        if kind not in _EXTERNAL_TYPES or padding:
            raise arena.error("An external variable has no known type", EXTERNALS, at)
        shown = f"{value:#x}"
        if kind == 4:
            shown = repr(arena.text(arena.needed(EXTERNALS, at + 8, POOL)))
        name = _identifier(arena, EXTERNALS, at + 16)
        found.append((name, f"{_EXTERNAL_TYPES[kind]} {shown}"))
    if len({name for name, _ in found}) != len(found):
        raise arena.error("Two external variables have one name", EXTERNALS)
    return found


def _identifier(arena: Arena, buffer: int, at: int, sign: str = "") -> str:
    """The identifier that a pointer leads to, without its sign; texts are built of these."""
    name = arena.text(arena.needed(buffer, at, POOL))
    # After a sign the name may be empty or start with a digit.
    if not name.startswith(sign) or not _IDENTIFIER.fullmatch("_" * len(sign) + name[len(sign) :]):
        raise arena.error("A name is no identifier", buffer, at)
    return name[len(sign) :]


def _rows(arena: Arena, buffer: int, size: int) -> range:
    if len(arena.bytes[buffer]) % size:
        raise arena.error("A table ends inside an entry", buffer)
    return range(0, len(arena.bytes[buffer]), size)


def _tags(arena: Arena, at: int) -> list[str]:
    """The tags of a rule: texts one after the other, then an empty one."""
    ref = arena.pointer(RULES, at, POOL)
    if ref is None:
        return []
    pool = arena.bytes[POOL]
    end = pool.find(b"\0\0", ref.offset)
    if end < 0 or pool[ref.offset] == 0:
        raise arena.error("The tags of a rule have no end", POOL, ref.offset)
    raw = arena.raw(ref.offset, end + 2 - ref.offset)
    tags = [item.decode("utf-8", "surrogateescape") for item in raw[:-2].split(b"\0")]
    if not all(_IDENTIFIER.fullmatch(tag) for tag in tags):
        raise arena.error("A tag is no identifier", POOL, ref.offset)
    return tags


def _metas(arena: Arena, at: int, first: int) -> list[tuple[str, str]]:
    """The metas of a rule, which must start at index `first`."""
    ref = arena.pointer(RULES, at, METAS)
    found: list[tuple[str, str]] = []
    if ref is None:
        return found
    table = arena.bytes[METAS]
    if ref.offset != first * _META_SIZE:
        raise arena.error("The metas of a rule do not follow those of the one before", RULES, at)
    place, last = ref.offset, 0
    while not last:
        if place >= len(table) or len(table) % _META_SIZE:
            raise arena.error("The metas of a rule have no end", METAS, place)
        integer, kind, last = struct.unpack_from("<qii", table, place + 16)
        name = _identifier(arena, METAS, place)
        text = arena.pointer(METAS, place + 8, POOL)
        if kind not in (1, 2, 3) or last not in (0, 1) or (kind == 2) != (text is not None):
            raise arena.error("A meta has no known type", METAS, place)
        value = {1: f"{integer}", 2: "", 3: f"boolean {integer}"}[kind]
        if text is not None:
            value = repr(arena.text(text.offset)) + (f" {integer}" if integer else "")
        found.append((name, value))
        place += _META_SIZE
    return found


def _strings(arena: Arena, at: int, first: int, rule: int) -> list[String]:
    """The strings of a rule, which must start at index `first`."""
    ref = arena.pointer(RULES, at, STRINGS)
    found: list[String] = []
    if ref is None:
        return found
    if ref.offset != first * STRING_SIZE:
        raise arena.error("The strings of a rule do not follow those of the one before", RULES, at)
    while not found or not found[-1].flags & _LAST:
        found.append(_string(arena, ref.offset + len(found) * STRING_SIZE, rule, first))
    _label(found)
    return found


def _string(arena: Arena, at: int, rule: int, first: int) -> String:
    table = arena.bytes[STRINGS]
    if at + STRING_SIZE > len(table):
        raise arena.error("The strings of a rule have no end", STRINGS, min(at, len(table)))
    flags, index, fixed, owner, length = struct.unpack_from("<IIQIi", table, at)
    gap = struct.unpack_from("<ii", table, at + 40)
    if index != at // STRING_SIZE or owner != rule:
        raise arena.error("A string names another place or rule", STRINGS, at)
    ref = arena.pointer(STRINGS, at + 24, POOL)
    chained = arena.pointer(STRINGS, at + 32, STRINGS)
    name = "$" + _identifier(arena, STRINGS, at + 48, "$")
    literal = bool(flags & _LITERAL)
    if literal != (ref is not None) or length < 0 or (length and not literal):
        raise arena.error("A string's text and its flags disagree", STRINGS, at)
    data = None
    if ref is not None:
        data = arena.raw(ref.offset, length + 1)
        if data[-1]:
            raise arena.error("A string's text has no end", POOL, ref.offset)
        data = data[:-1]
    before = -1
    if chained is not None:
        before = chained.offset // STRING_SIZE - first
        if chained.offset != at - STRING_SIZE or before < 0:
            raise arena.error("A piece of a string does not follow the one before", STRINGS, at)
    elif gap != (0, 0):
        raise arena.error("A string has a gap before it and nothing before that", STRINGS, at)
    return String(name, flags, fixed, data, before, (gap[0], gap[1]))


def _label(strings: list[String]) -> None:
    """Name each piece uniquely: `$a`, `$#2` for the second without a name, `$a/2` for a piece."""
    anonymous = piece = 0
    base = ""
    for string in strings:
        if string.chained >= 0:
            piece += 1
            string.label = f"{base}/{piece}"
            continue
        piece = 1
        base = string.name
        if base == "$":
            anonymous += 1
            base = f"$#{anonymous:04}"
        string.label = base


def fixed_text(string: String) -> str:
    """The one offset that a string may stand at, or that it may stand anywhere."""
    return "anywhere" if string.fixed == _UNDEFINED else f"{string.fixed:#x}"
