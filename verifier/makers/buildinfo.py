"""The packages that a .buildinfo lists as installed (deb-buildinfo(5), Installed-Build-Depends)."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.limits import MIB

if TYPE_CHECKING:
    from verifier.formats.base import Side

_PACKAGE: Final = re.compile(
    rb"^ ([a-z0-9][a-z0-9+.:-]+) \(= ([\w.~+:-]{1,200})\),?$", re.MULTILINE
)
_FIELD: Final = re.compile(
    rb"^(Build-Architecture|Build-Path|Build-Date): (.{1,200})$", re.MULTILINE
)


def said(side: Side, _name: str) -> dict[str, str]:
    """Versions by package, and what the file says of path and date."""
    raw = bytes(side.data[: 4 * MIB])
    found = {text(match[1]): text(match[2]) for match in islice(_FIELD.finditer(raw), 8)}
    packages = islice(_PACKAGE.finditer(raw), 10_000)
    return {**found, **{f"package {text(match[1])}": text(match[2]) for match in packages}}
