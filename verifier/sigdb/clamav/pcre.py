"""Perl-like regular expressions (PCRE2), as far as needed to say that a loader will take one.

One that the library does not compile makes the engine refuse the whole database, and
with it all other signatures. So what is not surely well-formed is an error here.

Source: PCRE2's manual, pcre2pattern(3) and pcre2limits(3).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError

_TOKEN = re.compile(
    r"(?P<set>\[\^?+\]?+(?:\\.|\[:\^?[a-z]+:\]|[^\]\[\\]|\[(?![:.=]))*+\])"
    r"|\(\?(?:(?P<behind><[=!])|(?P<plain>[:=!>])|P?<(?P<name>[A-Za-z_]\w{0,31})>"
    r"|[imsU]{0,4}(?:-[imsU]{1,4})?(?:(?P<flagged>:)|(?P<flags>\))))"
    r"|(?P<open>\((?![?*]))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<repeat>(?:[*+?]|\{(?P<low>[0-9]{1,5})(?P<range>,(?P<high>[0-9]{1,5})?)?\})[+?]?)"
    r"|(?P<anchor>[\^$]|\\[bBAzZG])|(?P<reference>\\[1-9](?![0-9]))|(?P<line>\\R)"
    r"|(?P<atom>\\(?:[dDwWsShHvVtnrfae]|N(?!\{)|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]{1,2}\}"
    r"|0[0-7]{0,2}|[^A-Za-z0-9])|\{(?![ 0-9,])|[^\\\[(){|*+?^$])",
    re.DOTALL | re.ASCII,
)
_ITEM = re.compile(
    r"(?P<kind>\\[dDwWsShHvV]|\[:\^?(?P<posix>[a-z]+):\])|(?P<dash>-)"
    r"|(?P<char>\\(?:[tnrfaeb]|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]{1,2}\}|0[0-7]{0,2}|[^A-Za-z0-9])"
    r"|[^\\])",
    re.DOTALL | re.ASCII,
)
_POSIX = frozenset(
    {"alpha", "lower", "upper", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "print"}
    | {"punct", "space", "word", "xdigit"}
)
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27, "b": 8}
_MOST = 65535  # repetitions
_DEPTH = 200  # PCRE2 stops at 250
_LARGEST = 60_000  # of 65,536 units of compiled code
_WEIGHTS = {"set": 40, "open": 12}  # in these units; of anything else:
_WEIGHT = 4
_OPENING = frozenset({"open", "behind", "plain", "name", "flagged"})
_NOTHING = frozenset({"", "open", "bar", "repeat", "anchor"})  # what cannot be repeated


def check(expression: str, flags: str = "") -> None:
    """ParseError for what is no regular expression, or a doubtful one."""
    if "x" in flags and re.search(r"[\s#]", expression):
        raise ParseError("A regular expression has comments or blanks, which may hide the rest")
    _Reader().read(expression)


class _Reader:
    """What has been read, and what a repetition would repeat."""

    def __init__(self) -> None:
        self.before = ""
        self.behind: list[bool] = []  # for each open group, whether it is in a look-behind
        self.sizes = [0]  # of each open group, and of all
        self.last = 0  # the size of what a repetition would repeat
        self.captures = self.highest = 0
        self.names: set[str] = set()

    def read(self, expression: str) -> None:
        """Read all of it."""
        at = 0
        for found in _TOKEN.finditer(expression):
            if found.start() != at:
                break
            at = found.end()
            self._take(found, found.lastgroup or "")
        if at != len(expression) or self.behind or self.highest > self.captures:
            raise ParseError("A regular expression is malformed, or not of a kind that is known")

    def _take(self, found: re.Match[str], kind: str) -> None:
        if kind == "repeat":
            self._repeat(found)
        elif kind in _OPENING:
            self._open(found)
            kind = "open"
        elif kind == "close":
            self._close()
            kind = "atom"
        else:
            self._piece(found, kind)
            kind = "anchor" if kind == "flags" else kind
        self.before = kind

    def _piece(self, found: re.Match[str], kind: str) -> None:
        if kind == "bar" and len(self.behind) > 1 and self.behind[-2]:
            raise ParseError("A look-behind may be of several lengths")
        if kind == "reference":
            self.highest = max(self.highest, int(found[kind][1:]))
        if kind in {"reference", "line"}:
            self._one_length()
        if kind == "set":
            _check_set(found[kind])
        self._grow(_WEIGHTS.get(kind, _WEIGHT))

    def _open(self, found: re.Match[str]) -> None:
        name = found["name"]
        if name in self.names:
            raise ParseError("A regular expression gives two groups one name")
        if name or found["open"]:
            self.captures += 1
        if name:
            self.names.add(name)
        self.behind.append(bool(found["behind"]) or self.behind[-1:] == [True])
        self.sizes.append(_WEIGHTS["open"])
        if len(self.behind) > _DEPTH:
            raise ParseError("A regular expression is nested too deep")

    def _close(self) -> None:
        if not self.behind:
            raise ParseError("The parentheses of a regular expression do not match")
        self.behind.pop()
        self._grow(self.sizes.pop())

    def _repeat(self, found: re.Match[str]) -> None:
        if self.before in _NOTHING:
            raise ParseError("A regular expression repeats nothing")
        low = int(found["low"] or 0)
        high = int(found["high"] or low)
        if not low <= high <= _MOST:
            raise ParseError("A regular expression repeats too often, or from more to less")
        if found["low"] is None or found["range"]:
            self._one_length()
        self._grow(self.last * max(high - 1, 1))

    def _one_length(self) -> None:
        if self.behind[-1:] == [True]:
            raise ParseError("A look-behind may be of several lengths")

    def _grow(self, size: int) -> None:
        self.last = size
        self.sizes[-1] += size
        if self.sizes[-1] > _LARGEST:
            raise ParseError("A regular expression is too large once it is compiled")


def _check_set(written: str) -> None:
    """ParseError for a set with an unknown class, or a range that is none."""
    inner = written[1:-1].removeprefix("^")
    items: list[re.Match[str]] = []
    at = 0
    for found in _ITEM.finditer(inner):
        if found.start() != at:
            break
        at = found.end()
        items.append(found)
        if found["posix"] and found["posix"] not in _POSIX:
            raise ParseError("A regular expression has an unknown class of characters")
    if at != len(inner):
        raise ParseError("A set of a regular expression is malformed")
    place = 0
    while place < len(items):
        if place + 2 < len(items) and items[place + 1]["dash"]:
            one, other = items[place]["char"], items[place + 2]["char"]
            plain = one and other and (one + other).isascii()
            if not plain or _code(one) > _code(other):
                raise ParseError("A range of a regular expression is none")
            place += 2
        place += 1


def _code(char: str) -> int:
    if len(char) == 1:
        return ord(char)
    rest = char[1:]
    if rest in _CONTROLS:
        return _CONTROLS[rest]
    if rest[0] == "x":
        return int(rest.strip("x{}"), 16)
    return int(rest, 8) if rest[0] == "0" else ord(rest)
