"""Compilers and linkers that leave a name: `.comment` of ELF, `.rdata` of MinGW."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.limits import MIB
from verifier.semantic.parts import is_elf, part

if TYPE_CHECKING:
    from verifier.formats.base import Side

_READ: Final = 1 << 16
_GCC: Final = re.compile(r"GCC: \((?P<who>[^()]{0,80})\) (?P<base>[\w.~+-]+)")
_MINGW: Final = re.compile(rb"GCC: \([\x20-\x7e]{1,80}\) [\x20-\x7e]{1,60}(?=\0)")
_KNOWN: Final = (
    ("rustc", re.compile(r"rustc version (\S.*)")),
    ("LLD", re.compile(r"Linker: (?:.*)LLD (\S+)")),
    ("clang", re.compile(r"(?:.* )?clang version (\S.*)")),
)
_VENDORS: Final = ("Debian ", "Ubuntu ", "Alpine ", "Red Hat ")


def said(side: Side, _name: str) -> dict[str, str]:
    """Versions by tool; several of one tool stand in one text, since libraries bring theirs."""
    found: dict[str, dict[str, None]] = {}
    for line in _lines(side):
        tool, version = named(line)
        found.setdefault(tool, {})[version] = None
    return {tool: ", ".join(sorted(versions)) for tool, versions in found.items()}


def named(line: str) -> tuple[str, str]:
    """`GCC: (Debian 12.2.0-14) 12.2.0` is GCC, `12.2.0-14 (Debian)`; unknown ones as they stand."""
    if gcc := _GCC.match(line):
        who = gcc["who"]
        for vendor in _VENDORS:
            if who.startswith(vendor):
                return "GCC", f"{who.removeprefix(vendor)} ({vendor.strip()})"
        return "GCC", f"{gcc['base']} ({who})"
    for tool, pattern in _KNOWN:
        if found := pattern.match(line):
            return tool, found[1]
    return "tool", line


def _lines(side: Side) -> list[str]:
    if is_elf(side):
        section = part(side, ".comment")
        raw = b"" if section is None else bytes(section.data(side)[:_READ])
        return [text(line, 200) for line in dict.fromkeys(raw.split(b"\0")) if line]
    section = part(side, ".rdata")
    raw = b"" if section is None else bytes(section.data(side)[: 8 * MIB])
    found = dict.fromkeys(match[0] for match in islice(_MINGW.finditer(raw), 10_000))
    return [text(line, 200) for line in found]
