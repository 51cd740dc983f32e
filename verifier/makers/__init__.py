"""What a file says of the tools that made it, shipped beside rebuilt: drift that explains the rest.

One reader a file, each `said(side, name)`, which gives versions by tool. Readers meet hostile bytes
inside a worker: they raise nothing but `VerifierError`, and no verdict depends on what they say.
Adding one is its file, its name in `READERS` or `BY_NAME`, and its advice in `advice.py`.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Final

from verifier.account import Maker
from verifier.errors import VerifierError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.formats.base import Side

READERS: Final[dict[str, tuple[str, ...]]] = {
    "elf": ("comment", "producer", "languages", "clibrary"),
    "pe": ("comment", "producer", "image", "languages"),
}
BY_NAME: Final = (
    (re.compile(r"\.dist-info/WHEEL$"), "wheel"),
    (re.compile(r"(?:^|/)[^/]+\.buildinfo$"), "buildinfo"),
    (
        re.compile(
            r"(?:^|/)control\.tar[^/]*!/(?:\./)?(?:triggers|(?:pre|post)(?:inst|rm)|control)$"
        ),
        "debhelper",
    ),
)
_MOST: Final = 2_000  # tools of one file
_SHOWN: Final = 400  # makers of one run
UNREADABLE: Final = "what it says cannot be read"


def compared(path: str, format_name: str, shipped: Side, rebuilt: Side) -> tuple[Maker, ...]:
    """The tools that both sides of one pair name, in the order of the readers."""
    from verifier.makers.advice import advice  # noqa: PLC0415 - only where files differ

    names = list(READERS.get(format_name, ()))
    names += [name for pattern, name in BY_NAME if pattern.search(path)]
    found: list[Maker] = []
    for name in names:
        one, other = _said(name, shipped, path), _said(name, rebuilt, path)
        for tool in dict.fromkeys((*one, *other)):
            values = one.get(tool, "nothing"), other.get(tool, "nothing")
            # A list of hundreds of packages says something where it is not the same.
            if len(found) < _MOST and (values[0] != values[1] or not tool.startswith("package ")):
                how = advice(tool, values[0]) if values[0] != values[1] else ""
                found.append(Maker(tool, path, *values, how))
    return tuple(found)


def _said(name: str, side: Side, path: str) -> dict[str, str]:
    reader = import_module(f"verifier.makers.{name}")
    try:
        said: dict[str, str] = reader.said(side, path)
    except VerifierError as error:
        return {name: f"{UNREADABLE}: {error}"}
    return said


def merged(makers: Iterable[Maker]) -> tuple[Maker, ...]:
    """Each fact once, however many files tell it; what drifted first, most told first."""
    members: dict[tuple[str, str, str, str], list[str]] = {}
    for each in makers:
        members.setdefault((each.tool, each.shipped, each.here, each.advice), []).append(
            each.member
        )
    found = []
    for (tool, shipped, here, how), paths in members.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        found.append((len(paths), Maker(tool, f"{paths[0]}{more}", shipped, here, how)))
    found.sort(key=lambda item: (not item[1].drifted, -item[0]))
    return tuple(each for _, each in found[:_SHOWN])
