"""Scripts and other texts, line by line: what changed where, telling lines first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.limits import MIB
from verifier.model import Difference
from verifier.semantic import textual
from verifier.semantic.wording import nature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.semantic.textual import Hunk

_LARGEST: Final = 4 * MIB  # bytes of a text that is read line by line
_MOST: Final = 400_000  # lines of one text
_SHOWN: Final = 50  # places
_LINES: Final = 20  # lines of one place that are looked at for their nature


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Nothing for what is no text; else encoding, line ends, and each stretch that changed."""
    if max(len(shipped.data), len(rebuilt.data)) > _LARGEST:
        return
    one, other = (textual.decoded(bytes(side.data)) for side in (shipped, rebuilt))
    if one is None or other is None:
        return
    if one.encoding != other.encoding and {one.encoding, other.encoding} != {"ASCII", "UTF-8"}:
        summary = f"Shipped {one.encoding}, rebuilt {other.encoding}."
        yield Difference("text-encoding", "encoding", summary)
    if one.ends != other.ends:
        summary = f"Shipped {one.ends}, rebuilt {other.ends}."
        yield Difference("text-encoding", "line ends", summary)
    if max(len(one.lines), len(other.lines)) > _MOST:
        summary = f"A text of more than {_MOST} lines is not compared line by line."
        yield Difference("text-changed", "more", summary)
        return
    hunks = textual.hunks(one.lines, other.lines)
    telling = [(_natures(hunk), hunk) for hunk in hunks]
    telling.sort(key=lambda item: not item[0])
    for natures, hunk in telling[:_SHOWN]:
        holds = f" It holds: {', '.join(natures)}." if natures else ""
        yield Difference("text-changed", _place(hunk), f"{_said(hunk)}{holds}")
    if len(telling) > _SHOWN:
        lines = sum(max(len(hunk.shipped), len(hunk.rebuilt)) for _, hunk in telling[_SHOWN:])
        summary = f"{len(telling) - _SHOWN} more places with {lines} lines are not listed."
        yield Difference("text-changed", "more", summary)
    if not hunks and one.ends == other.ends and one.encoding == other.encoding:
        summary = "The same lines with line ends of several kinds, at other places."
        yield Difference("text-encoding", "line ends", summary)


def _natures(hunk: Hunk) -> list[str]:
    """What words of the changed lines look like, without repeats."""
    words = [
        word.strip("\"'`,;()[]{}<>=")
        for line in (*hunk.shipped[:_LINES], *hunk.rebuilt[:_LINES])
        for word in (line.strip()[:400], *line[:400].split()[:40])
    ]
    return list(dict.fromkeys(name for word in words if (name := nature(word))))


def _place(hunk: Hunk) -> str:
    if not hunk.shipped:
        return f"before line {hunk.at}"
    if len(hunk.shipped) == 1:
        return f"line {hunk.at}"
    return f"lines {hunk.at}-{hunk.at + len(hunk.shipped) - 1}"


def _said(hunk: Hunk) -> str:
    said = textual.hunk_text(hunk)
    return f"{said[0].upper()}{said[1:]} (line {hunk.rebuilt_at} of the rebuilt file)."
