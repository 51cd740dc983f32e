"""A file without what other rules settled, so that a map need not speak of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.content import Buffer


def without(data: Buffer, settled: Iterable[tuple[int, int]]) -> Buffer:
    """A copy with zeros in the (offset, length) ranges; one at the very end is cut off.

    Certificates at the end of a file have another length in each: they are settled by a rule
    of their own, or not at all.
    """
    ranges = sorted(settled)
    if not ranges:
        return data
    copy = bytearray(data)
    for offset, length in ranges:
        copy[offset : offset + length] = bytes(length)
    end = len(copy)
    for offset, length in reversed(ranges):
        if offset + length == end and length:
            end = offset
    return memoryview(copy)[:end]
