"""What the page says without a script: counts, findings, rules, and the build as plain tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Strength
from verifier.report.figures import figures, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.model import Difference, Member, Problem, Report, Signer
    from verifier.report.figures import Fired
    from verifier.ruleset import Rule

_MEMBERS = 200  # members whose findings are listed, the most telling first
_EACH = 20  # differences of one member that are listed
_FIRST = 8  # findings that open the page


class Finding(NamedTuple):
    """One difference or problem with the member it is of (by its number)."""

    number: int
    member: Member
    difference: Difference | None = None
    problem: Problem | None = None


class Findings(NamedTuple):
    """Findings of one member; `more` are not listed."""

    number: int
    member: Member
    differences: tuple[Difference, ...]
    more: int


def ordered(report: Report) -> list[tuple[int, Member]]:
    """Members with findings of their own, by their number: those that decide first."""
    numbers = {id(member): number for number, member in enumerate(report.members)}
    told = [each for each in ranked(report) if each.differences or each.problems]
    return [(numbers[id(member)], member) for member in told]


def first(report: Report) -> tuple[list[Finding], int]:
    """What to look at first, one finding of each member before a second; how many are left."""
    told = ordered(report)
    every = [list(_of(number, member)) for number, member in told]
    total = sum(map(len, every))
    found: list[Finding] = []
    for place in range(_FIRST):
        found += [each[place] for each in every[:_FIRST] if place < len(each)]
    return found[:_FIRST], max(0, total - _FIRST)


def _of(number: int, member: Member) -> Iterator[Finding]:
    for each in sorted(member.differences, key=lambda item: not item.weakening):
        yield Finding(number, member, difference=each)
    for problem in member.problems:
        yield Finding(number, member, problem=problem)


def listed(report: Report) -> tuple[list[Findings], int]:
    """All findings for readers without a script and for print; how many members are left out."""
    told = ordered(report)
    found = [
        Findings(
            number,
            member,
            tuple(sorted(member.differences, key=lambda item: not item.weakening))[:_EACH],
            max(0, len(member.differences) - _EACH),
        )
        for number, member in told[:_MEMBERS]
    ]
    return found, max(0, len(told) - _MEMBERS)


def uses(report: Report, known: dict[str, Rule]) -> list[tuple[Fired, str, str]]:
    """The rules that settled something, weakest first, each with its reason and its risk."""
    found = sorted(figures(report).rules, key=lambda each: (-each.strength.rank, each.rule))
    return [
        (each, known[each.rule].reason, known[each.rule].risk)
        if each.rule in known
        else (each, "", "")
        for each in found
    ]


def strengths(report: Report) -> list[tuple[str, int]]:
    """Patched bytes by strength, strongest first."""
    found: Counter[Strength] = Counter()
    for member in report.members:
        for patch in member.patches:
            found[patch.strength] += patch.length
    return [(strength.value, found[strength]) for strength in Strength if found[strength]]


def free_reasons(report: Report) -> list[tuple[str, int]]:
    """Why bytes are free, the reason of most bytes first."""
    found: Counter[str] = Counter()
    for member in report.members:
        for patch in member.patches:
            for item in patch.free:
                found[item.reason or patch.rule] += item.length
    return found.most_common(50)


def signers(report: Report) -> list[tuple[Signer, tuple[str, ...]]]:
    """Every signer once, with the members that carry its signature."""
    found: dict[tuple[str, str, bool, bool], tuple[Signer, list[str]]] = {}
    for member in report.members:
        for signer in member.signers:
            key = signer.fingerprint, signer.subject, signer.pinned, signer.verified
            found.setdefault(key, (signer, []))[1].append(member.path)
    return [(signer, tuple(paths)) for signer, paths in found.values()]


def scalar(value: object) -> bool:
    """Whether a value of the build's facts is shown as it is."""
    return value is None or isinstance(value, str | int | float | bool)


def columns(value: Sequence[object]) -> list[str]:
    """The names that all rows of a list of objects share the first of; empty for other lists."""
    if not value or not all(isinstance(each, dict) for each in value):
        return []
    names: dict[str, None] = {}
    for each in value[:1000]:
        assert isinstance(each, dict)
        names.update(dict.fromkeys(map(str, each)))
    return list(names)[:8]
