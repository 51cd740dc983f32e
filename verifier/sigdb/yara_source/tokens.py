"""The words of YARA's rule language, as libyara's lexer cuts them.

Source: libyara, lexer.l and hex_lexer.l of 4.2.3 and 4.5.4. What the lexer
passes over in silence is an error here: bytes of a text after a NUL, and all
that follows an unclosed comment, text or regular expression, so that rules
which the compiler never sees count as no rules.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.errors import ParseError

WORD, NUMBER, TEXT, REGEX, NAME, SIGN, HEX, END = range(8)
_COMMENT = r"/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/"
_SKIPPED = re.compile(rf"(?:[ \t\r\n]++|//[^\n]*+|{_COMMENT})*+")
_TOKEN = re.compile(
    r"""(?P<number>0x[0-9A-Fa-f]+|0o[0-7]+|[0-9]+\.[0-9]+|[0-9]+(?:KB|MB)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<name>\$[A-Za-z0-9_]*\*?|[#@][A-Za-z0-9_]*|![A-Za-z0-9_]+|!(?!=))
    |(?P<text>"(?:[^\\\n"]|\\.)*+")
    |(?P<regex>/(?:[^/\n\\]|\\.)++/i?s?)
    |(?P<sign>\.\.|<=|>=|==|!=|<<|>>|[!-.:-@\[-`{-~])""",
    re.VERBOSE,
)
_KINDS = {
    "number": NUMBER, "word": WORD, "name": NAME, "text": TEXT, "regex": REGEX, "sign": SIGN,
}  # fmt: skip
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "\\": "\\"}
_HEX = re.compile(
    rf"""(?P<skip>[ \t\r\n]++|//[^\n]*+\n|{_COMMENT})
    |(?P<byte>~?(?:[0-9A-Fa-f]{{2}}|[0-9A-Fa-f]\?|\?[0-9A-Fa-f?]))
    |\[[ \t\r\n]*+(?P<low>[0-9]*+)[ \t\r\n]*+(?P<dash>-?)[ \t\r\n]*+(?P<high>[0-9]*+)[ \t\r\n]*+\]
    |(?P<sign>[(|)])""",
    re.VERBOSE,
)
_INTEGER = 1 << 63
_IDENTIFIER = 128  # characters
_DIGITS = 9  # of a jump: the compiler reads an int


class Token(NamedTuple):
    """One word: `text` is canonical, `start` and `end` are offsets in the file."""

    kind: int
    text: str
    start: int
    end: int


class Tokens:
    """Cuts one file; `source` is its bytes as Latin-1, so that offsets are the file's."""

    def __init__(self, source: str) -> None:
        nul = source.find("\0")
        if nul >= 0:
            raise ParseError("Rules hold a NUL, after which the compiler reads nothing", nul)
        self.source = source
        self.at = 0
        self._ahead: Token | None = None

    def peek(self) -> Token:
        """The next token, without taking it."""
        if self._ahead is None:
            self._ahead = self._cut()
        return self._ahead

    def take(self) -> Token:
        """The next token."""
        token = self.peek()
        self._ahead = None
        self.at = token.end
        return token

    def accept(self, kind: int, text: str) -> bool:
        """Take the next token if it is this one."""
        token = self.peek()
        if (token.kind, token.text) != (kind, text):
            return False
        self.take()
        return True

    def expect(self, kind: int, text: str = "") -> Token:
        """Take the next token, which must be of this kind, and this one if `text` is given."""
        token = self.take()
        if token.kind != kind or (text and token.text != text):
            wanted = repr(text) if text else ("a name", "a number", "a text")[min(kind, 2)]
            raise ParseError(f"{wanted} is missing in the rules", token.start)
        return token

    def hex(self) -> Token:
        """The hex string that starts at the next token, `{`."""
        start = self.expect(SIGN, "{").start
        parts: list[str] = []
        while not self.source.startswith("}", self.at):
            found = _HEX.match(self.source, self.at)
            if found is None:
                raise ParseError("This is no part of a hex string", self.at)
            self.at = found.end()
            if found["byte"]:
                parts.append(found["byte"].upper())
            elif found["sign"]:
                parts.append(found["sign"])
            elif found["skip"] is None:
                parts.append(_jump(found))
        if not parts:
            raise ParseError("A hex string is empty", start)
        self.at += 1
        return Token(HEX, " ".join(parts), start, self.at)

    def _cut(self) -> Token:
        skipped = _SKIPPED.match(self.source, self.at)
        assert skipped is not None
        start = skipped.end()
        if start == len(self.source):
            return Token(END, "", start, start)
        found = _TOKEN.match(self.source, start)
        if found is None or self.source.startswith("/*", start):
            raise ParseError("The compiler's language has no such word here", start)
        group = str(found.lastgroup)
        return Token(_KINDS[group], _canonical(group, found[0], start), start, found.end())


def _canonical(group: str, word: str, start: int) -> str:
    """A word in the one way of several in which it can be written."""
    if group == "number":
        return _number(word, start)
    if group == "word" and len(word) > _IDENTIFIER:
        raise ParseError(f"A name is longer than {_IDENTIFIER} characters", start)
    if group == "text":
        return repr(_unescaped(word[1:-1], start))
    return word.replace("\\/", "/") if group == "regex" else word


def _number(word: str, start: int) -> str:
    if "." in word and not word.startswith("0x"):
        return word
    if len(word) > 30:
        raise ParseError("A number is too large", start)
    factor = {"KB": 1 << 10, "MB": 1 << 20}.get(word[-2:], 1)
    digits = word[:-2] if factor > 1 else word
    base = {"0x": 16, "0o": 8}.get(word[:2], 10)
    value = int(digits, base) * factor
    if value >= _INTEGER:
        raise ParseError("A number is too large", start)
    return str(value)


def _unescaped(text: str, start: int) -> bytes:
    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) == 3:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            raise ParseError("A text has an unknown escape", start)
        return _ESCAPES[code]

    return _ESCAPE.sub(plain, text).encode("latin-1")


def _jump(found: re.Match[str]) -> str:
    low, dash, high = found["low"], found["dash"], found["high"]
    if len(low) > _DIGITS or len(high) > _DIGITS or (not dash and (not low or high)):
        raise ParseError("A jump of a hex string has no length", found.start())
    if not low and high:
        raise ParseError("A jump of a hex string has no start", found.start())
    first = int(low or 0)
    return f"[{first}-{int(high) if high else ''}]" if dash else f"[{first}-{first}]"
