"""Physical lines to logical ones, as Suricata and Snort join them.

Where the two loaders read the same bytes differently, the file is refused: a
vendor could otherwise ship a rule that one of them loads and we do not see.
Source: Suricata 8 `DetectLoadSigFile` (detect-engine-loader.c), Snort's manual.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

# DETECT_MAX_RULE_SIZE: what stands after so many bytes is read as a line of its own,
# even behind a comment sign.
LONGEST = 8190
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLANK = b" \t"


class Line(NamedTuple):
    """One logical line: its text, its place in the file, whether it starts with a blank."""

    text: str
    offset: int
    length: int
    indented: bool


def logical(data: Buffer) -> Iterator[Line]:
    """Lines that are not empty, comments included; a rule may span several physical ones.

    Raises:
        ParseError: a control character, a line too long for a loader, or a
            continuation that Suricata and Snort join differently.
        LimitError: too many lines.
    """
    parts: list[bytes] = []
    start = at = 0
    for number, raw in enumerate(bytes(data).split(b"\n")):
        if number > limits.MEMBERS_TOTAL:
            raise LimitError(f"A rule file of more than {limits.MEMBERS_TOTAL} lines.")
        line = raw[:-1] if raw.endswith(b"\r") else raw
        _check(line, at)
        if parts:
            if not line.strip(_BLANK) or line.lstrip(_BLANK)[:1] in {b"#", b";"}:
                raise ParseError("Engines join this line to the rule before it differently", at)
        else:
            start = at
        comment = not parts and line.lstrip(_BLANK)[:1] == b"#"
        at += len(raw) + 1
        if not comment and line.rstrip(_BLANK).endswith(b"\\"):
            _continues(line, indented=not parts and line[:1] in {b" ", b"\t"}, at=start)
            parts.append(line[:-1])
            continue
        parts.append(line)
        yield from _joined(parts, start, at - 1)
        parts = []
    if parts:
        raise ParseError("The last rule is continued on a line that is not there", start)


def _check(line: bytes, at: int) -> None:
    if len(line) > LONGEST:
        raise ParseError(f"A line of more than {LONGEST} bytes, which Suricata splits", at)
    found = _CONTROL.search(line)
    if found:
        raise ParseError(f"A control character {found[0].hex()} in a rule file", at + found.start())


def _continues(line: bytes, at: int, *, indented: bool) -> None:
    if not line.endswith(b"\\"):
        raise ParseError("Blanks after a continuation sign, which engines read differently", at)
    if indented:
        raise ParseError("An indented rule of several lines, which engines read differently", at)


def _joined(parts: list[bytes], start: int, end: int) -> Iterator[Line]:
    whole = b"".join(parts)
    if len(whole) > LONGEST:
        raise ParseError(f"A rule of more than {LONGEST} bytes, which Suricata splits", start)
    text = whole.decode("utf-8", "surrogateescape").strip(" \t")
    if text:
        yield Line(text, start, end - start, whole[:1] in {b" ", b"\t"})
