"""What every renderer counts, counted in one place, so that all tell the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Strength, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Difference, Member, Report

_ORDER = {Verdict.DIFFERENT: 0, Verdict.INCONCLUSIVE: 1, Verdict.EQUIVALENT: 2}


class Fired(NamedTuple):
    """A rule that settled something: its patches, their bytes, and the free ones of these."""

    rule: str
    strength: Strength
    patches: int
    size: int
    free: int


class Figures(NamedTuple):
    """The counts of one report. Sizes are bytes."""

    verdict: Verdict
    members: dict[Verdict, int]
    differences: int
    weakenings: int
    problems: int
    patches: int
    patched: int
    free: int
    rules: tuple[Fired, ...]

    def counts(self) -> dict[str, str | int]:
        """By the names that renderers show to machines."""
        return {
            "verdict": str(self.verdict),
            "members": sum(self.members.values()),
            **{str(verdict): self.members[verdict] for verdict in Verdict},
            "differences": self.differences,
            "weakenings": self.weakenings,
            "problems": self.problems,
            "patches": self.patches,
            "patched_bytes": self.patched,
            "free_bytes": self.free,
        }


def figures(report: Report) -> Figures:
    """Count everything once."""
    found = Counter(member.verdict for member in report.members)
    rules = tuple(_fired(report))
    return Figures(
        verdict=report.verdict,
        members={verdict: found[verdict] for verdict in Verdict},
        differences=sum(len(member.differences) for member in report.members),
        weakenings=sum(1 for member in report.members for item in member.differences if weak(item)),
        problems=len(report.problems) + sum(len(member.problems) for member in report.members),
        patches=sum(each.patches for each in rules),
        patched=sum(each.size for each in rules),
        free=report.free_bytes,
        rules=rules,
    )


def weak(difference: Difference) -> bool:
    """Whether it lets something through which the source would catch."""
    return bool(difference.weakening)


def ranked(report: Report) -> list[Member]:
    """The members, those that decide first: weakenings, differences, what was not compared."""
    return sorted(
        report.members,
        key=lambda item: (
            not any(map(weak, item.differences)),
            _ORDER.get(item.verdict, 3),
            not (item.differences or item.problems),  # containers after what is in them
        ),
    )


def matters(member: Member) -> bool:
    """Whether a reader wants to see a member beside the counts."""
    return bool(
        not member.verdict.positive
        or member.differences
        or member.problems
        or member.signers
        or member.notes
    )


def _fired(report: Report) -> Iterator[Fired]:
    counts: dict[tuple[str, Strength], list[int]] = {}
    for member in report.members:
        for patch in member.patches:
            each = counts.setdefault((patch.rule, patch.strength), [0, 0, 0])
            each[0] += 1
            each[1] += patch.length
            each[2] += patch.free_bytes
    for (rule, strength), (patches, size, free) in sorted(counts.items()):
        yield Fired(rule, strength, patches, size, free)
