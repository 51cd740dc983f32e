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

    It may also be that nothing but them is meant (an empty text), unless registers are added.
    """
    slots = image.slots
    faults: list[str] = []
    assumptions: list[str] = []
    for kind, found, what in (
        (Kind.INDEXED, faults, "which code may reach from there."),
        (Kind.TAKEN, assumptions, "which no code reaches from there."),
    ):
        targets = np.unique(slots.target[slots.kind == kind])
        mapped = targets[mapping.all(targets) >= 0].tolist()
        found += [
            f"The zeros at {image.program.label(at)} moved otherwise than what follows, {what}"
            for at in [at for at in mapped if _alone(image, mapping, at)]
        ]
    return faults, assumptions


def _alone(image: Assembled, mapping: Mapping, target: int) -> bool:
    """Whether nothing but zeros stand from `target` to what follows, and moved without it."""
    index = mapping.extent(target)
    piece = image.piece_at(target)
    if piece is None or piece.code or index + 1 >= len(mapping.a):
        return False
    masked, end = image.masked.get(piece.name), int(mapping.a[index] + mapping.length[index])
    following, moved = int(mapping.a[index + 1]), int(mapping.b[index] - mapping.a[index])
    if masked is None or following >= piece.end or following - target > _NEAR:
        return False
    inner = image.slots.between(target, end)
    zeros = masked[target - piece.address : end - piece.address]
    apart = int(mapping.b[index + 1]) - following != moved
    return apart and inner.start == inner.stop and not any(zeros)
