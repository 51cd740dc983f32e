"""One rule: action, header and options in their order, read as strictly as both engines agree.

Source: Suricata 8 `SigParseBasics` and `SigParseOptions` (detect-parse.c), the
manuals of Snort 2 and 3. Suricata ends an option at the first `;` that no
backslash precedes, even after two of them; Snort 3 heeds quotes. A rule in which
these differ is refused. Quotes inside of quotes are common, and harmless where
the value also ends with one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.errors import ParseError

# How much a rule of this action does to traffic; a lower one is weaker.
ACTIONS = {
    "pass": 0, "accept": 0, "config": 1, "log": 1, "dynamic": 1, "alert": 2, "activate": 2,
    "sdrop": 3, "drop": 4, "reject": 5, "rejectsrc": 5, "rejectdst": 5, "rejectboth": 5,
    "react": 5, "block": 5, "rewrite": 4, "replace": 4,
}  # fmt: skip
_START = re.compile(r"([a-z]+)(:[a-z_]+)? +")
_DIRECTIONS = frozenset({"->", "<>", "=>"})
_OPTION = re.compile(r"[ \t]*([A-Za-z0-9_.-]++)[ \t]*+(?::((?:[^;\\]|\\[^\\]|\\\\(?!;))*+))?;")
_ESCAPED = re.compile(r"\\.")
_QUOTED = re.compile(r"!?[ \t]*\"(?:.*\"|[^\"]*\"[ \t]*,[^\"]*)")
_NUMBER = re.compile("[0-9]{1,10}")
FIELDS = ("proto", "source", "source-port", "direction", "destination", "destination-port")
# Keys of `metadata` that Snort, or the programs that choose its rules, act upon.
_ACTED_UPON = frozenset({"engine", "soid", "service", "policy", "rule-flushing", "impact_flag"})
_DOCUMENTATION = frozenset({"msg", "reference", "rev", "sid", "gid", "rem", "metadata"})


class Rule(NamedTuple):
    """A parsed rule; `fields` are header and the options that are no documentation."""

    gid: int
    sid: int
    rev: int
    action: str
    fields: tuple[tuple[str, str], ...]


def parse(text: str, offset: int) -> Rule:
    """Read one logical line; ParseError at `offset` says what is wrong with it."""
    start = _START.match(text)
    if start is None or start[1] not in ACTIONS:
        raise ParseError(f"A line that is no rule: {text[:40]!r}", offset)
    header, at = _header(text, start.end(), offset)
    found = _options(text, at, offset)
    numbers = {name: _number(found, name, offset) for name in ("gid", "sid", "rev")}
    if not numbers["sid"]:
        raise ParseError("A rule without a sid", offset)
    fields = [*header, *(item for name, value in found for item in _kept(name, value))]
    return Rule(
        1 if numbers["gid"] is None else numbers["gid"],
        numbers["sid"],
        numbers["rev"] or 0,
        start[1] + (start[2] or ""),
        tuple(fields),
    )


def _header(text: str, at: int, offset: int) -> tuple[list[tuple[str, str]], int]:
    """The header's fields and where the options begin; Snort 3 allows the protocol alone."""
    words: list[str] = []
    while text[at : at + 1] != "(":
        if len(words) == len(FIELDS):
            raise ParseError("A rule whose header has more than six parts", offset)
        word, at = _word(text, at, offset)
        words.append(word)
        blanks = len(text) - len(text[at:].lstrip(" "))
        if blanks == at and text[at : at + 1] != "(":
            raise ParseError("A rule whose header is not separated by blanks", offset)
        at = blanks
    if len(words) not in {1, len(FIELDS)}:
        raise ParseError(f"A rule whose header has {len(words)} parts", offset)
    if len(words) > 1 and words[3] not in _DIRECTIONS:
        raise ParseError(f"A rule with the direction {words[3]!r}", offset)
    return list(zip(FIELDS, words, strict=False)), at + 1


def _word(text: str, at: int, offset: int) -> tuple[str, int]:
    """One part of a header; blanks may stand within its brackets."""
    depth, end = 0, at
    while end < len(text):
        char = text[end]
        if char in '();"\t\\' or (char == " " and not depth):
            break
        depth += (char == "[") - (char == "]")
        end += 1
    if end == at or depth:
        raise ParseError("A rule whose header is cut short", offset)
    return text[at:end], end


def _options(text: str, at: int, offset: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while (item := _OPTION.match(text, at)) is not None:
        value = "" if item[2] is None else item[2].strip(" \t")
        if not _closed(value):
            raise ParseError(f"Engines differ in where the option {item[1]} ends", offset)
        found.append((item[1], value))
        at = item.end()
    if text[at:].strip(" \t") != ")":
        raise ParseError(f"An option that cannot be read: {text[at : at + 40]!r}", offset)
    return found


def _closed(value: str) -> bool:
    """Whether quotes, as Snort 3 reads them, end before the value does."""
    if '"' not in value:
        return True
    plain = _ESCAPED.sub("", value)
    if plain.lstrip("! \t").startswith('"'):
        return _QUOTED.fullmatch(plain) is not None
    return plain.count('"') % 2 == 0


def _number(found: list[tuple[str, str]], name: str, offset: int) -> int | None:
    values = [value for key, value in found if key == name]
    if not values:
        return None
    if len(values) > 1 or not _NUMBER.fullmatch(values[0]) or int(values[0]) >> 32:
        raise ParseError(f"A rule whose {name} is no single number of 32 bits", offset)
    return int(values[0])


def _kept(name: str, value: str) -> list[tuple[str, str]]:
    """What of an option stays in the record."""
    if name not in _DOCUMENTATION:
        return [(name, value)]
    if name != "metadata":
        return []
    items = [" ".join(part.split()) for part in value.split(",")]
    return [("metadata", item) for item in items if item.split(" ")[0] in _ACTED_UPON]
