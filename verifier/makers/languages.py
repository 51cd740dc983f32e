"""Go's build information, and Rust's compiler by its notes and the paths of its library."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.limits import MIB
from verifier.semantic import golang
from verifier.semantic.parts import part

if TYPE_CHECKING:
    from verifier.formats.base import Side

_SEARCHED: Final = 16 * MIB
_LIBRARY: Final = re.compile(rb"[/\\]rustc[/\\]([0-9a-f]{40}|\d{1,3}\.\d{1,3}\.\d{1,3})[/\\]")
_NOTE: Final = re.compile(rb"rustc (\d[\x20-\x7e]{2,80})")


def said(side: Side, _name: str) -> dict[str, str]:
    """Nothing for a program of neither language."""
    found: dict[str, str] = {}
    built = golang.build(side)
    if built is not None:
        found["Go"] = built.version
        found |= {f"Go setting {name}": value for name, value in sorted(built.settings.items())}
    commits: dict[bytes, None] = {}
    for label in (".rodata", ".rdata"):
        section = part(side, label)
        if section is not None:
            raw = bytes(section.data(side)[:_SEARCHED])
            commits |= dict.fromkeys(m[1] for m in islice(_LIBRARY.finditer(raw), 100_000))
    if commits:
        found["Rust library"] = ", ".join(text(each) for each in sorted(commits)[:8])
    for label in (".rustc", ".note.rustc"):
        section = part(side, label)
        if section is not None and (note := _NOTE.search(bytes(section.data(side)[:512]))):
            found["rustc"] = text(note[1])
    return found
