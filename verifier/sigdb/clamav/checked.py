"""Every line of a large list checked against its grammar, most of them in one go."""

from __future__ import annotations

import re
from functools import cache

from verifier.errors import ParseError
from verifier.sigdb.clamav import kinds, logical, text

_LOGICAL = re.compile(rb"^[^;\n]*;([^;\n]*);([^;\n]*);([^\n]*)$", re.MULTILINE)
_SHORT = re.compile(rb"(?:[^\n]{0,8190}+\n)*+")
_SHORT_LOGICAL = re.compile(rb"(?:[^\n]{0,32766}+\n)*+")


@cache
def _grammar(quick: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:" + quick + rb"\n)*+")


def lengths(raw: bytes, kind: kinds.Kind) -> None:
    """ParseError for a line that is longer than the loader's buffer."""
    window = kind.limit // 2
    if all(raw.find(b"\n", at, at + window) >= 0 for at in range(0, len(raw) - window, window)):
        return  # a longer line would fill a window
    grammar = _SHORT if kind.limit == text.LINE else _SHORT_LOGICAL
    found = grammar.match(raw)
    end = found.end() if found else 0
    if raw.find(b"\n", end) >= 0 or len(raw) - end > kind.limit:
        raise ParseError(f"A line is longer than {kind.limit:,} bytes", end)


def whole(raw: bytes, kind: kinds.Kind) -> None:
    """Check text of lines without comments; the ParseError's text names no place."""
    if not kind.quick:
        for line in raw.split(b"\n")[:-1]:
            kind.parse(line, kind.scope)
        return
    grammar = _grammar(kind.quick)
    logical_parts: list[bytes] = []
    at = 0
    while at < len(raw):
        found = grammar.match(raw, at)
        end = found.end() if found else at
        if end > at and kind.parse is logical.signature:
            logical_parts.append(raw[at:end])
        if end >= len(raw):
            break
        at = raw.find(b"\n", end) + 1
        _one(raw[end : at - 1], kind)
    for part in logical_parts:
        _logical(part)


def _one(line: bytes, kind: kinds.Kind) -> None:
    try:
        kind.parse(line, kind.scope)
    except ParseError as error:
        raise BadLineError(str(error), line) from error


class BadLineError(ParseError):
    """A line that does not fit, for a caller who knows where it stands."""

    def __init__(self, message: str, line: bytes) -> None:
        super().__init__(message)
        self.line = line


def _logical(raw: bytes) -> None:
    """What the quick grammar of logical signatures leaves open: attributes, logic and counts."""
    seen = {(one, two, subs.count(b";") + 1) for one, two, subs in _LOGICAL.findall(raw)}
    for attributes, expression, count in seen:
        try:
            logical.description(text.decoded(attributes))
            logical.named(text.decoded(expression), count)
        except ParseError as error:
            start = raw.find(b";" + attributes + b";" + expression + b";")
            line = raw[raw.rfind(b"\n", 0, start) + 1 : raw.find(b"\n", start)]
            raise BadLineError(str(error), line) from error
