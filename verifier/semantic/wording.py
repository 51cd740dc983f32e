"""What a text found in a program looks like: a key, an address, a command, a path.

For the order of a report alone. Every pattern is linear: no nested repeats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

KEY: Final = "key or secret"
ADDRESS: Final = "address"
COMMAND: Final = "command"
PATH: Final = "path"
NATURES: Final = (KEY, COMMAND, ADDRESS, PATH)

_MOST = 1_000  # characters of a text that are looked at
_PATTERNS: Final = (
    (
        KEY,
        re.compile(
            r"-----BEGIN |\bAKIA[0-9A-Z]{16}\b|\bssh-(?:rsa|ed25519) AAAA|\beyJ[\w-]{16}"
            r"|^[0-9a-fA-F]{32,}$|^(?![A-Z_]{0,4}\d{1,3}[A-Za-z_]{3})(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])"
            r"[A-Za-z0-9+/]{40,}={0,2}$"
            r"|(?i:\b(?:password|passwd|secret|api[_-]?key|token) ?[=:] ?[^%\s])"
        ),
    ),
    (
        COMMAND,
        re.compile(
            r"(?:^|[|;&`(] ?|/bin/)(?:(?:sh|bash|dash|zsh|rm|nc|base64|perl|python3?) -"
            r"|(?:curl|wget|chmod|chown|sudo|insmod|modprobe|powershell|schtasks|rundll32"
            r"|regsvr32|certutil|bitsadmin|crontab|scp|ssh|socat|busybox)(?:\.exe)? [^\s])"
            r"|(?i:\bcmd(?:\.exe)? /c |\bHKEY_[A-Z_]+\\|\\CurrentVersion\\Run)"
            r"|^/(?:usr/)?s?bin/[\w.+-]+(?: |$)"
        ),
    ),
    (
        ADDRESS,
        re.compile(
            r"[A-Za-z][A-Za-z0-9+.-]{1,12}://[\w\[%]|\b[\w-]{2,56}\.onion\b"
            r"|^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?::\d{1,5})?$"
            r"|^[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2,12}$"
        ),
    ),
    (
        PATH,
        re.compile(
            r"^(?:/[\w.+@%~-]+){2,}/?$|^/(?:dev|etc|proc|sys|tmp)/|^~/[\w.]"
            r"|^[A-Za-z]:[\\/][\w. -]|^\\\\[\w.?-]+\\"
        ),
    ),
)  # fmt: skip


_SOURCE: Final = re.compile(
    r"^(?:[A-Za-z]:)?[\w./\\+@%~ -]*\.(?:rs|c|cc|cpp|cxx|h|hh|hpp|go|S|asm|obj|o|a|lib|pdb)…?$"
)


def nature(shown: str) -> str:
    """What `shown` looks like, as one of `NATURES`; empty for any other text.

    Names of source and object files are none: they change with every version.
    """
    probe = shown[:_MOST]
    if _SOURCE.match(probe):
        return ""
    return next((name for name, pattern in _PATTERNS if pattern.search(probe)), "")


def quoted(shown: str, cap: int = 100) -> str:
    """A text in quotation marks, escaped and cut to `cap` characters."""
    cut = shown if len(shown) <= cap else f"{shown[:cap]}…"
    return f'"{text(cut.encode("utf-8", "backslashreplace"))}"'


def listed(names: list[str], most: int = 6) -> str:
    """`a, b, c and 5 more`."""
    head = ", ".join(names[:most])
    return f"{head} and {len(names) - most} more" if len(names) > most else head


def lone(
    noun: str, sentence: str, mine: AbstractSet[str], theirs: AbstractSet[str], most: int
) -> Iterator[Difference]:
    """What one side alone has, by name; `sentence` has a place for which side, `most` are told."""
    for change, which, names in (
        ("added", "shipped", mine - theirs),
        ("removed", "rebuilt", theirs - mine),
    ):
        for name in sorted(names)[:most]:
            yield Difference(f"{noun}-{change}", name, sentence.format(which))
