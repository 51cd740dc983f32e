"""Extended regular expressions (POSIX), as far as needed to say that a loader will take one.

Source: IEEE 1003.1, 9.4; ClamAV compiles with OpenBSD's regcomp, which refuses
empty alternatives and repeated repetitions.
"""

from __future__ import annotations

import re

from verifier.errors import ParseError

_PIECE = re.compile(
    r"(?P<set>\[\^?\]?(?:\[:[a-z]+:\]|[^\]\[]|\[(?![:.=]))*+\])|(?P<open>\()|(?P<close>\))"
    r"|(?P<bar>\|)|(?P<repeat>[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})|(?P<anchor>[\^$])"
    r"|(?P<atom>\\.|[^\\\[{])",
    re.DOTALL,
)
_DEPTH = 64


def check(expression: str) -> None:
    """ParseError for what is no regular expression, or a doubtful one."""
    depth = 0
    before = "bar"
    at = 0
    for found in _PIECE.finditer(expression):
        if found.start() != at:
            break
        at = found.end()
        kind = found.lastgroup or ""
        empty = before in {"bar", "open"}
        if kind == "repeat" and before in {"bar", "open", "repeat", "anchor"}:
            raise ParseError("A regular expression repeats nothing")
        if kind in {"bar", "close"} and empty:
            raise ParseError("A regular expression has an empty alternative")
        depth += (kind == "open") - (kind == "close")
        if not 0 <= depth <= _DEPTH:
            raise ParseError("The parentheses of a regular expression do not match")
        before = kind if kind != "close" else "atom"
    if at != len(expression) or depth or before in {"bar", "open"}:
        raise ParseError("A regular expression is malformed")
