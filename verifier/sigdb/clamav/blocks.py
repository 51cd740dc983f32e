"""Two large texts of lines: which lines one of them alone has, without an object for each line.

Both are cut into blocks at places that their own bytes choose, so that a line
more or less moves no other cut. Blocks that both have are put aside whole; the
lines of the rest are compared as sets.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

_SAMPLE = 1 << 17
_SMALL = 1 << 16  # texts up to here are not cut
_RARE, _OFTEN = 1 / 2000, 1 / 40  # of lines that may be cut at
_FEW = 4  # keys that are looked for one by one


class Unequal(NamedTuple):
    """Lines of one text alone, and the text in which lines of both are looked for.

    A line that stands in a shared block and in another may be in `lost` or
    `come` as well; `rest` holds all lines of `lost`, and such as both have.
    """

    lost: set[bytes]
    come: set[bytes]
    shared: list[bytes]
    rest: list[bytes]


def unequal(mine: list[bytes], theirs: list[bytes]) -> Unequal:
    """Compare texts whose every line ends with a newline; their order means nothing."""
    if mine == theirs:
        return Unequal(set(), set(), [], [])
    mark = _mark(mine, theirs)
    before, after = _cut(mine, mark), _cut(theirs, mark)
    both = set(before) & set(after)
    shared = [block for block in before if block in both]
    if shared:
        mine = [b"".join(block for block in before if block not in both)]
        theirs = [b"".join(block for block in after if block not in both)]
    del before, after, both
    old, new = _lines(mine), _lines(theirs)
    return Unequal(old - new, new - old, shared, mine)


def _lines(texts: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for text in texts:
        found.update(text.split(b"\n"))
    found.discard(b"")
    return found


def _mark(mine: list[bytes], theirs: list[bytes]) -> bytes:
    """Two bytes at the start or the end of lines by which to cut; empty for none."""
    if sum(map(len, mine)) < _SMALL or sum(map(len, theirs)) < _SMALL:
        return b""
    lines = max(mine, key=len)[:_SAMPLE].split(b"\n")[:-1]
    counts = Counter(b"\n" + line[:2] for line in lines)
    counts += Counter(line[-2:] + b"\n" for line in lines)
    fitting = [
        (-count, mark)
        for mark, count in counts.items()
        if len(mark) == 3 and _RARE * len(lines) <= count <= _OFTEN * len(lines)
    ]
    return min(fitting)[1] if fitting else b""


def _cut(texts: list[bytes], mark: bytes) -> list[bytes]:
    """Blocks of whole lines that together are the texts."""
    if not mark:
        return [text for text in texts if text]
    head, tail = mark.split(b"\n")
    found: list[bytes] = []
    for text in texts:
        pieces = text.split(mark)
        last = len(pieces) - 1
        found += [
            (tail if place else b"") + piece + (head + b"\n" if place < last else b"")
            for place, piece in enumerate(pieces)
        ]
    return [block for block in found if block]


def with_keys(texts: Iterable[bytes], grammar: re.Pattern[bytes], keys: set[bytes]) -> list[bytes]:
    """Lines whose key, the one group of `grammar` in lower case, is among `keys`."""
    found: list[bytes] = []
    for text in texts:
        lowered = text.lower()
        told = grammar.findall(lowered)
        hits = keys.intersection(told)
        if len(hits) > _FEW and len(told) == text.count(b"\n"):
            lines = text.split(b"\n")
            found += [lines[place] for place, key in enumerate(told) if key in hits]
            continue
        for hit in hits:
            found += _holding(text, lowered, grammar, hit)
    return found


def _holding(
    text: bytes, lowered: bytes, grammar: re.Pattern[bytes], key: bytes
) -> Iterable[bytes]:
    """The lines in which one key stands at its place."""
    at = lowered.find(key)
    while at >= 0:
        start = lowered.rfind(b"\n", 0, at) + 1
        end = lowered.find(b"\n", at)
        match = grammar.match(lowered, start)
        if match and match.group(1) == key:
            yield text[start:end]
        at = lowered.find(key, end) if end >= 0 else -1
