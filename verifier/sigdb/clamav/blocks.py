"""Two large texts of lines: which lines one of them alone has, without an object for each line.

Where little was edited, the texts are followed side by side, and only the lines
around each place that differs are compared as sets. Where lines have moved,
arrays tell which both have (`lines`). Small texts are sets of lines at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.sigdb.clamav import kinds, lines
from verifier.sigdb.clamav.lines import LARGE, Range, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WINDOW = 1 << 14  # bytes in which the texts must meet again after a difference
_EDITS = 4_096  # differences that are followed
_STRIDE = 1 << 18  # bytes compared in one go
_PREFIX = 8  # bytes of a key by which its lines are looked for
_TELLING = 4  # fewer tell nothing


class Unequal(NamedTuple):
    """Texts of the lines that one side alone has, and where those of `mine` stand.

    Outside of `rest`, `mine` holds lines alone that both have. A line that both
    have, once there and once in `rest`, may be in `lost` or `come` as well.
    """

    lost: list[bytes]
    come: list[bytes]
    mine: Text
    rest: list[Range]


def unequal(mine: Text, theirs: Text) -> Unequal:
    """Compare texts whose every line ends with a newline; their order means nothing."""
    if mine.raw == theirs.raw:
        return Unequal([], [], mine, [])
    if max(len(mine.raw), len(theirs.raw)) < LARGE:
        return _as_sets(mine, theirs, [(0, len(mine.raw))], [(0, len(theirs.raw))])
    edits = _edits(mine.raw, theirs.raw)
    if edits is not None:
        return _as_sets(mine, theirs, *edits)
    if mine.large and theirs.large:
        found = lines.alone(mine, theirs)
        if found is not None:
            return Unequal(_cut(mine, found[0]), _cut(theirs, found[1]), mine, found[0])
    return _as_sets(mine, theirs, [(0, len(mine.raw))], [(0, len(theirs.raw))])


def split(texts: Iterable[bytes]) -> set[bytes]:
    """The different lines of some texts."""
    found: set[bytes] = set()
    for text in texts:
        found.update(text.split(b"\n"))
    found.discard(b"")
    return found


def count(texts: Iterable[bytes]) -> int:
    """How many lines some texts have."""
    return sum(text.count(b"\n") for text in texts)


def _as_sets(mine: Text, theirs: Text, rest: list[Range], others: list[Range]) -> Unequal:
    old, new = split(_cut(mine, rest)), split(_cut(theirs, others))
    lost, come = sorted(old - new), sorted(new - old)
    return Unequal(_joined(lost), _joined(come), mine, rest)


def _joined(found: list[bytes]) -> list[bytes]:
    return [b"\n".join([*found, b""])] if found else []


def _cut(text: Text, ranges: list[Range]) -> list[bytes]:
    """The text of some ranges, in one piece."""
    pieces = [text.raw[start:end] for start, end in ranges]
    return pieces if len(pieces) < 2 else [b"".join(pieces)]


def _edits(mine: bytes, theirs: bytes) -> tuple[list[Range], list[Range]] | None:
    """Where the texts differ, as ranges of whole lines; None if they differ in too many places."""
    rest: list[Range] = []
    others: list[Range] = []
    at = there = 0
    while at < len(mine) or there < len(theirs):
        same = _equal(mine, theirs, at, there)
        end = mine.rfind(b"\n", at, at + same) + 1
        same = max(end - at, 0)
        at, there = at + same, there + same
        if at == len(mine) and there == len(theirs):
            break
        step = _meeting(mine, theirs, at, there)
        if step is None or len(rest) == _EDITS:
            return None
        rest.append((at, at + step[0]))
        others.append((there, there + step[1]))
        at, there = at + step[0], there + step[1]
    return rest, others


def _equal(mine: bytes, theirs: bytes, at: int, there: int) -> int:
    """How many bytes are the same from two places on."""
    start = at
    size = 1 << 10
    while size:
        one, other = mine[at : at + size], theirs[there : there + size]
        if one == other:
            if len(one) < size:
                return at + len(one) - start
            at, there = at + size, there + size
            size = min(4 * size, _STRIDE)
        else:
            size //= 2
    return at - start


def _meeting(mine: bytes, theirs: bytes, at: int, there: int) -> tuple[int, int] | None:
    """How far to go on from a difference until both texts have the same line; None for too far."""
    one, other = _window(mine, at), _window(theirs, there)
    places: dict[bytes, int] = {}
    for start, line in _places(other):
        places.setdefault(line, start)
    for start, line in _places(one):
        if line in places:
            return start, places[line]
    ends = at + len(one) == len(mine), there + len(other) == len(theirs)
    return (len(one), len(other)) if all(ends) else None


def _window(text: bytes, at: int) -> bytes:
    end = min(at + _WINDOW, len(text))
    return text[at:end] if end == len(text) else text[at : text.rfind(b"\n", at, end) + 1]


def _places(text: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for line in text.split(b"\n")[:-1]:
        yield at, line
        at += len(line) + 1


class Beside(NamedTuple):
    """Lines with a wanted key: such as stand outside of `rest`, and such as stand in it."""

    shared: set[bytes]
    rest: set[bytes]


def with_keys(found: Unequal, scope: str, keys: set[bytes]) -> Beside:
    """Lines of `mine` that detect the same, roughly, as one of `keys` says (see `kinds.KEYS`)."""
    beside = Beside(set(), set())
    ranges = [*found.rest, (len(found.mine.raw), 0)]
    place = 0
    for start, line in _near(found.mine, scope, keys):
        while ranges[place][0] <= start and ranges[place][1] <= start:
            place += 1
        if kinds.key_of(line, scope) in keys:
            (beside.rest if ranges[place][0] <= start else beside.shared).add(line)
    return beside


def _near(text: Text, scope: str, keys: set[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines, and where they start: at least all that have one of the keys, in their order."""
    size = min(_PREFIX, min(map(len, keys), default=0))
    if not keys:
        return
    if not text.large or size < _TELLING:
        yield from _places(text.raw)
        return
    prefixes = sorted({key[:size] for key in keys})
    for number in lines.near(text, prefixes, *kinds.FIELDS[scope]):
        yield int(text.starts[number]), text.line(number)
