"""Text of files, made harmless for a page that people read: nothing in it can act or hide."""

from __future__ import annotations

from verifier import limits


def visible(text: str, cap: int = limits.PAGE_TEXT) -> str:
    """One line in which control characters, marks of direction and lone surrogates are escaped.

    HTML is escaped by the template; script and style never see this text as code.
    """
    rest = len(text) - cap
    text = text[:cap] if rest > 0 else text
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escaped(char) for char in text)
    return f"{text}… ({rest:,} more characters)" if rest > 0 else text


def visible_lines(text: str, cap: int = limits.PAGE_DETAIL) -> str:
    """The same for text of several lines, whose ends and tabs stay."""
    rest = len(text) - cap
    lines = text[:cap].replace("\t", "    ").split("\n")
    shown = "\n".join(visible(line) for line in lines)
    return f"{shown}\n… ({rest:,} more characters)" if rest > 0 else shown


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
