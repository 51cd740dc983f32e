"""Text that came from a file, made inert: nothing in it acts on a terminal, a page, or a runner.

Reports are escaped where they are made; a saved one may come from anyone, so every renderer
escapes again.
"""

from __future__ import annotations

import re

from verifier import limits

# Runners of GitHub, Azure and TeamCity obey what a program prints: `::warning::x` at the start
# of a line (spaces before it do not count), and these anywhere in one.
_COMMAND = re.compile(r"##(?=\[|vso\[|teamcity\[)")
_LEADING = re.compile(r"^(\s*):(?=:)")


def plain(text: str, most: int = limits.TEXT) -> str:
    r"""`text` in one line of printable characters; others as `\x1b`, `\u202e`, `\ud800`.

    What is longer than `most` characters is cut, and says so.
    """
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in shown
        )
    return shown if len(text) <= most else f"{shown}… ({len(text) - most} characters more)"


def line(text: str, most: int = limits.TEXT) -> str:
    """`plain`, and safe as a whole line of the log of a CI runner."""
    return runner_safe(plain(text, most))


def runner_safe(text: str) -> str:
    """One printable line without anything that a runner takes for a command."""
    if "##" in text:
        text = _COMMAND.sub(r"#\\x23", text)
    return _LEADING.sub(r"\1\\x3a", text) if "::" in text else text


def lines(text: str, most: int = limits.TEXT) -> list[str]:
    """Each line of a longer text, escaped, with tabs as spaces; `most` characters together."""
    cut = text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)"
    return [line(each.expandtabs(), len(cut) + 99) for each in cut.split("\n")]
