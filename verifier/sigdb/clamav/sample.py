"""The smallest files that body signatures detect, for witnesses: bytes of the pattern alone.

Only where the pattern itself says what a file must hold: body and logical signatures of
any file or plain text. A hash has no such file, and executables would need headers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.sigdb.base import Engine

if TYPE_CHECKING:
    from verifier.sigdb.base import Record

_TARGETS = frozenset({"0", "7"})  # any file, plain text
_FILLER = b"A"
_MOST = 1 << 16
_TOKEN = re.compile(
    r"(?P<byte>[0-9a-f?]{2})|\{(?P<low>[0-9]*)(?P<range>-?)[0-9]*\}|\[(?P<anchor>[0-9]+)(?:-[0-9]+)?\]"
    r"|(?P<not>!?)\((?P<choice>[^)]*)\)|(?P<any>\*)"
)
_SUB = re.compile(r"sub[0-9]+\Z")


def sample(record: Record) -> bytes | None:
    """A file that this record detects; None where its pattern alone does not make one."""
    if record.value("hex"):
        if record.value("target") not in _TARGETS:
            return None
        return _placed(record.value("offset"), record.value("hex"))
    if record.value("logic") and record.value("Target") in _TARGETS:
        parts = [_subsignature(value) for name, value in record.body if _SUB.match(name)]
        return None if None in parts else _FILLER.join(part for part in parts if part is not None)
    return None


def _subsignature(written: str) -> bytes | None:
    """The bytes of a plain `[offset:]hex[::modifiers]`; None for macros, comparisons, regexes."""
    if any(mark in written for mark in "/$#"):
        return None
    fields = written.split(":")
    return _placed(fields[0], fields[1]) if len(fields) % 2 == 0 else _bytes(fields[0])


def _placed(offset: str, pattern: str) -> bytes | None:
    made = _bytes(pattern)
    first = offset.split(",", maxsplit=1)[0]
    if made is None or first == "*":
        return made
    if first.isdigit() and int(first) <= _MOST:
        return _FILLER * int(first) + made
    end = re.fullmatch(r"EOF-([0-9]{1,5})", first)
    if end is None:
        return None
    return made + _FILLER * max(0, int(end[1]) - len(made))


def _bytes(pattern: str) -> bytes | None:
    """Bytes that a pattern in lower-case hex matches."""
    made, at = bytearray(), 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or len(made) > _MOST:
            return None
        at = token.end()
        if token["byte"]:
            made += bytes.fromhex(token["byte"].replace("?", "0"))
        elif token["choice"] is not None:
            chosen = _choice(token["choice"], bool(token["not"]))
            if chosen is None:
                return None
            made += chosen
        elif not token["any"]:
            made += _FILLER * min(int(token["low"] or token["anchor"] or "0"), _MOST)
    return bytes(made)


def _choice(written: str, negated: bool) -> bytes | None:
    """One alternative of `(aa|bb)`; for `!(aa|bb)` bytes that none of them is."""
    if written in {"B", "L", "W"}:
        return b"\n"
    options = [each.replace("?", "0") for each in written.split("|")]
    try:
        known = [bytes.fromhex(each) for each in options]
    except ValueError:
        return None
    if not negated:
        return known[0]
    length = len(known[0])
    return next(
        (bytes([value]) * length for value in range(65, 91) if not _hit(value, known)), None
    )


def _hit(value: int, known: list[bytes]) -> bool:
    return any(value in each for each in known)


def _detected(status: int, output: str, name: str) -> bool | None:
    if status not in {0, 1}:
        return None
    return any(f": {name}{suffix} FOUND" in output for suffix in ("", ".UNOFFICIAL"))


ENGINE = Engine(
    "clamscan",
    ("--no-summary", "--allmatch=yes", "--stdout", "-d", "{databases}", "{sample}"),
    _detected,
)
