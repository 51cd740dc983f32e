"""Rules as they are written, parsed to their end: what each one says, in one way of writing.

Source: libyara, grammar.y of 4.2.3 and 4.5.4, and YARA's documentation "Writing
YARA rules". Conditions stay a sequence of words: nothing in them is reordered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.sigdb.yara_source import references
from verifier.sigdb.yara_source.tokens import END, HEX, NAME, NUMBER, REGEX, SIGN, TEXT, WORD

if TYPE_CHECKING:
    from verifier.sigdb.yara_source.tokens import Token, Tokens

_RULES = 2_000_000  # of one file
_MODIFIERS = {
    TEXT: {"wide", "ascii", "nocase", "fullword", "private", "xor", "base64", "base64wide"},
    REGEX: {"wide", "ascii", "nocase", "fullword", "private"},
    HEX: {"private"},
}
_ALPHABET = repr(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_KEYWORDS = frozenset((
    "all", "and", "any", "ascii", "at", "base64", "base64wide", "condition", "contains",
    "defined", "endswith", "entrypoint", "false", "filesize", "for", "fullword", "global",
    "icontains", "iendswith", "iequals", "import", "in", "include", "istartswith", "matches",
    "meta", "nocase", "none", "not", "of", "or", "private", "rule", "startswith", "strings",
    "them", "true", "wide", "xor",
))  # fmt: skip


@dataclass
class Rule:
    """One rule; strings by label, metas as (name, value)."""

    name: str
    start: int
    end: int = 0
    flags: set[str] = field(default_factory=set)
    tags: list[str] = field(default_factory=list)
    metas: list[tuple[str, str]] = field(default_factory=list)
    strings: dict[str, str] = field(default_factory=dict)
    anonymous: int = 0  # of the strings
    condition: str = ""


@dataclass
class Document:
    """What one file holds."""

    imports: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


def parse(tokens: Tokens) -> Document:
    """The whole file; ParseError for anything that is no rule, import or include."""
    found = Document()
    while tokens.peek().kind != END:
        token = tokens.peek()
        if tokens.accept(WORD, "import"):
            name = tokens.expect(TEXT).text[2:-1]
            if not name.isidentifier():
                raise ParseError("The name of a module is none", token.start)
            found.imports.append(name)
        elif tokens.accept(WORD, "include"):
            found.includes.append(_include(tokens, token))
        else:
            found.rules.append(_rule(tokens))
        if len(found.rules) > _RULES:
            raise LimitError(f"More than {_RULES} rules in one file.")
    return found


def _include(tokens: Tokens, word: Token) -> str:
    """The path of an include, in which nothing is escaped."""
    path = tokens.expect(TEXT)
    between = tokens.source[word.end : path.start]
    if not between or between.strip(" \t"):
        raise ParseError("The path of an include stands elsewhere", word.start)
    raw = tokens.source[path.start + 1 : path.end - 1]
    if "\\" in raw:
        raise ParseError("The path of an include has a backslash", path.start)
    return raw


def _rule(tokens: Tokens) -> Rule:
    flags = set()
    start = tokens.peek().start
    while tokens.peek().text in ("private", "global"):
        flags.add(tokens.expect(WORD).text)
    tokens.expect(WORD, "rule")
    rule = Rule(_identifier(tokens), start, flags=flags)
    if tokens.accept(SIGN, ":"):
        rule.tags.append(_identifier(tokens))
        while tokens.peek().kind == WORD:
            rule.tags.append(_identifier(tokens))
    tokens.expect(SIGN, "{")
    if _section(tokens, "meta"):
        rule.metas.append(_meta(tokens))
        while tokens.peek().text not in ("strings", "condition"):
            rule.metas.append(_meta(tokens))
    if _section(tokens, "strings"):
        _string(tokens, rule)
        while tokens.peek().kind == NAME:
            _string(tokens, rule)
    if not _section(tokens, "condition"):
        raise ParseError("A rule has no condition", tokens.peek().start)
    _condition(tokens, rule)
    return rule


def _section(tokens: Tokens, name: str) -> bool:
    if not tokens.accept(WORD, name):
        return False
    tokens.expect(SIGN, ":")
    return True


def _identifier(tokens: Tokens) -> str:
    token = tokens.expect(WORD)
    if token.text in _KEYWORDS:
        raise ParseError(f"The keyword {token.text} is no name", token.start)
    return token.text


def _meta(tokens: Tokens) -> tuple[str, str]:
    name = _identifier(tokens)
    tokens.expect(SIGN, "=")
    sign = "-" if tokens.accept(SIGN, "-") else ""
    value = tokens.take()
    if value.kind == NUMBER or (
        not sign and (value.kind == TEXT or value.text in ("true", "false"))
    ):
        return name, sign + value.text
    raise ParseError("A meta has no value", value.start)


def _string(tokens: Tokens, rule: Rule) -> None:
    """Read one string; those without a name are numbered."""
    token = tokens.take()
    if not token.text.startswith("$") or token.text.endswith("*"):
        raise ParseError("This is no name of a string", token.start)
    label = token.text
    if label == "$":
        rule.anonymous += 1
        label = f"$#{rule.anonymous:04}"
    if label in rule.strings:
        raise ParseError("Two strings of a rule have one name", token.start)
    if len(rule.strings) >= references.MOST:
        raise ParseError(f"A rule has more than {references.MOST:,} strings", token.start)
    tokens.expect(SIGN, "=")
    value = tokens.hex() if tokens.peek().text == "{" else tokens.take()
    if value.kind not in _MODIFIERS or value.text == "b''":
        raise ParseError("A string has no value", value.start)
    modifiers = _modifiers(tokens, value)
    text = value.text
    if value.kind == REGEX:
        # /x/i says the same as /x/ nocase.
        pattern, _, switches = text.rpartition("/")
        if "i" in switches:
            modifiers["nocase"] = ""
        text = repr(pattern[1:]) + (" dotall" if "s" in switches else "")
    if not modifiers.keys() & {"wide", "xor", "base64", "base64wide"}:
        modifiers.pop("ascii", None)  # which is what a string is without any of these
    kind = {TEXT: "text", REGEX: "regex", HEX: "hex"}[value.kind]
    said = [f"{name}{argument}" for name, argument in sorted(modifiers.items())]
    rule.strings[label] = " ".join([kind, text, *said])


def _modifiers(tokens: Tokens, value: Token) -> dict[str, str]:
    found: dict[str, str] = {}
    while tokens.peek().text in _MODIFIERS[value.kind]:
        token = tokens.take()
        if token.text in found:
            raise ParseError("A modifier is repeated", token.start)
        found[token.text] = ""
        if token.text == "xor":
            found["xor"] = _range(tokens)
        if token.text.startswith("base64"):
            found[token.text] = f"({_alphabet(tokens)})"
    return found


def _range(tokens: Tokens) -> str:
    if not tokens.accept(SIGN, "("):
        return "(0-255)"
    low = high = tokens.expect(NUMBER).text
    if tokens.accept(SIGN, "-"):
        high = tokens.expect(NUMBER).text
    tokens.expect(SIGN, ")")
    return f"({low}-{high})"


def _alphabet(tokens: Tokens) -> str:
    if not tokens.accept(SIGN, "("):
        return _ALPHABET
    text = tokens.expect(TEXT).text
    tokens.expect(SIGN, ")")
    return text


def _condition(tokens: Tokens, rule: Rule) -> None:
    """Everything up to the brace that ends the rule; conditions themselves have none."""
    parts: list[Token] = []
    while True:
        token = tokens.take()
        if token.kind == SIGN and token.text == "}":
            break
        if token.kind == END or token.text in ("{", "rule", "meta", "strings", "condition"):
            raise ParseError("The condition of a rule has no end", token.start)
        parts.append(token)
    if not parts:
        raise ParseError("The condition of a rule is empty", token.start)
    references.check(rule.strings, parts, rule.start)
    rule.condition = " ".join(
        repr(part.text) if part.kind == REGEX else part.text for part in parts
    )
    rule.end = token.end
