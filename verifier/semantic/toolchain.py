"""Which compilers and linkers an ELF image names in `.comment`: drift that explains the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.model import Difference
from verifier.semantic.parts import part
from verifier.semantic.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side

_READ: Final = 1 << 16


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """One difference where the two images name other tools."""
    one, other = _tools(shipped), _tools(rebuilt)
    if one == other:
        return
    mine = [name for name in one if name not in other]
    theirs = [name for name in other if name not in one]
    if mine or theirs:
        values = listed(mine) or "nothing more", listed(theirs) or "nothing more"
        yield Difference("toolchain", ".comment", f"Shipped {values[0]}, rebuilt {values[1]}.")


def _tools(side: Side) -> dict[str, None]:
    section = part(side, ".comment")
    raw = b"" if section is None else bytes(section.data(side)[:_READ])
    return dict.fromkeys(text(name, 200) for name in raw.split(b"\0") if name)
