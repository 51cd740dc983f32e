"""Alignments that a map does not keep, though code may rely on them: each is an assumption.

Nothing in an image says how a thing must be aligned. x86-64 compilers align arrays of 16 bytes and
more to 16 (psABI, 3.1.2), so that code may read them with instructions that fault elsewhere;
pointers stand at multiples of their size; and the lowest bit of a member function's address tells
virtual ones apart (Itanium C++ ABI, 2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.mapping import NOWHERE
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.mapping import Mapping
    from verifier.semantic.layout.program import Ints

_VECTOR, _FUNCTION = 16, 2
_MEMBER = "_ZN"  # names of member functions begin so (Itanium C++ ABI, 5.1)


def lost(image: Assembled, mapping: Mapping) -> list[str]:
    """One sentence for each kind of thing that is aligned less than it was in `image`."""
    large = [start for start, size in image.program.objects.items() if size >= _VECTOR]
    slots = image.slots
    word = 4 if image.program.machine == "x86" else 8
    pointers = slots.at[np.isin(slots.kind, (Kind.POINTER, Kind.SYMBOL)) & (slots.size == word)]
    found = (
        (_fewer(mapping, np.array(large, dtype=np.int64), _VECTOR), "objects", _VECTOR),
        (_fewer(mapping, pointers, word), "pointers", word),
        (_fewer(mapping, _functions(image), _FUNCTION), "functions", _FUNCTION),
    )
    return [
        f"{len(places)} {what} are no longer aligned to {align} bytes, first "
        f"{image.program.label(int(places[0]))}; no code relies on it."
        for places, what, align in found
        if len(places)
    ]


def _fewer(mapping: Mapping, places: Ints, align: int) -> Ints:
    """The places that are multiples of `align`, and are none any more."""
    places = places[places % align == 0]
    there = mapping.all(places)
    fewer: Ints = places[(there != NOWHERE) & (there % align != 0)]
    return fewer


def _functions(image: Assembled) -> Ints:
    """Where code begins of which the address is taken, or that is a member function."""
    slots = image.slots
    taken = slots.target[np.isin(slots.kind, (Kind.TAKEN, Kind.POINTER))]
    named = [
        at for at, names in image.program.names.items() if any(_MEMBER in each for each in names)
    ]
    return np.intersect1d(np.concatenate([taken, np.array(named, dtype=np.int64)]), image.starts)
