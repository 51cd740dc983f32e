"""Extended regular expressions (POSIX), as far as needed to say that a loader will take one.

Source: IEEE 1003.1, 9.4; ClamAV compiles with OpenBSD's regcomp, which refuses
empty alternatives and repeated repetitions.
"""

from __future__ import annotations

import re

from verifier.errors import ParseError

_PIECE = re.compile(
    r"(?P<set>\[\^?+\]?+(?:\[:[a-z]+:\]|[^\]\[]|\[(?![:.=]))*+\])|(?P<open>\()|(?P<close>\))"
    r"|(?P<bar>\|)|(?P<repeat>[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})|(?P<anchor>[\^$])"
    r"|(?P<atom>\\.|[^\\\[{])",
    re.DOTALL,
)
_DEPTH = 64
_FEW = 18  # characters of a set, brackets included
_ITEM = re.compile(r"\[:[a-z]+:\]|.", re.DOTALL)
_CLASSES = frozenset(
    {"alpha", "lower", "upper", "alnum", "blank", "cntrl", "digit", "graph", "print", "punct"}
    | {"space", "xdigit"}
)
_TAIL = re.compile(r"\(\[/\?\]\.\*\)\??\Z")
_LEAST = 11  # characters of an expression of which the loader cuts that tail off


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
        if kind == "set":
            _check_set(found.group())
        depth += (kind == "open") - (kind == "close")
        if not 0 <= depth <= _DEPTH:
            raise ParseError("The parentheses of a regular expression do not match")
        before = kind if kind != "close" else "atom"
    if at != len(expression) or depth or before in {"bar", "open"}:
        raise ParseError("A regular expression is malformed")


def check_end(expression: str) -> None:
    """ParseError for what does not surely end in a fixed character, as phishing lists want it.

    Their loader files an expression under all texts that it may end in, and refuses the
    whole database for one of which these are too many, or none
    (libclamav 1.4, `regex_suffix.c`, and clamscan 1.4.6 by measurement).
    """
    if len(expression) >= _LEAST:
        expression = _TAIL.sub("", expression)
    check(expression)
    last = [False]  # of each open group, whether what it has ended in so far is fixed
    whole: list[bool] = []  # of each group around, whether its alternatives so far are
    for found in _PIECE.finditer(expression):
        kind, piece = found.lastgroup, found.group()
        if kind == "open":
            whole.append(True)
            last.append(False)
        elif kind == "close":
            ended = last.pop()
            last[-1] = whole.pop() and ended
        elif piece == "$" or (kind == "bar" and not whole):
            raise ParseError("A regular expression of a phishing list has more than one end")
        elif kind == "bar":
            whole[-1] = whole[-1] and last[-1]
        else:
            last[-1] = _fixed(kind, piece, before=last[-1])
    if not last[-1]:
        raise ParseError("A regular expression of a phishing list has no fixed end")


def _fixed(kind: str | None, piece: str, *, before: bool) -> bool:
    if kind == "repeat":
        return before and piece not in {"*", "?"}
    if kind == "set":
        return len(piece) <= _FEW and piece[1:-1].isalnum()
    return kind == "atom" and piece != "." and piece.isascii()


def _check_set(written: str) -> None:
    """ParseError for an unknown class of characters, or a range that is none."""
    items = _ITEM.findall(written[1:-1].removeprefix("^"))
    if any(len(item) > 1 and item[2:-2] not in _CLASSES for item in items):
        raise ParseError("A regular expression has an unknown class of characters")
    place = 0
    while place + 2 < len(items):
        one, dash, other = items[place : place + 3]
        if dash == "-":
            again = items[place + 3 : place + 4] == ["-"] and place + 4 < len(items)
            plain = len(one + other) == 2 and one != "]" and other.isascii()
            if again or not plain or one > other:
                raise ParseError("A range of a regular expression is none")
            place += 2
        place += 1
