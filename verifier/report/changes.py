"""What changed between two reports: of two runs, two releases, or two verifiers.

Each change is worse, better, or neither. Members are known by their paths, differences by kind
and place; offsets move with every build and say nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_OK
from verifier.model import Strength, Verdict
from verifier.report import around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Member, Report
    from verifier.report.around import Change

SCHEMA = "urn:source-binary-verifier:changes:v1"
_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Changes(NamedTuple):
    """All changes, worse ones first; `incomparable` says why there is no answer, "" otherwise."""

    schema: str
    status: int
    old: Verdict
    new: Verdict
    incomparable: str
    changes: tuple[Change, ...]


def between(old: Report, new: Report) -> Changes:
    """What changed from `old` to `new`."""
    reason = _incomparable(old, new)
    found = sorted(_changes(old, new), key=lambda item: item.effect != "worse")
    status = EXIT_DIFFERENT if any(item.effect == "worse" for item in found) else EXIT_OK
    if reason:
        status = EXIT_INCONCLUSIVE
    return Changes(SCHEMA, status, old.verdict, new.verdict, reason, tuple(found))


def _incomparable(old: Report, new: Report) -> str:
    """Why the two tell nothing of each other."""
    for report, name in ((old, "old"), (new, "new")):
        if not report.members:
            return f"The {name} report has no members: nothing was compared in its run."
    if not {member.path for member in old.members} & {member.path for member in new.members}:
        return "The two reports have no member in common."
    return ""


def _changes(old: Report, new: Report) -> Iterator[Change]:
    if old.verdict is not new.verdict:
        yield _verdict("verdict", "", old.verdict, new.verdict)
    if old.complete != new.complete:
        effect = "better" if new.complete else "worse"
        yield around.change("complete", "", str(old.complete), str(new.complete), effect)
    yield from _members(old, new)
    yield from _rules(old, new)
    if old.free_bytes != new.free_bytes:
        more = "same" if _RANK[new.verdict] < _RANK[old.verdict] else "worse"
        effect = more if new.free_bytes > old.free_bytes else "better"
        yield around.change("free-bytes", "", str(old.free_bytes), str(new.free_bytes), effect)
    yield from around.changes(old, new)


def _verdict(what: str, where: str, old: Verdict, new: Verdict) -> Change:
    effect = "worse" if _RANK[new] > _RANK[old] else "better"
    return around.change(what, where, str(old), str(new), effect)


def _members(old: Report, new: Report) -> Iterator[Change]:
    before, after = _by_path(old), _by_path(new)
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one is None and other is not None:
            effect = "same" if other.verdict.positive else "worse"
            yield around.change("member-new", path, "", str(other.verdict), effect)
            yield from _findings(path, None, other)
        elif one is not None and other is None:
            effect = "same" if one.verdict.positive else "better"
            yield around.change("member-gone", path, str(one.verdict), "", effect)
        elif one is not None and other is not None:
            if one.verdict is not other.verdict:
                yield _verdict("member", path, one.verdict, other.verdict)
            yield from _digests(path, one, other)
            yield from _findings(path, one, other)


def _by_path(report: Report) -> dict[str, Member]:
    """Members by path; of several of one name, which no format forbids, each by its number."""
    seen: Counter[str] = Counter()
    found = {}
    for member in report.members:
        seen[member.path] += 1
        again = f" ({seen[member.path]})" if seen[member.path] > 1 else ""
        found[member.path + again] = member
    return found


def _digests(path: str, old: Member, new: Member) -> Iterator[Change]:
    for side in ("shipped", "rebuilt"):
        one, other = getattr(old, side), getattr(new, side)
        if one is not None and other is not None and one.sha256 != other.sha256:
            yield around.change(f"{side}-digest", path, one.sha256, other.sha256, "same")


def _findings(path: str, old: Member | None, new: Member) -> Iterator[Change]:
    """Differences and problems that came or went."""
    before, after = _told(old), _told(new)
    for key in sorted(before.keys() | after.keys()):
        what, kind, where, weakening = key
        count, now = before.get(key, 0), after.get(key, 0)
        if count != now:
            effect = "worse" if now > count else "better"
            name = f"{kind}: {where}" + (f" (weakens: {weakening})" if weakening else "")
            shown = [str(each) if each else "" for each in (count, now)]
            yield around.change(what, f"{path}: {name}", shown[0], shown[1], effect)


def _told(member: Member | None) -> Counter[tuple[str, str, str, str]]:
    found: Counter[tuple[str, str, str, str]] = Counter()
    if member is not None:
        for item in member.differences:
            found["difference", item.kind, item.where, item.weakening] += 1
        for problem in member.problems:
            found["problem", problem.kind, problem.where, ""] += 1
    return found


def _rules(old: Report, new: Report) -> Iterator[Change]:
    """Rules newly fired are worse where no rule as weak had fired before.

    Where the verdict got better, they are what made it so.
    """
    better = _RANK[new.verdict] < _RANK[old.verdict]
    before, after = _fired(old), _fired(new)
    weakest = max((strength.rank for _, strength in before), default=-1)
    for rule, strength in sorted(after - before):
        effect = "worse" if strength.rank > weakest and not better else "same"
        yield around.change("rule-fired", rule, "", str(strength), effect)
    for rule, strength in sorted(before - after):
        yield around.change("rule-silent", rule, str(strength), "", "same")


def _fired(report: Report) -> set[tuple[str, Strength]]:
    return {(patch.rule, patch.strength) for member in report.members for patch in member.patches}
