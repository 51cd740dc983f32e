"""What to call a function: its symbol, or its role (exported as, called by …), or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.formats.base import text
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled


def of(image: Assembled, start: int) -> str:
    """The name of the function that begins at `start`."""
    known = image.program.names.get(start)
    if known:
        return text(known[0].encode("utf-8", "surrogateescape"))
    place = image.program.label(start)
    role = _role(image, start)
    return f"{place} ({role})" if role else place


def _role(image: Assembled, start: int) -> str:
    """The only named function that refers to it, if there is one."""
    hits = np.flatnonzero(image.slots.target == start)
    callers = {image.atom(int(image.slots.at[index])) for index in hits[:64].tolist()}
    named = sorted(image.program.names[at][0] for at in callers if at in image.program.names)
    if named:
        more = f" and {len(callers) - 1} more" if len(callers) > 1 else ""
        return text(f"called by {named[0]}{more}".encode("utf-8", "surrogateescape"))
    kinds = set(image.slots.kind[hits].tolist())
    if kinds == {int(Kind.POINTER)}:
        piece = image.piece_at(int(image.slots.at[hits[0]]))
        return f"a pointer in {piece.name} leads to it" if piece else ""
    return ""
