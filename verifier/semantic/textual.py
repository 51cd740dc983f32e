"""Texts line by line: decoding, and a diff that takes linear time on any input.

The diff is the patience diff: lines that are unique on both sides are anchors,
the longest common order of them holds, and what lies between differs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.semantic.wording import quoted
from verifier.sequences import increasing

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL: Final = frozenset(range(32)) - {7, 8, 9, 10, 12, 13, 27}
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8", "UTF-8 with a byte order mark"),
    (b"\xff\xfe", "utf-16-le", "UTF-16 (little-endian)"),
    (b"\xfe\xff", "utf-16-be", "UTF-16 (big-endian)"),
)


class Text(NamedTuple):
    """A decoded text: its encoding, its line ends, and its lines without them."""

    encoding: str
    ends: str
    lines: list[str]


class Hunk(NamedTuple):
    """Lines that stand for others, from these line numbers on (counted from 1)."""

    at: int
    shipped: list[str]
    rebuilt_at: int
    rebuilt: list[str]


def decoded(raw: bytes) -> Text | None:
    """The text, or None where the bytes are none."""
    encoding, label, body = "utf-8", "UTF-8", raw
    for mark, codec, name in _MARKS:
        if raw.startswith(mark):
            encoding, label, body = codec, name, raw[len(mark) :]
            break
    else:
        if not _CONTROL.isdisjoint(raw[:4096]) or not _CONTROL.isdisjoint(raw):
            return None
    try:
        shown = body.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None
        label, shown = "no UTF-8 (read as Latin-1)", body.decode("latin-1")
    if encoding == "utf-8" and label == "UTF-8" and shown.isascii():
        label = "ASCII"
    two, line, carriage = shown.count("\r\n"), shown.count("\n"), shown.count("\r")
    kinds = [
        name for name, count in (("CRLF", two), ("LF", line - two), ("CR", carriage - two)) if count
    ]
    lines = shown.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    else:
        kinds.append("no end of the last line")
    return Text(label, ", ".join(kinds) or "none", lines)


def hunks(one: Sequence[str], other: Sequence[str]) -> list[Hunk]:
    """All places where the lines differ, in order."""
    result: list[Hunk] = []
    start = _common(one, other)
    tail = _common_end(one, other, start)
    mine, theirs = one[start : len(one) - tail], other[start : len(other) - tail]
    at = other_at = 0
    for index, twin in [*_anchors(mine, theirs), (len(mine), len(theirs))]:
        first, second = mine[at:index], theirs[other_at:twin]
        head = _common(first, second)
        end = _common_end(first, second, head)
        changed = first[head : len(first) - end], second[head : len(second) - end]
        if changed[0] or changed[1]:
            places = start + at + head + 1, start + other_at + head + 1
            result.append(Hunk(places[0], list(changed[0]), places[1], list(changed[1])))
        at, other_at = index + 1, twin + 1
    return result


def _anchors(mine: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    counts, others = Counter(mine), Counter(theirs)
    place = {line: index for index, line in enumerate(theirs) if others[line] == 1}
    pairs = [
        (index, place[line])
        for index, line in enumerate(mine)
        if counts[line] == 1 and line in place
    ]
    return increasing(pairs)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading lines are the same."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _common_end(one: Sequence[str], other: Sequence[str], start: int) -> int:
    """How many lines are the same at the end, behind the first `start` ones."""
    most = min(len(one), len(other)) - start
    count = 0
    while count < most and one[-1 - count] == other[-1 - count]:
        count += 1
    return count


def hunk_text(hunk: Hunk, most: int = 3) -> str:
    """The lines of a hunk in one sentence without its end."""
    if not hunk.rebuilt:
        return f"only shipped: {_lines(hunk.shipped, most)}"
    if not hunk.shipped:
        return f"only rebuilt: {_lines(hunk.rebuilt, most)}"
    return f"{_lines(hunk.shipped, most)} instead of {_lines(hunk.rebuilt, most)}"


def _lines(lines: list[str], most: int) -> str:
    shown = " / ".join(quoted(line.strip()) for line in lines[:most])
    return f"{shown} and {len(lines) - most} more lines" if len(lines) > most else shown
