"""Hash signatures: hdb, hsb, mdb, msb, imp, their PUA twins, and the allow lists fp and sfp.

Source: libclamav 1.4 (`readdb.c: cli_loadhash`, `matcher-hash.c`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record
from verifier.sigdb.clamav import text

_HASH = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
_STAR_LEVEL = 73  # the engine that first knew sizes of `*`
_MAX_SIZE = 0xFFFFFFFE


def of_file(line: bytes, scope: str) -> Record:
    """`hash:size:name[:minFL[:maxFL]]`."""
    return _record(line, scope, 0, 1)


def of_section(line: bytes, scope: str) -> Record:
    """`size:hash:name[:minFL[:maxFL]]`, of a section of a PE file."""
    return _record(line, scope, 1, 0)


def _record(line: bytes, scope: str, hash_at: int, size_at: int) -> Record:
    fields = text.decoded(line).split(":")
    if not 3 <= len(fields) <= 5:
        raise ParseError(f"A hash signature has {len(fields)} fields instead of 3 to 5")
    digest = fields[hash_at]
    if not _HASH.fullmatch(digest):
        raise ParseError("The hash is no MD5, SHA-1 or SHA-256 in hex")
    size = fields[size_at]
    if size != "*":
        value = text.number(size, "The size") if len(size) < 10 else _large(size)
        if not 0 < value <= _MAX_SIZE:
            raise ParseError("The size is 0, or of 32 bits all set")
        size = str(value)
    levels = text.levels(fields, 3)
    if size == "*" and scope != "imp" and (len(fields) < 4 or int(fields[3]) < _STAR_LEVEL):
        raise ParseError(f"A size of * needs a functionality level of {_STAR_LEVEL}")
    body = (("hash", digest.lower()), ("size", size), *levels)
    effect = Effect.ALLOW if scope == "fp" else Effect.DETECT
    return Record(scope, text.name_of(fields[2]), body, effect)


def _large(size: str) -> int:
    if not re.fullmatch(r"[0-9]{10}", size):
        raise ParseError("The size is no number of 32 bits")
    return int(size)
