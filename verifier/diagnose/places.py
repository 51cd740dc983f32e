"""Where two files differ, as the comparison itself says, and whether two places are one.

Places are matched by member and name, or by the bytes they cover: never by what the bytes say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.diagnose.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from verifier.model import Difference, Member, Report

SAME, OVERLAP, PART = 3, 2, 1  # how sure it is that two places are one; 0 is not at all
_LINES = re.compile(r"(?:before )?lines? (\d+)(?:-(\d+))?")
_CHANGE = re.compile(r"-(?:added|removed|missing|changed|order)$")


def places(report: Report) -> tuple[Place, ...]:
    """What differs, and what a rule settled, member by member."""
    return tuple(_places(report))


def compared(report: Report) -> Iterator[Member]:
    """The members that are files: what the report says of the build itself is none."""
    return (each for each in report.members if each.shipped or each.rebuilt)


def _places(report: Report) -> Iterator[Place]:
    for member in compared(report):
        for each in member.differences:
            yield place(member.path, each)
        for patch in member.patches:
            at = patch.offset, patch.length
            yield Place(member.path, patch.rule, patch.field, patch.evidence, *at, settled=True)


def place(member: str, difference: Difference) -> Place:
    """A difference as a place."""
    return Place(
        *(member, difference.kind, difference.where, difference.summary),
        *(difference.offset, difference.length),
    )


def likeness(one: Place, other: Place) -> int:
    """How sure it is that two places are one: `SAME`, `OVERLAP`, `PART` (of one part), or 0."""
    if one.member != other.member:
        return 0
    if one.where == other.where and _noun(one.kind) == _noun(other.kind):
        return SAME
    if _overlap(_range(one), _range(other)) or _overlap(_lines(one), _lines(other)):
        return OVERLAP
    if one.settled == other.settled and _part(one) == _part(other) != "":
        return PART
    return 0


def best(one: Place, others: Iterable[Place]) -> int:
    """The likeness to the most alike of `others`."""
    return max((likeness(one, other) for other in others), default=0)


def without(found: Sequence[Place], noise: Sequence[Place]) -> tuple[Place, ...]:
    """The places that are none of `noise`."""
    return tuple(each for each in found if best(each, noise) < OVERLAP)


def within(found: Sequence[Place], others: Sequence[Place]) -> tuple[Place, ...]:
    """The places that are among `others` too."""
    return tuple(each for each in found if best(each, others) >= OVERLAP)


def reordered(wanted: Place, moved: Sequence[Place]) -> bool:
    """Whether a line stands among lines of which some went and the same number came: an order."""
    hunks = [each for each in moved if each.member == wanted.member and _lines(each)]
    spans = [span for each in hunks if (span := _lines(each))]
    here = _lines(wanted)
    pure = {each.summary.partition(":")[0] for each in hunks} >= {"Only shipped", "Only rebuilt"}
    if here is None or not pure:
        return False
    return min(one for one, _ in spans) <= here[0] and here[1] <= max(end for _, end in spans)


def _noun(kind: str) -> str:
    """A text that one build adds is the one that the other removes."""
    return _CHANGE.sub("", kind)


def _range(item: Place) -> tuple[int, int] | None:
    if item.offset is None or not item.length:
        return None
    return item.offset, item.offset + item.length


def _lines(item: Place) -> tuple[int, int] | None:
    found = _LINES.fullmatch(item.where)
    return (int(found[1]), int(found[2] or found[1]) + 1) if found else None


def _overlap(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    return one is not None and other is not None and one[0] < other[1] and other[0] < one[1]


def _part(item: Place) -> str:
    """The section of a place within one; else nothing."""
    head, plus, _ = item.where.partition("+")
    return head if plus else ""
