"""The gate after a run: which exit status a report has, why, and what was tolerated.

The default is the strictest: every negative fails. Words and kinds of `--fail-on` narrow that
to some differences, or add reasons that no verdict heeds. What is narrowed away is listed as
tolerated. A weakening, an inconclusive finding and a run that did not end always fail.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from verifier import kinds
from verifier.account import Gate, Tolerated
from verifier.errors import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_OK, UsageError
from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.model import Difference, Report

# Words that say which differences fail: all, or none but those that always do.
NARROWING = {
    "different": "Any difference, even one of a kind that the policy tolerates.",
    "weakening": "Differences that weaken detection; they always fail.",
    "inconclusive": "What could not be compared; it always fails.",
}
# Words for what a positive verdict may bring along.
ADDING = {
    "drift": "A tool that made a shipped file is not the one used here.",
    "free": "Bytes that no check pins down.",
    "stale-waiver": "A waiver that is unused, expired, or refused by the policy.",
    "unaccounted": "A build input that belongs neither to the source nor to a recorded package.",
    "waiver": "A waiver that was used.",
}


def words(text: str | None) -> tuple[str, ...]:
    """The words of a `--fail-on`, separated by commas; UsageError for an unknown one."""
    if text is None:
        return ()
    known = [*NARROWING, *ADDING, *kinds.DIFFERENCES]
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if word not in known:
            import difflib  # noqa: PLC0415 - start-up time

            near = difflib.get_close_matches(word, known, 1)
            advice = f"Did you mean {near[0]}?" if near else "Name a kind of difference, or one of"
            listed = "" if near else f" {', '.join([*NARROWING, *ADDING])}."
            raise UsageError(f"--fail-on knows no {word[:80]!r}. {advice}{listed}")
    return tuple(dict.fromkeys(found))


def judge(report: Report, fail_on: Sequence[str] = ()) -> Gate:
    """What the gate makes of `report`."""
    found = [item for member in report.members for item in member.differences]
    tolerated = () if _doubts(report) else _tolerated(report, found, fail_on)
    failed = list(_reasons(report, found, tolerated))
    status = EXIT_OK
    if report.verdict is Verdict.DIFFERENT or found:
        status = EXIT_OK if tolerated else EXIT_DIFFERENT
    if status == EXIT_OK and (_doubts(report) or report.verdict is Verdict.INCONCLUSIVE):
        status = EXIT_INCONCLUSIVE
    added = [reason for word in fail_on if word in ADDING for reason in _added(report, word)]
    if status == EXIT_OK and added:
        status = EXIT_DIFFERENT
    return Gate(tuple(fail_on), status, (*failed, *added), tolerated)


def _doubts(report: Report) -> bool:
    """Whether anything was not compared: then no difference is tolerated either."""
    inside = any(member.problems for member in report.members)
    return bool(inside or report.problems or not report.complete)


def _tolerated(
    report: Report, found: Sequence[Difference], fail_on: Sequence[str]
) -> tuple[Tolerated, ...]:
    """The kinds that do not fail; nothing where any difference does."""
    narrowed = [word for word in fail_on if word not in ADDING]
    if "different" in narrowed or not found:
        return ()
    counts = Counter(item.kind for item in found)
    if any(item.weakening for item in found):
        return ()
    if narrowed:
        if counts.keys() & set(narrowed):
            return ()
        by = "--fail-on"
    else:
        if not counts.keys() <= set(report.policy.tolerates):
            return ()
        by = f"policy {report.policy.name}"
    return tuple(Tolerated(kind, count, by) for kind, count in sorted(counts.items()))


def _reasons(
    report: Report, found: Sequence[Difference], tolerated: tuple[Tolerated, ...]
) -> Iterator[str]:
    if (report.verdict is Verdict.DIFFERENT or found) and not tolerated:
        weaker = sum(1 for item in found if item.weakening)
        says = f", {weaker} of them a weakening" if weaker else ""
        yield f"{len(found)} difference{'s' if len(found) != 1 else ''}{says}"
    if not report.complete:
        yield "the run was stopped before its end"
    count = len(report.problems) + sum(len(member.problems) for member in report.members)
    if count:
        yield f"{count} thing{'s' if count != 1 else ''} could not be compared"
    elif report.verdict is Verdict.INCONCLUSIVE:
        yield "nothing was concluded"


def _added(report: Report, word: str) -> Iterator[str]:
    if word == "drift" and (drifted := [each.tool for each in report.makers if each.drifted]):
        yield f"{len(drifted)} of the tools that made shipped files are other ones here"
    if word == "free" and report.free_bytes:
        yield f"{report.free_bytes} free bytes"
    if word == "stale-waiver":
        stale = [each for each in report.waivers if each.state != "used"]
        if stale:
            yield f"{len(stale)} waivers are unused, expired or refused"
    if word == "waiver" and any(each.state == "used" for each in report.waivers):
        used = sum(1 for each in report.waivers if each.state == "used")
        yield f"{used} waiver{'s are' if used != 1 else ' is'} used"
    if word == "unaccounted":
        yield from _unaccounted(report)


def _unaccounted(report: Report) -> Iterator[str]:
    if report.inputs is None:
        yield "no inputs of a build were recorded"
    elif report.inputs.unaccounted or report.inputs.problems:
        count = len(report.inputs.unaccounted)
        yield f"{count} inputs are unaccounted for"
        yield from (f"inputs: {problem}" for problem in report.inputs.problems)
