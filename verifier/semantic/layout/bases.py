"""Addresses of zeros before something: the base of what follows, or zeros that are meant?

`&array[-1]`, to which code adds a register, lies in what stands before the array. If that is
zeros, a map could send these elsewhere than the array, and each reference would still fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.mapping import Mapping

_NEAR = 1 << 12  # bytes that a base may lie before its array


def unclear(image: Assembled, mapping: Mapping) -> tuple[list[str], list[str]]:
    """(faults, assumptions): zeros that code takes the address of, and which moved alone.

    It may also be that nothing but them is meant, as of an empty text: that is assumed where they
    moved with what stands before them, and no register is added.
    """
    slots = image.slots
    faults: list[str] = []
    assumptions: list[str] = []
    for kind in (Kind.INDEXED, Kind.TAKEN):
        targets = np.unique(slots.target[slots.kind == kind])
        for target in targets[mapping.all(targets) >= 0].tolist():
            if _apart(image, mapping, target):
                sure = kind == Kind.TAKEN and _follows(image, mapping, target)
                place = image.program.label(target)
                text = f"The zeros at {place} moved otherwise than what follows them"
                if sure:
                    assumptions.append(f"{text}, which no code reaches from there.")
                else:
                    faults.append(f"{text}, which code may reach from there.")
    return faults, assumptions


def _apart(image: Assembled, mapping: Mapping, target: int) -> bool:
    """Whether nothing but zeros stand from `target` to what follows, and moved without it."""
    index = mapping.extent(target)
    piece = image.piece_at(target)
    if piece is None or piece.code or index + 1 >= len(mapping.a):
        return False
    masked, end = image.masked.get(piece.name), int(mapping.a[index] + mapping.length[index])
    following = int(mapping.a[index + 1])
    if masked is None or following >= piece.end or following - target > _NEAR:
        return False
    inner = image.slots.between(target, end)
    zeros = masked[target - piece.address : end - piece.address]
    apart = _moved(mapping, index) != _moved(mapping, index + 1)
    return apart and inner.start == inner.stop and not any(zeros)


def _follows(image: Assembled, mapping: Mapping, target: int) -> bool:
    """Whether the zeros at `target` moved with something that is not zero before them."""
    index = mapping.extent(target)
    piece, start = image.piece_at(target), int(mapping.a[index])
    assert piece is not None
    if any(image.masked[piece.name][start - piece.address : target - piece.address]):
        return True
    before = index > 0 and int(mapping.a[index - 1]) >= piece.address
    return before and _moved(mapping, index - 1) == _moved(mapping, index)


def _moved(mapping: Mapping, index: int) -> int:
    return int(mapping.b[index] - mapping.a[index])
