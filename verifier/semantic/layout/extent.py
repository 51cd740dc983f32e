"""One stretch of a map, and the farthest address of any image."""

from __future__ import annotations

from typing import NamedTuple

FARTHEST = 1 << 61  # no image has addresses beyond; sums of two still fit 64 bits


class Extent(NamedTuple):
    """`length` bytes from address `a` of one image are those from `b` of the other."""

    a: int
    b: int
    length: int
