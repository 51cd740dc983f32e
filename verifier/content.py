"""Bytes of a file without reading it: mapped, sliced, hashed, compared.

A `Buffer` is a read-only memoryview. Mapped pages belong to the page cache,
so files larger than memory cost address space only.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.model import Ref, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

Buffer = memoryview

_BLOCK = 1 << 16
_STRETCH = 1 << 10


def of_file(path: str) -> Ref:
    """A reference to a whole file."""
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs start-up time
        return Ref(path, 0, file.seek(0, 2))


def view(ref: Ref) -> Buffer:
    """The referenced bytes; ParseError if the file is shorter than promised."""
    whole = _mapped(ref.path)
    if ref.offset < 0 or ref.length < 0 or ref.offset + ref.length > len(whole):
        raise ParseError(f"{ref.path} is shorter than {ref.offset + ref.length} bytes.")
    return whole[ref.offset : ref.offset + ref.length]


@lru_cache(maxsize=64)
def _mapped(path: str) -> Buffer:
    with open(path, "rb") as file:  # noqa: PTH123
        if file.seek(0, 2) == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def forget() -> None:
    """Drop cached maps (files that are about to be replaced or removed)."""
    _mapped.cache_clear()


def sha256(data: Buffer) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class Digests:
    """SHA-256 of stretches of files. Of one that begins with a known one, only the rest is read."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[int, hashlib._Hash]] = {}

    def sha256(self, ref: Ref) -> str:
        """In hex."""
        length, state = self._known.get(ref[:2], (0, hashlib.sha256()))
        if length > ref.length:
            length, state = 0, hashlib.sha256()
        state = state.copy()
        state.update(view(ref)[length:])
        self._known[ref[:2]] = (ref.length, state)
        return state.hexdigest()

    def same(self, one: Ref, other: Ref) -> None:
        """Note that both stretches, which were compared, hold the same bytes."""
        known = self._known.get(one[:2])
        if known is not None and known[0] <= one.length == other.length:
            self._known[other[:2]] = known


def equal(one: Buffer, other: Buffer) -> bool:
    """Whether the bytes are the same."""
    # Copies of blocks that fit the cache: comparing memoryviews goes item by item.
    if len(one) <= _BLOCK:
        return bytes(one) == bytes(other)
    return len(one) == len(other) and all(
        bytes(one[at : at + _BLOCK]) == bytes(other[at : at + _BLOCK])
        for at in range(0, len(one), _BLOCK)
    )


def equal_ends(one: Buffer, other: Buffer) -> tuple[int, int]:
    """How many bytes are the same at the start of both and at their ends, without overlap."""
    shorter = min(len(one), len(other))
    start = _equal_start(one[:shorter], other[:shorter])
    rest = shorter - start
    mine, theirs = one[len(one) - rest :], other[len(other) - rest :]
    end = 0
    while end < rest:
        size = min(_BLOCK, rest - end)
        at = rest - end - size
        left, right = bytes(mine[at : at + size]), bytes(theirs[at : at + size])
        if left != right:
            return start, end + _equal_start(memoryview(left[::-1]), memoryview(right[::-1]))
        end += size
    return start, end


def _equal_start(one: Buffer, other: Buffer) -> int:
    """How many bytes two equally long buffers have in common from their start."""
    first = next(runs(one, other), None)
    return len(one) if first is None else first.offset


class Stretches:
    """Whether parts of two files are equal, for many small parts asked in order.

    Remembers the equal stretch around the last answer, so that a thousand
    equal fields cost a few comparisons.
    """

    def __init__(self, shipped: Buffer, rebuilt: Buffer) -> None:
        self._shipped = shipped
        self._rebuilt = rebuilt
        self._start = self._end = self._shift = 0

    def equal(self, at: int, rebuilt_at: int, length: int) -> bool:
        """Whether `length` bytes at these two offsets are the same."""
        shift, end = rebuilt_at - at, at + length
        if shift == self._shift and self._start <= at and end <= self._end:
            return True
        if length < _STRETCH:
            after = min(at + _STRETCH, len(self._shipped), len(self._rebuilt) - shift)
            if bytes(self._shipped[at:after]) == bytes(self._rebuilt[at + shift : after + shift]):
                self._start, self._end, self._shift = at, max(after, at), shift
                return end <= after
        return equal(self._shipped[at:end], self._rebuilt[rebuilt_at : rebuilt_at + length])


def runs(shipped: Buffer, rebuilt: Buffer, gap: int = 0) -> Iterator[Run]:
    """Maximal runs of differing bytes of two equally long buffers, in order.

    Runs at most `gap` equal bytes apart are given as one. Works block by block:
    equal blocks cost a memory comparison, differing ones an exclusive-or.
    """
    start = end = -1
    differing = _differing(gap)
    for block in range(0, len(shipped), _BLOCK):
        one, other = bytes(shipped[block : block + _BLOCK]), bytes(rebuilt[block : block + _BLOCK])
        if one == other:
            continue
        mixed = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
        for found in differing.finditer(mixed.to_bytes(len(one), "little")):
            first, last = block + found.start(), block + found.end()
            if end >= 0 and first - end > gap:
                yield Run(start, end - start, start, end - start)
                start = first
            elif end < 0:
                start = first
            end = last
    if end >= 0:
        yield Run(start, end - start, start, end - start)


@cache
def _differing(gap: int) -> re.Pattern[bytes]:
    joined = rb"(?:\0{1,%d}[^\0]+)*" % gap if gap else b""
    return re.compile(rb"[^\0]+" + joined)
