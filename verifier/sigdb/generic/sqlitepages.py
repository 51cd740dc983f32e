"""Which bytes of a SQLite file no reader reaches: gaps in pages, free pages, tails.

Run after SQLite's own integrity check, so that this walk need not judge; what
it does not understand is still a ParseError. Source: "Database File Format", 1.5-1.8.
"""

from __future__ import annotations

from typing import NamedTuple

from verifier.errors import ParseError
from verifier.sigdb.generic.gaps import Hidden

_INDEX_INNER, _TABLE_INNER, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13


class _Shape(NamedTuple):
    data: bytes
    page: int  # bytes of a page
    usable: int  # … without the reserved space at its end
    pages: int


class _Walk:
    """Collects the used stretches of each page."""

    def __init__(self, shape: _Shape) -> None:
        self.shape = shape
        self.used: dict[int, list[tuple[int, int]]] = {}

    def take(self, number: int) -> int:
        """Claim a page; its offset. ParseError if it is claimed already, or not there."""
        if not 0 < number <= self.shape.pages or number in self.used:
            raise ParseError(f"Page {number} is used twice, or is not there")
        self.used[number] = []
        return (number - 1) * self.shape.page

    def tree(self, root: int) -> None:
        """All pages of a b-tree."""
        pending = [root]
        while pending:
            pending += self._node(pending.pop())

    def _node(self, number: int) -> list[int]:
        base = self.take(number)
        data = self.shape.data
        start = 100 if number == 1 else 0
        at = base + start
        kind, cells = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        inner = kind in {_INDEX_INNER, _TABLE_INNER}
        if kind not in {_INDEX_INNER, _TABLE_INNER, _INDEX_LEAF, _TABLE_LEAF}:
            raise ParseError(f"Page {number} is no b-tree page", at)
        head = 12 if inner else 8
        used = self.used[number]
        used.append((0, start + head + 2 * cells))
        below = [int.from_bytes(data[at + 8 : at + 12], "big")] if inner else []
        for index in range(cells):
            place = at + head + 2 * index
            cell = int.from_bytes(data[place : place + 2], "big")
            size, child = self._cell(base + cell, kind)
            used.append((cell, cell + size))
            below += child
        self._free_blocks(base, int.from_bytes(data[at + 1 : at + 3], "big"), used)
        return below

    def _cell(self, at: int, kind: int) -> tuple[int, list[int]]:
        """The length of a cell in its page, and the page below it; follows its overflow."""
        data, start = self.shape.data, at
        child: list[int] = []
        if kind in {_INDEX_INNER, _TABLE_INNER}:
            child = [int.from_bytes(data[at : at + 4], "big")]
            at += 4
        if kind == _TABLE_INNER:
            return self._varint(at)[1] - start, child
        payload, at = self._varint(at)
        if kind == _TABLE_LEAF:
            at = self._varint(at)[1]
        local = self._local(payload, kind)
        at += local
        if local < payload:
            self._overflow(int.from_bytes(data[at : at + 4], "big"), payload - local)
            at += 4
        # A cell takes at least four bytes, so that a free block fits its place.
        return max(at - start, 4), child

    def _local(self, payload: int, kind: int) -> int:
        usable = self.shape.usable
        most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if payload <= most:
            return payload
        least = (usable - 12) * 32 // 255 - 23
        local = least + (payload - least) % (usable - 4)
        return local if local <= most else least

    def _overflow(self, number: int, left: int) -> None:
        while left > 0:
            base = self.take(number)
            part = min(left, self.shape.usable - 4)
            self.used[number].append((0, 4 + part))
            left -= part
            number = int.from_bytes(self.shape.data[base : base + 4], "big")

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for index in range(9):
            byte = self.shape.data[at + index]
            if index == 8:
                return value << 8 | byte, at + 9
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                break
        return value, at + index + 1

    def _free_blocks(self, base: int, block: int, used: list[tuple[int, int]]) -> None:
        """Their first four bytes chain them; the rest is unused."""
        while block:
            used.append((block, block + 4))
            following = int.from_bytes(self.shape.data[base + block : base + block + 2], "big")
            if following and following <= block:
                raise ParseError("Free blocks that do not ascend", base + block)
            block = following

    def free_list(self, number: int, declared: int) -> None:
        """Trunk pages hold the numbers of free pages; these are unused as a whole."""
        before = len(self.used)
        while number:
            base = self.take(number)
            data = self.shape.data
            count = int.from_bytes(data[base + 4 : base + 8], "big")
            if count > self.shape.usable // 4 - 2:
                raise ParseError("A list of free pages that is longer than its page", base)
            self.used[number].append((0, 8 + 4 * count))
            for index in range(count):
                at = base + 8 + 4 * index
                self.take(int.from_bytes(data[at : at + 4], "big"))
            number = int.from_bytes(data[base : base + 4], "big")
        if len(self.used) - before != declared:
            raise ParseError("The header counts other free pages than there are", 36)

    def pointer_maps(self) -> None:
        """Page 2 and its like, where the database can shrink by itself."""
        each = self.shape.usable // 5
        for number in range(2, self.shape.pages + 1, each + 1):
            self.take(number)
            self.used[number].append((0, 5 * min(each, self.shape.pages - number)))


def hidden(data: bytes, roots: list[int]) -> Hidden:
    """What the file holds that SQLite never reads; ParseError where its pages make no sense."""
    page = int.from_bytes(data[16:18], "big")
    page = 65536 if page == 1 else page
    count = int.from_bytes(data[28:32], "big")
    if not count or data[24:28] != data[92:96]:
        count = len(data) // page
    if page < 512 or page & (page - 1) or count * page > len(data):
        raise ParseError("The header's page size or number of pages is wrong", 16)
    walk = _Walk(_Shape(data, page, page - data[20], count))
    try:
        if int.from_bytes(data[52:56], "big"):
            walk.pointer_maps()
        for root in [1, *roots]:
            walk.tree(root)
        walk.free_list(int.from_bytes(data[32:36], "big"), int.from_bytes(data[36:40], "big"))
    except IndexError:
        raise ParseError("A page leads out of the file") from None
    if len(walk.used) != count:
        raise ParseError(f"{count - len(walk.used)} pages belong to nothing")
    found = Hidden()
    for number in sorted(walk.used):
        found.page(data[(number - 1) * page : number * page - data[20]], walk.used[number])
        found.unused.add(data[number * page - data[20] : number * page])
    found.unused.add(data[72:92])
    found.unused.add(data[count * page :])
    return found
