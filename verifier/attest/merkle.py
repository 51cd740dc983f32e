"""Merkle trees of RFC 6962: roots, inclusion and consistency proofs, and their checks.

Source: RFC 9162 section 2.1, which keeps RFC 6962's hashing and spells the checks out. A tree is
read through `get(level, index)`: the hash of the complete subtree over the 2^level leaves from
index * 2^level on. Depth is bounded by the 63 bits of a size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from verifier.errors import ParseError

Get = Callable[[int, int], bytes]
SIZE = 32
EMPTY = hashlib.sha256(b"").digest()


def leaf(data: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\0" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\1" + left + right).digest()


def grown(size: int, hashed: bytes, get: Get) -> list[tuple[int, int, bytes]]:
    """The complete subtrees (level, index, hash) that one more leaf adds to a tree of `size`."""
    found = [(0, size, hashed)]
    level, index = 0, size
    while index & 1:
        hashed = node(get(level, index - 1), hashed)
        level, index = level + 1, index >> 1
        found.append((level, index, hashed))
    return found


def root(size: int, get: Get) -> bytes:
    """The hash of a whole tree."""
    return _range(0, size, get) if size else EMPTY


def inclusion(index: int, size: int, get: Get) -> list[bytes]:
    """The proof that leaf `index` is in the tree of `size`, from its sibling to the root's child.

    Raises:
        ParseError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ParseError(f"A tree of {size} entries has no entry {index}.")
    found: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append(_range(middle, end, get))
            end = middle
        else:
            found.append(_range(start, middle, get))
            start = middle
    return found[::-1]


def consistency(old: int, size: int, get: Get) -> list[bytes]:
    """The proof that the tree of `size` begins with that of `old`; empty for equal or no old size.

    Raises:
        ParseError: the old tree is the larger one.
    """
    if not 0 <= old <= size:
        raise ParseError(f"A tree of {size} entries holds none of {old}.")
    if old in {0, size}:
        return []
    found: list[bytes] = []
    start, end, whole = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            found.append(_range(middle, end, get))
            end = middle
        else:
            found.append(_range(start, middle, get))
            start, whole = middle, False
    if not whole:
        found.append(_range(start, end, get))
    return found[::-1]


def check_inclusion(
    index: int, size: int, hashed: bytes, proof: Sequence[bytes], against: bytes
) -> bool:
    """Whether `proof` shows that the leaf hash stands at `index` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(hashed) != SIZE:
        return False
    at, last = index, size - 1
    for each in proof:
        if last == 0 or len(each) != SIZE:
            return False
        if at & 1 or at == last:
            hashed = node(each, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = node(hashed, each)
        at, last = at >> 1, last >> 1
    return last == 0 and hashed == against


def check_consistency(
    old: int, size: int, proof: Sequence[bytes], old_root: bytes, against: bytes
) -> bool:
    """Whether `proof` shows that one tree begins with the other (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= size or any(len(each) != SIZE for each in proof):
        return False
    if old in {0, size}:
        roots = (EMPTY if old == 0 else against, EMPTY if size == 0 else against)
        return not proof and (old_root, against) == roots
    if not proof:
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(each, first), node(each, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, each)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == against


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _range(start: int, end: int, get: Get) -> bytes:
    """The hash of the leaves from `start` to `end`, where `start` is where a subtree begins."""
    found: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(get(level, start >> level))
        start += 1 << level
    hashed = found.pop()
    while found:
        hashed = node(found.pop(), hashed)
    return hashed
