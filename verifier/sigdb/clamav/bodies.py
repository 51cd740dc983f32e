"""Body signatures of one line: ndb, ndu, sdb, and the oldest form, db.

Source: libclamav 1.4 (`readdb.c: cli_loadndb`, `cli_loaddb`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Record
from verifier.sigdb.clamav import pattern, text

TARGETS = 15  # file types that the engine has a matcher for; others are passed over
MATCHED_PLAIN = frozenset({0, 1})  # targets that Boyer-Moore serves; the others need Aho-Corasick
_FOREIGN = re.compile(r"[\x20-\x39\x3b-\x7e]+")  # an old end-of-life notice has words for a body


def extended(line: bytes, scope: str) -> Record:
    """`name:target:offset:hex[:minFL[:maxFL]]`."""
    fields = text.decoded(line).split(":")
    if not 4 <= len(fields) <= 6:
        raise ParseError(f"A body signature has {len(fields)} fields instead of 4 to 6")
    levels = text.levels(fields, 4)
    target = "0" if fields[1] == "*" else str(text.number(fields[1], "The target"))
    if text.foreign(levels) or int(target) >= TARGETS:
        if not _FOREIGN.fullmatch(fields[2]) or not _FOREIGN.fullmatch(fields[3]):
            raise ParseError("Offset or body hold what is no visible character")
    else:
        pattern.offset(fields[2], int(target))
        short = int(target) not in MATCHED_PLAIN
        pattern.body(fields[3], short=short)
    body = (
        ("target", target),
        ("offset", fields[2]),
        ("hex", text.lower_hex(fields[3])),
        *levels,
    )
    return Record(scope, text.name_of(fields[0]), body)


def plain(line: bytes, scope: str) -> Record:
    """`name=hex`."""
    name, equals, body = text.decoded(line).partition("=")
    if not equals:
        raise ParseError("A db signature is name=hex")
    pattern.body(body)
    fields = (("target", "0"), ("offset", "*"), ("hex", text.lower_hex(body)))
    return Record(scope, text.name_of(name), fields)
