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
_FEW = 16  # lines that are looked for one by one


class Unequal(NamedTuple):
    """Lines of one text alone, each once, and all text that has lines of both."""

    lost: list[bytes]
    come: list[bytes]
    common: list[bytes]


def unequal(mine: list[bytes], theirs: list[bytes]) -> Unequal:
    """Compare texts whose every line ends with a newline; their order means nothing."""
    if mine == theirs:
        return Unequal([], [], [])
    mark = _mark(mine, theirs)
    before, after = _cut(mine, mark), _cut(theirs, mark)
    shared = set(before) & set(after)
    common = [block for block in before if block in shared]
    old = _lines(block for block in before if block not in shared)
    new = _lines(block for block in after if block not in shared)
    del before, after, shared
    known = set(old)
    come = dict.fromkeys(line for line in new if line not in known)
    lost = known.difference(new)
    both = [line for line in old if line not in lost]
    if both:
        common.append(b"\n".join([*both, b""]))
    return Unequal(sorted(lost), list(come), common)


def _lines(blocks: Iterable[bytes]) -> list[bytes]:
    text = b"".join(blocks)
    return text.split(b"\n")[:-1]


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
        hits = keys.intersection(grammar.findall(lowered))
        if not hits:
            continue
        if len(hits) > _FEW:
            matches = map(grammar.match, lowered.split(b"\n"))
            for line, match in zip(text.split(b"\n"), matches, strict=True):
                if match and match.group(1) in hits:
                    found.append(line)
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
