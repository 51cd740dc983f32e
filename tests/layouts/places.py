"""Addresses of functions by the names that reports give them, as GNU nm and LIEF see them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, cast

import lief

from tests.layouts import builds
from verifier.semantic.layout.names import shown

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

_PLACE = re.compile(r"([.\w]+)\+0x([0-9a-f]+)(?: \(.*)?")


@cache
def image(path: Path) -> lief.ELF.Binary | lief.PE.Binary:
    found = lief.parse(str(path))
    assert isinstance(found, lief.ELF.Binary | lief.PE.Binary)
    return found


def base(path: Path) -> int:
    found = image(path)
    return found.optional_header.imagebase if isinstance(found, lief.PE.Binary) else 0


def addresses(kind: Kind, path: Path) -> dict[str, int]:
    """All symbols of a library that was not stripped: offset in the loaded image by name."""
    found = {}
    for line in builds.run(f"{kind.prefix}nm", path).splitlines():
        value, _, name = line.rpartition(" ")
        if value.split() and value.split()[0] != "U" and value.split()[0] != "w":
            found[name] = int(value.split()[0], 16) - base(path)
            found.setdefault(shown(name), found[name])
            if kind.word == 4:  # compilers for 32-bit Windows put `_` before each name
                found.setdefault(name.removeprefix("_"), found[name])
    return found


def place(kind: Kind, path: Path, known: dict[str, int], where: str) -> int:
    """The address that `where` of a difference names: a symbol, or a section and a distance."""
    if where in known:
        return known[where]
    match = _PLACE.fullmatch(where)
    assert match, f"{where} is no place in {path}"
    section = cast("lief.Section", image(path).get_section(match[1]))
    return section.virtual_address + int(match[2], 16)
