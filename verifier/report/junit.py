"""JUnit XML as Jenkins and GitLab read it (the xunit2 form of pytest): a test case a member.

A further test case, `verdict`, stands for the whole run: it fails whenever the verdict is
negative, so that a report without members is no success either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from verifier.model import Verdict
from verifier.report.figures import figures
from verifier.report.plain import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Member, Report

_SHOWN = 100  # differences of one member
_TEXT = 500  # characters of one text
RUN = "verdict"  # the name of the test case of the whole run


def text(report: Report) -> str:
    """The document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    found = figures(report)
    of_run = _run_verdict(report)
    failures = found.members[Verdict.DIFFERENT] + (of_run is Verdict.DIFFERENT)
    errors = found.members[Verdict.INCONCLUSIVE] + (of_run is Verdict.INCONCLUSIVE)
    counts = f'tests="{len(report.members) + 1}" failures="{failures}" errors="{errors}"'
    counts += f' skipped="0" time="{report.seconds:.3f}"'
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield "<testsuites>"
    yield f'<testsuite name="verifier" {counts}>'
    yield "<properties>"
    for name, value in found.counts().items():
        yield f'<property name="{name}" value="{value}"/>'
    yield f'<property name="policy" value={_value(report.policy.name)}/>'
    yield f'<property name="complete" value="{str(report.complete).lower()}"/>'
    if report.gate is not None:
        yield f'<property name="status" value="{report.gate.status}"/>'
        for each in report.gate.tolerated:
            shown = f"{each.differences} {each.kind} by {each.by}"
            yield f'<property name="tolerated" value={_value(shown)}/>'
    for waiver in report.waivers:
        shown = f"{waiver.state or 'not judged'}: {line(waiver.member, _TEXT)}: "
        shown += f"{line(waiver.field, _TEXT)}: {line(waiver.reason, _TEXT)} ({waiver.expires})"
        yield f'<property name="waiver" value={_value(shown)}/>'
    yield "</properties>"
    yield from _whole(report, of_run)
    for member in report.members:
        yield from _member(member)
    yield "</testsuite>"
    yield "</testsuites>"


def _run_verdict(report: Report) -> Verdict:
    """The verdict as the case of the whole run shows it: a gate may be stricter."""
    if not report.verdict.positive:
        return report.verdict
    failed = report.gate is not None and report.gate.status
    if failed or not report.complete:
        return Verdict.DIFFERENT if report.complete else Verdict.INCONCLUSIVE
    return report.verdict


def _whole(report: Report, verdict: Verdict) -> Iterator[str]:
    """The case of the whole run."""
    yield f'<testcase classname="verifier" name="{RUN}" time="0">'
    told = [f"{problem.kind}: {problem.where}: {problem.summary}" for problem in report.problems]
    if not report.complete:
        told.append("The run was stopped before its end.")
    told += report.gate.failed if report.gate is not None else ()
    if not verdict.positive:
        yield _fault(verdict, report.summary, told)
    yield "</testcase>"


def _member(member: Member) -> Iterator[str]:
    kind = member.shipped.format if member.shipped else "file"
    head = f"<testcase classname={_value('verifier.' + kind)} name={_value(member.path)}"
    if member.verdict.positive:
        yield f'{head} time="0"/>'
        return
    told = [
        f"{'WEAKENS (' + item.weakening + '): ' if item.weakening else ''}"
        f"{item.kind}: {item.where}: {item.summary}"
        for item in sorted(member.differences, key=lambda item: not item.weakening)[:_SHOWN]
    ]
    if len(member.differences) > _SHOWN:
        told.append(f"… and {len(member.differences) - _SHOWN} more differences")
    told += [f"{item.kind}: {item.where}: {item.summary}" for item in member.problems]
    told = told or ["Something inside it decides: see its members."]
    yield f'{head} time="0">'
    yield _fault(member.verdict, member.summary or told[0], told)
    yield "</testcase>"


def _fault(verdict: Verdict, message: str, told: list[str]) -> str:
    """A failure for what differs, an error for what is not known."""
    name = "failure" if verdict is Verdict.DIFFERENT else "error"
    body = "\n".join(escape(line(each, _TEXT)) for each in told).replace("##", "#&#35;")
    return f'<{name} type="{verdict}" message={_value(message)}>{body}</{name}>'


def _value(value: str) -> str:
    return quoteattr(line(value, _TEXT))
