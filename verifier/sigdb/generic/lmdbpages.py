"""The pages of an LMDB file: trees, named databases, several values of a key.

LMDB finds a key by comparing, so a tree out of order could hold a key that a
walk sees and a look-up does not: order is checked. A database with a comparison
function of its own is therefore refused. Source: lmdb.h and mdb.c of LMDB 0.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.formats.base import unpack
from verifier.sigdb.generic.gaps import Hidden, gaps

if TYPE_CHECKING:
    from verifier.content import Buffer

_HEAD = 16  # bytes before a page's content
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_META = "<IIQQ"  # magic, version, address, map size; then two databases, last page, transaction
_META_SIZE = 24 + 2 * 48 + 16
_DATABASE = "<IHHQQQQQ"  # pad, flags, depth, branch, leaf and overflow pages, entries, root
_BRANCH, _LEAF, _OVERFLOW, _METAPAGE, _LEAF2 = 1, 2, 4, 8, 0x20
_BIG, SUB, DUP = 1, 2, 4  # flags of nodes
_NONE = 0xFFFFFFFFFFFFFFFF
_DEPTH = 64
FLAGS = 0x7E  # of a database: order of its keys, duplicates
_DUPLICATES = 4
_REVERSE_KEY, _INTEGER_KEY, _INTEGER_DUP, _REVERSE_DUP = 2, 8, 0x20, 0x40
_MOST = 20_000_000  # entries of one file


class Database(NamedTuple):
    """A tree as its holder describes it: `pad` is a key size, the counts are pages."""

    pad: int
    flags: int
    depth: int
    branch: int
    leaf: int
    overflow: int
    entries: int
    root: int


class Node(NamedTuple):
    """One entry of a page."""

    key: bytes
    value: bytes
    flags: int
    number: int = 0  # page below, of a branch


_Key = tuple[int, bytes]
_Order = Callable[[bytes], _Key]


class _Below(NamedTuple):
    """A page to be read, and what its keys must lie between; None for no bound."""

    number: int
    depth: int
    low: _Key | None = None
    high: _Key | None = None


def _order(flags: int, reverse: int, integer: int) -> _Order:
    """What keys are compared by: bytes, bytes from the end, or a number."""
    if flags & integer:
        return lambda key: (int.from_bytes(key, "little"), b"")
    if flags & reverse:
        return lambda key: (0, key[::-1])
    return lambda key: (0, key)


class Reader:
    """Walks one file, and remembers what of each page it has used."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.used: dict[int, list[tuple[int, int]]] = {}
        self.spare: list[bytes] = []  # used bytes without meaning
        self.entries = self.big = 0  # entries, and pages of large values
        self.below = (0, 0, 0)  # branches, leaves and values of all trees of duplicates
        self.page, self.last, self.free, self.main = self._meta()

    def _meta(self) -> tuple[int, int, Database, Database]:
        """Page size and the roots of the newer of two snapshots."""
        found = []
        size = 0
        for number in range(2):
            base = number * size
            magic, version, _address, _map = unpack(_META, self.data, base + _HEAD, "a meta page")
            head = unpack("<QHH", self.data, base, "a meta page")
            if magic != _MAGIC or version != _VERSION or head != (number, 0, _METAPAGE):
                raise ParseError("No LMDB data file of 64-bit machines", base)
            databases = [
                Database(*unpack(_DATABASE, self.data, base + _HEAD + 24 + 48 * index, "a root"))
                for index in range(2)
            ]
            last, transaction = unpack("<QQ", self.data, base + _HEAD + 120, "a meta page")
            size = size or databases[0].pad
            if size != databases[0].pad or not 256 <= size <= 65536 or size & (size - 1):
                raise ParseError("Meta pages that give no page size", base)
            found.append((transaction, number, size, last, *databases))
        if len(self.data) < 2 * size or found[0][0] == found[1][0] != 0:
            raise ParseError("Meta pages that name one transaction twice")
        newer = max(found)[1]
        head_used = [(0, 12), (_HEAD, _HEAD + 8)]
        self.used[newer] = [*head_used, (_HEAD + 16, _HEAD + _META_SIZE)]
        self.used[1 - newer] = head_used  # an older state: what it says is a remnant
        _, _, size, last, free, main = found[newer]
        if (last + 1) * size > len(self.data) or free.flags != _INTEGER_KEY:
            raise ParseError("The file ends before its last page, or its free pages have no list")
        return size, last, free, main

    def take(self, number: int, pages: int = 1) -> int:
        """Claim pages; the offset of the first. ParseError if claimed before, or not there."""
        if number + pages - 1 > self.last or (number + pages) * self.page > len(self.data):
            raise ParseError(f"Page {number} is not there")
        for each in range(number, number + pages):
            if each in self.used:
                raise ParseError(f"Page {each} is used twice", each * self.page)
            self.used[each] = []
        base = number * self.page
        if int.from_bytes(self.data[base : base + 8], "little") != number:
            raise ParseError(f"Page {number} bears another number", base)
        return base

    def nodes(self, database: Database, order: _Order | None = None) -> Iterator[Node]:
        """The leaves of a tree in their order; ParseError where it is not that of its keys."""
        order = order or _order(database.flags, _REVERSE_KEY, _INTEGER_KEY)
        pending = [] if database.root == _NONE else [_Below(database.root, 1)]
        branches = leaves = entries = fixed = 0
        big, below = self.big, self.below
        while pending:
            at = pending.pop()
            base = self.take(at.number)
            flags = int.from_bytes(self.data[base + 10 : base + 12], "little")
            if at.depth > _DEPTH or bool(flags & _BRANCH) != (at.depth < database.depth):
                raise ParseError(f"Page {at.number} lies deeper than its database declares")
            if flags & _BRANCH:
                branches += 1
                pending += self._branch(at, base, order)
            elif not flags & _LEAF:
                raise ParseError(f"Page {at.number} is neither branch nor leaf", base)
            else:
                leaves += 1
                fixed = database.pad if flags & _LEAF2 else 0
                for node in self._leaf(at, base, order, fixed):
                    entries += 0 if node.flags & DUP else 1
                    yield node
        # Whoever takes a node reads its duplicates before the next one.
        within = [one - other for one, other in zip(self.below, below, strict=True)]
        found = (branches + within[0], leaves + within[1], self.big - big, entries + within[2])
        padded = database.pad not in {0, fixed} and database is not self.free
        if found != database[3:7] or padded or database.flags & ~FLAGS:
            raise ParseError("A database that has not the pages and entries that it declares")

    def _branch(self, at: _Below, base: int, order: _Order) -> list[_Below]:
        """The pages below, last one first."""
        found = list(self.page_nodes(base, at.number, branch=True))
        if not found:
            raise ParseError(f"Page {at.number} is a branch that leads nowhere", base)
        # The first key is never compared.
        bounds = [at.low, *(order(node.key) for node in found[1:]), at.high]
        return [
            _Below(node.number, at.depth + 1, bounds[index], bounds[index + 1])
            for index, node in enumerate(found)
        ][::-1]

    def _leaf(self, at: _Below, base: int, order: _Order, fixed: int) -> Iterator[Node]:
        before = None
        found = self._fixed(base, at.number, fixed) if fixed else self.page_nodes(base, at.number)
        for node in found:
            key = order(node.key)
            low = before is None or key > before
            if not low or (at.low and key < at.low) or (at.high and key >= at.high):
                raise ParseError(f"Page {at.number} has keys out of their order", base)
            before = key
            self.entries += 1
            if self.entries > _MOST:
                raise LimitError(f"An LMDB file of more than {_MOST} entries.")
            yield node

    def page_nodes(self, base: int, number: int, *, branch: bool = False) -> Iterator[Node]:
        """The nodes of one page."""
        lower, upper = unpack("<HH", self.data, base + 12, "a page's head")
        if not _HEAD <= lower <= upper <= self.page or lower % 2:
            raise ParseError(f"Page {number} gives impossible bounds", base)
        self.used[number] += [(0, 8), (10, lower)]
        lowest = self.page
        for at in range(_HEAD, lower, 2):
            start = int.from_bytes(self.data[base + at : base + at + 2], "little")
            node, size = self._node(base + start, branch=branch)
            if start < upper or start + size > self.page:
                raise ParseError(f"A node leaves page {number}", base + start)
            self.used[number].append((start, start + size))
            lowest = min(lowest, start)
            yield node
        if lowest != upper:
            raise ParseError(f"Page {number} gives impossible bounds", base)

    def _node(self, at: int, *, branch: bool = False) -> tuple[Node, int]:
        low, high, flags, size = unpack("<HHHH", self.data, at, "a node")
        key = bytes(self.data[at + 8 : at + 8 + size])
        if branch:
            return Node(key, b"", 0, low | high << 16 | flags << 32), 8 + size
        length = low | high << 16
        stored = 8 if flags & _BIG else length
        value = bytes(self.data[at + 8 + size : at + 8 + size + stored])
        if len(key) != size or len(value) != stored or flags & ~(_BIG | SUB | DUP):
            raise ParseError("A node that its file does not hold", at)
        if flags & _BIG:
            value = self._big(int.from_bytes(value, "little"), length)
        return Node(key, value, flags), 8 + size + stored

    def _big(self, number: int, length: int) -> bytes:
        """A value on pages of its own."""
        pages = (_HEAD + length + self.page - 1) // self.page
        base = self.take(number, pages)
        self.big += pages
        flags, declared = unpack("<HI", self.data, base + 10, "an overflow page")
        if not flags & _OVERFLOW or declared != pages:
            raise ParseError(f"Page {number} is no overflow page of {pages} pages", base)
        for each in range(pages):
            end = min(self.page, _HEAD + length - each * self.page)
            self.used[number + each] += [(10, end)] if each == 0 else [(0, end)]
        self.used[number].append((0, 8))
        return bytes(self.data[base + _HEAD : base + _HEAD + length])

    def _fixed(self, base: int, number: int, size: int) -> Iterator[Node]:
        """A page of keys of one size, without nodes."""
        lower = int.from_bytes(self.data[base + 12 : base + 14], "little")
        count = (lower - _HEAD) // 2
        if size <= 0 or count < 0 or _HEAD + count * size > self.page:
            raise ParseError(f"Page {number} gives impossible bounds", base)
        self.used[number].append((0, _HEAD + count * size))
        for index in range(count):
            at = base + _HEAD + index * size
            yield Node(bytes(self.data[at : at + size]), b"", 0)

    def duplicates(self, node: Node, flags: int) -> Iterator[bytes]:
        """The values of a key that has several: a tree, or a small page within the node."""
        order = _order(flags, _REVERSE_DUP, _INTEGER_DUP)
        if node.flags & SUB:
            tree = database(node.value)
            yield from (item.key for item in self.nodes(tree, order))
            counts = zip(self.below, (tree.branch, tree.leaf, tree.entries), strict=True)
            branches, leaves, values = map(sum, counts)
            self.below = (branches, leaves, values)
            return
        found = list(self._within(node))
        if any(order(one) >= order(other) for one, other in pairwise(found)):
            raise ParseError("Values of one key out of their order")
        self.below = (*self.below[:2], self.below[2] + len(found))
        yield from found

    def _within(self, node: Node) -> Iterator[bytes]:
        page = memoryview(node.value)
        size, flags, lower, upper = unpack("<HHHH", page, 8, "a page in a node")
        if not _HEAD <= lower <= upper <= len(page) or node.flags & _BIG:
            raise ParseError("A page in a node gives impossible bounds")
        used = [(8, lower)]
        if flags & _LEAF2:
            count = (lower - _HEAD) // 2
            used.append((_HEAD, _HEAD + count * size))
            if not size or _HEAD + count * size > len(page):
                raise ParseError("A page in a node gives impossible bounds")
            ends = [(at, at + size) for at in range(_HEAD, _HEAD + count * size, size)]
        else:
            used[0] = (10, lower)
            ends = []
            for at in range(_HEAD, lower, 2):
                start = int.from_bytes(page[at : at + 2], "little")
                length = int.from_bytes(page[start + 6 : start + 8], "little")
                if start < upper or start + 8 + length > len(page):
                    raise ParseError("A value leaves its page in a node")
                ends.append((start + 8, start + 8 + length))
                used.append((start + 6, start + 8 + length))
        for start, end in ends:
            yield node.value[start:end]
        self.spare += [node.value[start:end] for start, end in gaps(used, len(page))]

    def free_list(self) -> None:
        """Pages that may be written again: lists of their numbers, and nothing else."""
        for node in self.nodes(self.free):
            numbers = unpack(f"<{len(node.value) // 8}Q", memoryview(node.value), 0, "a list")
            count = numbers[0] if numbers else 0
            listed = numbers[1 : count + 1]
            if (
                len(node.value) % 8
                or len(listed) != count
                or any(not 1 < number <= self.last for number in listed)
            ):
                raise ParseError("A list of free pages that holds something else")
            self.spare.append(node.value[8 * (count + 1) :])

    def hidden(self) -> Hidden:
        """What the file holds that LMDB never reads."""
        found = Hidden()
        for number, base in enumerate(range(0, len(self.data), self.page)):
            found.page(bytes(self.data[base : base + self.page]), self.used.get(number))
        for stretch in self.spare:
            found.remnants.add(stretch)
        return found


def database(raw: bytes) -> Database:
    """The database that a value describes."""
    if len(raw) != 48:
        raise ParseError(f"A database described by {len(raw)} bytes instead of 48")
    return Database(*unpack(_DATABASE, memoryview(raw), 0, "a database"))
