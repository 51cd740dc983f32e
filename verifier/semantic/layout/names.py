"""What to call a function: its symbol, or its role (exported as, called by …), or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.formats.base import text
from verifier.semantic.demangle import shown
from verifier.semantic.layout import dwarf
from verifier.semantic.layout.called import Called
from verifier.semantic.layout.match import ORDERED
from verifier.semantic.layout.program import Address, Kind

_CALLERS = 64
_STEPS = 3  # calls from a named function, beside the last one

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled


class Places:
    """Names of changed functions, with the line of source where debug information tells it.

    A stripped shipped image takes names from the rebuild; lines are those of the audited source.
    """

    def __init__(self, one: Assembled, other: Assembled) -> None:
        self._one, self._other = one, other
        self._called: Called | None = None
        self._lines = dwarf.lines(one.program.debug), dwarf.lines(other.program.debug)

    def of(self, a: int, b: int) -> str:
        """What to call the function at `a` in the rebuilt and `b` in the shipped image."""
        if b not in self._other.program.names and a in self._one.program.names:
            return of(self._one, a)
        if self._called is None:
            self._called = Called(self._other)
        return of(self._other, b, self._called)

    def line(self, a: int, b: int) -> str:
        """` at deflate.c:1834` for an instruction, or nothing."""
        found = self._lines[0].at(a + self._one.program.base) if a >= 0 else ""
        if not found and b >= 0:
            found = self._lines[1].at(b + self._other.program.base)
        return f" at {text(found.encode('utf-8', 'surrogateescape'))}" if found else ""


def of(image: Assembled, start: int, called: Called | None = None) -> str:
    """The name of the function that begins at `start`."""
    known = image.program.names.get(start)
    if known:
        return shown(text(known[0].encode("utf-8", "surrogateescape")))
    place = image.program.label(start)
    role = _role(image, start, called or Called(image))
    return f"{place} ({role})" if role else place


def _role(image: Assembled, start: int, called: Called) -> str:
    """The only named function that refers to it, if there is one."""
    hits = np.flatnonzero(image.slots.target == start)
    places = image.slots.at[hits[:_CALLERS]].tolist()
    homes = [image.piece_at(at) for at in places]
    callers = _callers(image, start)
    named = sorted(image.program.names[at][0] for at in callers if at in image.program.names)
    if named:
        more = f" and {len(callers) - 1} more" if len(callers) > 1 else ""
        return f"called by {shown(text(named[0].encode('utf-8', 'surrogateescape')))}{more}"
    kinds = set(image.slots.kind[hits].tolist())
    uses = called.uses(start)
    if kinds == {int(Kind.POINTER)} and homes[0] is not None:
        piece = homes[0]
        if piece.name in ORDERED:
            number = (places[0] - piece.address) // int(image.slots.size[hits[0]]) + 1
            return f"number {number} of {piece.name}"
        return uses or f"a pointer in {piece.name} leads to it"
    entry = ("entry", Address(start)) in image.program.facts
    return "the program's entry point" if entry else uses or _reached(image, start, callers)


def _callers(image: Assembled, start: int) -> set[int]:
    """Where functions begin that refer to a function, as far as they are looked at."""
    places = image.slots.at[np.flatnonzero(image.slots.target == start)[:_CALLERS]].tolist()
    return {image.atom(at) for at in places if (piece := image.piece_at(at)) and piece.code}


def _reached(image: Assembled, start: int, callers: set[int]) -> str:
    """The nearest named function from which calls lead to it, through unnamed ones."""
    seen, level = {start}, callers - {start}
    for _step in range(_STEPS):
        seen |= level
        above = [_callers(image, each) for each in sorted(level)[:_CALLERS]]
        level = set().union(*above) - seen
        named = sorted(image.program.names[at][0] for at in level if at in image.program.names)
        if named:
            return f"reached from {shown(text(named[0].encode('utf-8', 'surrogateescape')))}"
    return ""
