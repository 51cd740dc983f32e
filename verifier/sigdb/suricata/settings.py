"""Lines that mute rules or limit how often they speak: suppress, event_filter and their kin.

Source: Suricata's `util-threshold-config.c`, Snort's README.filters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record

if TYPE_CHECKING:
    from verifier.sigdb.suricata.lines import Line

KEYWORDS = ("suppress", "event_filter", "rate_filter", "threshold")
_LINE = re.compile(
    r"(suppress|event_filter|rate_filter|threshold)[ \t]+"
    r"gen_id[ \t]+([0-9]{1,10})[ \t]*,[ \t]*sig_id[ \t]+([0-9]{1,10})[ \t]*(?:,(.*))?"
)
_PARAMETERS = frozenset(
    {"type", "track", "count", "seconds", "multiplier", "ip", "new_action", "timeout", "apply_to"}
)


def setting(line: Line, path: str) -> Record | None:
    """The record of such a line; None for any other; ParseError if it is malformed."""
    if line.text.split(maxsplit=1)[0] not in KEYWORDS:
        return None
    found = _LINE.fullmatch(line.text)
    if found is None:
        raise ParseError(f"A setting that cannot be read: {line.text[:40]!r}", line.offset)
    body = _parameters(found[4], line.offset)
    name = f"{int(found[2])}:{int(found[3])}"
    place = (path, line.offset, line.length)
    return Record(found[1], name, body, Effect.SETTING, place)


def _parameters(text: str | None, offset: int) -> tuple[tuple[str, str], ...]:
    if text is None:
        return ()
    body: list[tuple[str, str]] = []
    for part in _split(text):
        name, _, value = part.strip(" \t").partition(" ")
        if name not in _PARAMETERS or not value.strip(" \t"):
            raise ParseError(f"A setting with the parameter {part.strip()[:40]!r}", offset)
        body.append((name, "".join(value.split()) if name == "ip" else value.strip(" \t")))
    if len({name for name, _ in body}) != len(body):
        raise ParseError("A setting that has a parameter twice", offset)
    return tuple(body)


def _split(text: str) -> list[str]:
    """At commas that stand outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
