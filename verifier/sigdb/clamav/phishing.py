"""Phishing lists: domains that are checked (pdb, gdb) and pairs that are let through (wdb).

Source: ClamAV's manual (Phishing Signatures), libclamav 1.4 (`regex_list.c`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record
from verifier.sigdb.clamav import posix, text

_LEVELS = re.compile(r"([0-9]{0,9})-([0-9]{0,9})")
_FLAGS = re.compile(r"[0-9a-fA-F]{0,3}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_PREFIX = re.compile(r"[0-9a-fA-F]{8}|[0-9a-fA-F]{64}")


def entry(line: bytes, scope: str) -> Record:
    """One line of a pdb or gdb (`scope` "pdb"), or of a wdb."""
    written, levels = _levels(text.decoded(line))
    head, colon, rest = written.partition(":")
    if not colon or not rest:
        raise ParseError("A line of a phishing list is no flags:pattern")
    letter, flags = head[:1], head[1:]
    letters = frozenset("XYMS" if scope == "wdb" else "RHS")
    if letter not in letters or not _FLAGS.fullmatch(flags):
        raise ParseError("The flags of a phishing list are unknown")
    effect = Effect.ALLOW if scope == "wdb" else Effect.DETECT
    if letter in "RXY":
        posix.check_end(rest)
    if letter == "S":
        kind, _, digest = rest.partition(":")
        if kind not in (("W",) if scope == "wdb" else ("W", "F", "P")):
            raise ParseError("A hashed URL is of no known kind")
        if not (_PREFIX if kind == "P" else _HASH).fullmatch(digest):
            raise ParseError("The hash of a URL is no SHA-256 in hex")
        rest = f"{kind}:{digest.lower()}"
        effect = Effect.ALLOW if kind == "W" else effect
    body = (("flags", letter + flags.lower()), ("pattern", rest), *levels)
    return Record(scope, rest, body, effect)


def _levels(written: str) -> tuple[str, text.Body]:
    """Cut `:min-max` off the end, where it is one."""
    rest, colon, last = written.rpartition(":")
    found = _LEVELS.fullmatch(last)
    if not colon or found is None:
        return written, ()
    low, high = found.groups()
    return rest, text.interval(int(low or 0), int(high) if high else text.ANY_LEVEL)
