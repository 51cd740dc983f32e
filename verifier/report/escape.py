"""Text for Markdown as GitHub and GitLab read it: what came from a file stays text.

Words that Markdown, HTML, or a forge's own links (mentions, issues, commits, emoji, addresses)
could take for something else stand in code spans, where none of that is looked for.
"""

from __future__ import annotations

import html
import re

from verifier.report.plain import line, plain, runner_safe

_TEXT = 500  # characters of one text
_FENCE = 16  # backticks; cmark gives up on fences of more than 80
_WORD = re.compile(
    r"\(?(?:[A-Za-z]+(?:[-'][A-Za-z]+)*|\d+(?:[.,]\d+)*)[.,;:!?)]*|[-\u2013\u2014→…=+]|[.,;:]+"
)
_REFERENCE = re.compile(r"(?i)gh-\d+|[0-9a-f]{7,}")


def code(text: str, most: int = _TEXT) -> str:
    """`text` as a code span, also within a table."""
    shown = plain(text, most)
    if not shown.strip():
        return "` `"
    longest = max((len(found) for found in re.findall("`+", shown)), default=0)
    if longest > _FENCE:
        shown, longest = shown.replace("`", r"\x60"), 0
    fence = "`" * (longest + 1)
    if "`" in (shown[0], shown[-1]) or (shown[0], shown[-1]) == (" ", " "):
        shown = f" {shown} "
    return f"{fence}{runner_safe(shown)}{fence}".replace("|", "\\|")


def prose(text: str, most: int = _TEXT) -> str:
    """A sentence: plain words as they are, what stands in backticks and all odd words as code."""
    parts = plain(text, most).split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner: not ours
        return code(text, most)
    shown = ""
    for number, part in enumerate(parts):
        words = part.split(" ")
        piece = code(part) if number % 2 else " ".join(map(_word, words))
        if not number and piece and not piece[0].isalpha() and piece[0] != "`":
            piece = " ".join([code(words[0]), *map(_word, words[1:])])  # no list, no heading
        if shown.endswith("`") and piece.startswith("`"):
            shown += " "  # two spans side by side would be read as one
        shown += piece
    return shown


def _word(word: str) -> str:
    bare = word.rstrip(".,;:!?)")
    if not bare or (_WORD.fullmatch(word) and not _REFERENCE.search(word)):
        return word
    return code(bare) + word[len(bare) :]


def tag(text: str, most: int = _TEXT) -> str:
    """`text` within an HTML element of its own, where no Markdown is read."""
    return f"<code>{html.escape(line(text, most))}</code>"


def fenced(lines: list[str]) -> list[str]:
    """A code block; `lines` are escaped already."""
    longest = max((len(found) for each in lines for found in re.findall("`+", each)), default=2)
    if longest > _FENCE:
        lines, longest = [each.replace("`", r"\x60") for each in lines], 0
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", *lines, fence]
