"""A large text of lines as arrays: where its lines are, which are equal, what they hold.

Nothing is parsed here and nothing is skipped: numbers only choose which bytes
are compared, and every answer is of the bytes themselves.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Words = NDArray[np.uint64]

LARGE = 1 << 20  # bytes from which arrays are worth the time that numpy takes to load
_SHORT = 8  # bytes; texts of shorter lines than that on average are no lists of signatures
_STEP = 1 << 20  # bytes looked at in one go: what fits the processor's cache
_LINES = 1 << 15  # lines taken in one go, likewise
_WORD = 8
_BLOCKS = (64, 32, 16, 8)  # bytes compared as one item
_CAPITALS = 0x2020202020202020  # the bit by which letters of ASCII differ from capitals

Range = tuple[int, int]


def _numpy() -> None:
    """Load numpy with one thread: its pools of threads would only take memory."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Text:
    """Lines, each with its newline at the end. Arrays are made when they are first asked for."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def large(self) -> bool:
        """Whether arrays are worth their time, and their memory: a word and more for each line."""
        return len(self.raw) >= LARGE and len(self.raw) >= _SHORT * self.raw.count(b"\n")

    @cached_property
    def ends(self) -> Places:
        """Where the newline of each line is."""
        _numpy()
        import numpy as np  # noqa: PLC0415 - large lists alone

        data = np.frombuffer(self.raw, np.uint8)
        found = [
            np.flatnonzero(data[at : at + _STEP] == ord("\n")) + at
            for at in range(0, len(data), _STEP)
        ]
        return np.concatenate(found)

    @cached_property
    def starts(self) -> Places:
        """Where each line starts."""
        import numpy as np  # noqa: PLC0415 - as above

        found = np.empty_like(self.ends)
        found[:1] = 0
        found[1:] = self.ends[:-1] + 1
        return found

    @cached_property
    def _words(self) -> Words:
        """Eight bytes as a number, at each place of the text; zeros follow its end."""
        import numpy as np  # noqa: PLC0415 - as above

        return np.ndarray((len(self.raw) - _WORD + 1,), "<u8", self.raw, 0, (1,))

    def words(self, at: Places, left: Places) -> Words:
        """The next `left` bytes, at most eight, at each place; zeros fill the rest."""
        import numpy as np  # noqa: PLC0415 - as above

        last = len(self._words) - 1
        masks = np.array([(1 << (8 * size)) - 1 for size in range(_WORD + 1)], np.uint64)
        wanted = masks[np.clip(left, 0, _WORD)]
        if not len(at) or int(at.max()) <= last:
            return self._words[at] & wanted
        over = np.clip(at - last, 0, _WORD - 1)
        found = self._words[np.minimum(at, last)] >> (over * 8).astype(np.uint64)
        return found & wanted

    def blocks(self, size: int) -> NDArray[np.void]:
        """As many bytes as one item, at each place of the text."""
        import numpy as np  # noqa: PLC0415 - as above

        return np.ndarray((len(self.raw) - size + 1,), f"V{size}", self.raw, 0, (1,))

    def plain(self, limit: int) -> bool:
        """Whether no line is empty, a comment, or longer than `limit`, and none has a CR or NUL."""
        raw = self.raw
        if not raw.endswith(b"\n") or b"\r" in raw or b"\0" in raw:
            return False
        import numpy as np  # noqa: PLC0415 - as above

        sizes = self.ends - self.starts
        if int(sizes.min()) < 1 or int(sizes.max()) > limit:
            return False
        return not bool((np.frombuffer(raw, np.uint8)[self.starts] == ord("#")).any())

    def line(self, number: int) -> bytes:
        """One line without its newline."""
        return self.raw[self.starts[number] : self.ends[number]]

    def ranges(self, which: NDArray[np.bool_]) -> list[Range]:
        """Where the lines stand that `which` marks; neighbours together."""
        import numpy as np  # noqa: PLC0415 - as above

        edges = np.diff(np.concatenate(([0], which.view(np.int8), [0])))
        first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
        return list(zip(self.starts[first].tolist(), (self.ends[last] + 1).tolist(), strict=True))


def alone(mine: Text, theirs: Text) -> tuple[list[Range], list[Range]] | None:
    """Where the lines stand that one text alone has; None if numbers could not tell lines apart.

    Lines are found by a number made of all their bytes, under a key that changes
    with each run; that two are equal is decided by their bytes.
    """
    import numpy as np  # noqa: PLC0415 - as above

    key = int.from_bytes(os.urandom(_WORD), "little") | 1
    old, new = _Sorted(mine, key), _Sorted(theirs, key)
    if not old.exact or not new.exact:
        return None
    at = np.minimum(np.searchsorted(new.numbers, old.numbers), len(new.numbers) - 1)
    both = new.numbers[at] == old.numbers
    partners = np.full(len(mine.ends), -1)
    partners[old.first[both]] = new.first[at[both]]
    ours = np.flatnonzero(partners >= 0)  # in their order, so that one text is read in one go
    if not _same(mine, ours, theirs, partners[ours]):
        return None
    shared = np.zeros(len(new.numbers), np.bool_)
    shared[at[both]] = True
    return mine.ranges(old.lines(~both)), theirs.ranges(new.lines(~shared))


class _Sorted:
    """The different lines of a text, in the order of their numbers.

    `first` has one line of each number, `exact` tells whether lines of one number are equal.
    """

    def __init__(self, text: Text, key: int) -> None:
        import numpy as np  # noqa: PLC0415 - as above

        numbers = _numbers(text, key)
        self._order = np.argsort(numbers)
        numbers = numbers[self._order]
        fresh = np.ones(len(numbers), np.bool_)
        np.not_equal(numbers[1:], numbers[:-1], out=fresh[1:])
        again = np.flatnonzero(~fresh)
        self.exact = _same(text, self._order[again], text, self._order[again - 1])
        self.numbers = numbers[fresh]
        self.first = self._order[fresh]
        self._group = None if len(self.first) == len(numbers) else np.cumsum(fresh) - 1

    def lines(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """All lines whose number `which` marks."""
        import numpy as np  # noqa: PLC0415 - as above

        found = np.empty(len(self._order), np.bool_)
        found[self._order] = which if self._group is None else which[self._group]
        return found


def _numbers(text: Text, key: int) -> Words:
    """A number for each line, made of its length and all its bytes."""
    import numpy as np  # noqa: PLC0415 - as above

    factor, shift = np.uint64(key), np.uint64(29)
    found = np.empty(len(text.ends), np.uint64)
    for begin in range(0, len(found), _LINES):
        at = text.starts[begin : begin + _LINES].copy()
        left = text.ends[begin : begin + _LINES] - at
        total = left.astype(np.uint64)
        for some in _words_of(at, left):
            mixed = (total[some] ^ text.words(at[some], left[some])) * factor
            total[some] = mixed ^ (mixed >> shift)
        found[begin : begin + _LINES] = total
    return found


def _words_of(at: Places, left: Places) -> Iterator[slice | Places]:
    """Which lines have a next word, until none has; moves `at` and `left` on."""
    import numpy as np  # noqa: PLC0415 - as above

    some: slice | Places = slice(None)
    while True:
        yield some
        at += _WORD
        left -= _WORD
        open_ones = np.flatnonzero(left > 0)
        if not len(open_ones):
            return
        some = slice(None) if len(open_ones) == len(left) else open_ones


def _same(mine: Text, ours: Places, theirs: Text, others: Places) -> bool:
    """Whether lines of two texts, by their numbers in pairs, are equal."""
    for begin in range(0, len(ours), _LINES):
        one, other = ours[begin : begin + _LINES], others[begin : begin + _LINES]
        at, there = mine.starts[one], theirs.starts[other]
        left = mine.ends[one] - at
        if bool((left != theirs.ends[other] - there).any()):
            return False
        for size in _BLOCKS:
            long = left >= size
            if not _same_blocks(mine, at[long], theirs, there[long], left[long], size):
                return False
            at, there, left = at[~long], there[~long], left[~long]
        if bool((mine.words(at, left) != theirs.words(there, left)).any()):
            return False
    return True


def _same_blocks(
    mine: Text, at: Places, theirs: Text, there: Places, left: Places, size: int
) -> bool:
    """Whether stretches of at least `size` bytes are equal; the last block ends where they end."""
    import numpy as np  # noqa: PLC0415 - as above

    if not len(at):
        return True
    one, other = mine.blocks(size), theirs.blocks(size)
    last = left - size
    if bool((one[at + last].view("<u8") != other[there + last].view("<u8")).any()):
        return False
    while len(at):
        if bool((one[at].view("<u8") != other[there].view("<u8")).any()):
            return False
        more = np.flatnonzero(left > 2 * size)
        at, there, left = at[more] + size, there[more] + size, left[more] - size
    return True


def near(text: Text, prefixes: Sequence[bytes], mark: bytes, skipped: int) -> list[int]:
    """Lines in which, behind `skipped` marks, one of the prefixes may stand, whatever its case.

    Args:
        text: the lines.
        prefixes: all of one length, at most eight bytes.
        mark: one byte between fields.
        skipped: how many of them stand before the field.
    """
    import numpy as np  # noqa: PLC0415 - as above

    size = len(prefixes[0])
    fold = np.uint64(_CAPITALS & ((1 << (8 * size)) - 1))
    at = text.starts
    if skipped:
        marks = _marks(text.raw, ord(mark))
        place = np.searchsorted(marks, at) + skipped - 1
        at = np.append(marks + 1, text.ends[-1])[np.minimum(place, len(marks))]
    left = np.minimum(text.ends - at, size)
    wanted = np.array(sorted({int.from_bytes(item, "little") for item in prefixes}), np.uint64)
    wanted = np.unique(wanted | fold)
    found = []
    for begin in range(0, len(at), _LINES):
        these = text.words(at[begin : begin + _LINES], left[begin : begin + _LINES]) | fold
        spot = np.minimum(np.searchsorted(wanted, these), len(wanted) - 1)
        found.append(np.flatnonzero(wanted[spot] == these) + begin)
    hits: list[int] = np.concatenate(found).tolist()
    return hits


def _marks(raw: bytes, mark: int) -> Places:
    import numpy as np  # noqa: PLC0415 - as above

    data = np.frombuffer(raw, np.uint8)
    return np.concatenate(
        [np.flatnonzero(data[at : at + _STEP] == mark) + at for at in range(0, len(data), _STEP)]
    )


def fold_digests(text: Text, sizes: Sequence[int]) -> Text:
    """The text with the digest that starts each line in lower case.

    Each line must start with one of `sizes` hex digits and a colon.
    """
    import numpy as np  # noqa: PLC0415 - as above

    parts: list[bytes] = []
    done = 0
    for begin in range(0, len(text.ends), _LINES):
        end = int(text.ends[min(begin + _LINES, len(text.ends)) - 1]) + 1
        data = np.frombuffer(text.raw[done:end], np.uint8).copy()
        at = text.starts[begin : begin + _LINES] - done
        length = text.ends[begin : begin + _LINES] - text.starts[begin : begin + _LINES]
        words = np.ndarray((max(0, len(data) - _WORD + 1),), "<u8", data.data, 0, (1,))
        for size in sizes:
            fits = at[length > size]
            fits = fits[data[fits + size] == ord(":")]
            for place in range(0, size, _WORD):
                words[fits + place] |= np.uint64(_CAPITALS)
        parts.append(data.tobytes())
        done = end
    return _indexed(b"".join(parts), text)


def _indexed(raw: bytes, like: Text) -> Text:
    """A text whose lines stand where those of another do."""
    found = Text(raw)
    found.ends, found.starts = like.ends, like.starts
    return found
