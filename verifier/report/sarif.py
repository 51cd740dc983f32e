"""SARIF 2.1.0: a result for each member and cause, so that code scanning can annotate them.

A negative verdict has at least one result of level `error`, and a run that is inconclusive or
did not end has `executionSuccessful` false: no reader can take it for a clean one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from verifier import __version__, kinds
from verifier.errors import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_OK
from verifier.model import Problem, Verdict
from verifier.report.figures import figures, ranked, weak
from verifier.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.model import Difference, Member, Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
RESULTS = 25_000  # that code scanning takes of one run; it shows 5,000, so the worst come first
NOTIFICATIONS = 1_000
FINGERPRINT = "memberAndCause/v1"
GATE = "gate"  # the rule of what fails beside the verdict
_TEXT = 1_000  # characters of one text
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_EXIT = {Verdict.DIFFERENT: EXIT_DIFFERENT, Verdict.INCONCLUSIVE: EXIT_INCONCLUSIVE}


class _Cause(NamedTuple):
    """What one result tells: all findings of one kind on one member."""

    kind: str
    member: str
    first: Difference | Problem
    times: int
    weakening: str = ""


def text(report: Report) -> str:
    """The log, as it is written. Runners of CI obey `##[`, which JSON can spell otherwise."""
    return json.dumps(document(report), indent=1).replace("##", "#\\u0023") + "\n"


def document(report: Report) -> dict[str, Any]:
    """The log as plain data."""
    found = list(_causes(report))
    kept, left = found[:RESULTS], len(found) - RESULTS
    prints = list(_fingerprints(kept))
    used = sorted({cause.kind for cause in kept})
    index = {kind: number for number, kind in enumerate(used)}
    tolerated = {item.kind for item in report.gate.tolerated} if report.gate else set()
    run = {
        "tool": {"driver": _driver(used)},
        "invocations": [_invocation(report, max(left, 0))],
        "results": [
            {
                **_result(cause, index[cause.kind], report, tolerated),
                "partialFingerprints": {FINGERPRINT: fingerprint},
            }
            for cause, fingerprint in zip(kept, prints, strict=True)
        ],
        "columnKind": "unicodeCodePoints",
        "properties": _properties(report),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _causes(report: Report) -> Iterator[_Cause]:
    """All causes, those that weaken first."""
    of_run = Counter((each.kind, each.where) for each in report.problems)
    first = {(each.kind, each.where): each for each in reversed(report.problems)}
    fewer = [_Cause(key[0], "", first[key], count) for key, count in of_run.items()]
    if report.gate is not None and report.gate.status and report.verdict.positive:
        failed = [Problem(GATE, each, "The gate fails on it.") for each in report.gate.failed]
        fewer += [_Cause(GATE, "", each, 1) for each in failed]
    for member in ranked(report):
        grouped: dict[tuple[str, str], list[Difference | Problem]] = {}
        for difference in member.differences:
            key = difference.kind, difference.weakening
            grouped.setdefault(key, []).append(difference)
        for problem in member.problems:
            grouped.setdefault((problem.kind, ""), []).append(problem)
        for (kind, weakening), items in grouped.items():
            cause = _Cause(kind, member.path, items[0], len(items), weakening)
            if weakening:
                yield cause
            else:
                fewer.append(cause)
    yield from fewer
    if not fewer and not report.verdict.positive and not _any_weak(report.members):
        yield _Cause("not-compared", "", Problem("not-compared", "", report.summary), 1)


def _any_weak(members: Sequence[Member]) -> bool:
    return any(weak(item) for member in members for item in member.differences)


def _result(cause: _Cause, index: int, report: Report, tolerated: set[str]) -> dict[str, Any]:
    more = f" ({cause.times - 1} more of this kind in it)" if cause.times > 1 else ""
    weaker = f"Weakens ({cause.weakening}): " if cause.weakening else ""
    said = f"{weaker}{cause.member}: {cause.first.where}: {cause.first.summary}"
    result: dict[str, Any] = {
        "ruleId": cause.kind,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": _message(said) + more},
        "locations": [_location(cause, report)],
        "properties": {"count": cause.times},
    }
    if cause.weakening:
        result["properties"]["weakening"] = plain(cause.weakening, _TEXT)
    if cause.kind in tolerated and report.gate is not None:
        by = plain(report.gate.tolerated[0].by, _TEXT)
        result["level"] = "warning"
        result["message"]["text"] += f" Tolerated by {_message(by)}; the verdict stays."
        result["properties"]["tolerated"] = by
    return result


def _fingerprints(causes: Sequence[_Cause]) -> Iterator[str]:
    """The same for the same cause in the same member, wherever in it that is found.

    Members of one name, which no format forbids, are told apart by their order.
    """
    seen: Counter[str] = Counter()
    for cause in causes:
        place = cause.member or f"\0{cause.first.where}"
        named = f"{place}\0{cause.kind}\0{cause.weakening}"
        seen[named] += 1
        named += f"\0{seen[named]}" if seen[named] > 1 else ""
        yield hashlib.sha256(named.encode("utf-8", "backslashreplace")).hexdigest()


def _location(cause: _Cause, report: Report) -> dict[str, Any]:
    """The outermost file, since readers know no other; the member by its full name."""
    path = cause.member or (report.artifacts[0].path if report.artifacts else "verification")
    region: dict[str, Any] = {"startLine": 1}
    offset, length = (getattr(cause.first, name, None) for name in ("offset", "length"))
    if offset is not None and "!" not in path:  # of a member, it is no offset in the file
        region |= {"byteOffset": offset, "byteLength": length or 0}
    full = plain(path, _TEXT)
    where = plain(cause.first.where, _TEXT)
    if where and where != full:
        full += f"!{where}"
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri(path)}, "region": region},
        "logicalLocations": [{"fullyQualifiedName": full, "kind": "member"}],
    }


def uri(path: str) -> str:
    """The outermost file of a member's path as a relative reference (RFC 3986)."""
    parts = [part for part in path.partition("!")[0][:_TEXT].split("/") if part.strip(".")]
    named = "/".join(quote(part.encode("utf-8", "backslashreplace"), safe="") for part in parts)
    return named or "verification"


def _driver(used: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "source-binary-verifier",
        "version": __version__,
        "rules": [{"id": kind, "shortDescription": {"text": _sentence(kind)}} for kind in used],
    }


def _sentence(kind: str) -> str:
    if kind == GATE:
        return "Something that the gate was asked to fail on (--fail-on)."
    return kinds.DIFFERENCES.get(kind) or kinds.PROBLEMS.get(kind) or "An unknown kind."


def _invocation(report: Report, left: int) -> dict[str, Any]:
    found = list(_notifications(report, left))
    status = _EXIT.get(report.verdict, EXIT_OK) if report.gate is None else report.gate.status
    sure = report.verdict is not Verdict.INCONCLUSIVE and report.complete
    doubts = report.problems or any(member.problems for member in report.members)
    successful = bool(sure and not doubts and not left)
    if not successful and not found:
        found.append({"level": "error", "message": {"text": _message(report.summary)}})
    invocation: dict[str, Any] = {
        "executionSuccessful": successful,
        "exitCode": status,
        "exitCodeDescription": f"{report.verdict}",
    }
    if found:
        invocation["toolExecutionNotifications"] = found
    return invocation


def _notifications(report: Report, left: int) -> Iterator[dict[str, Any]]:
    said = [] if report.complete else ["The run was stopped before its end."]
    if left:
        said.append(f"{left} results are left out: readers take {RESULTS} of one run.")
    said += [f"{each.kind}: {each.where}: {each.summary}" for each in report.problems]
    said += [
        f"{each.kind}: {member.path}: {each.summary}"
        for member in report.members
        for each in member.problems
    ]
    said += [f"inputs: {each}" for each in report.inputs.problems] if report.inputs else []
    if len(said) > NOTIFICATIONS:
        said[NOTIFICATIONS:] = [f"{len(said) - NOTIFICATIONS} more are left out."]
    yield from ({"level": "error", "message": {"text": _message(each)}} for each in said)
    if report.gate is not None and report.gate.tolerated:
        for each in report.gate.tolerated:
            told = f"{each.differences} {each.kind} tolerated by {each.by}; the verdict stays."
            yield {"level": "warning", "message": {"text": _message(told)}}
    for text in _warnings(report):
        yield {"level": "warning", "message": {"text": _message(text)}}
    for waiver in report.waivers:
        if waiver.state != "used":
            told = f"Waiver {waiver.state or 'not judged'}: {waiver.member}: {waiver.field}"
            yield {"level": "warning", "message": {"text": _message(told)}}


def _warnings(report: Report) -> list[str]:
    """Tools that drifted, and inputs that nobody accounts for."""
    told = [
        f"{each.tool} made {each.member} in version {each.shipped}; here it is {each.here}."
        for each in report.makers
        if each.drifted
    ]
    if report.inputs is not None:
        listed = (*report.inputs.unaccounted, *report.inputs.events)
        told += [f"Input {each.path}: {each.reason}" for each in listed]
    if len(told) > NOTIFICATIONS:
        told[NOTIFICATIONS:] = [f"{len(told) - NOTIFICATIONS} more warnings are left out."]
    return told


def _properties(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {
        **figures(report).counts(),
        "summary": plain(report.summary, _TEXT),
        "policy": plain(report.policy.name, _TEXT),
        "rulesDigest": report.rules_digest,
        "complete": report.complete,
    }
    for name in ("digest", "description", "swhid"):
        if report.source and report.source.get(name):
            found[f"source.{name}"] = plain(str(report.source[name]), _TEXT)
    found["waivers"] = [
        {
            name: plain(getattr(waiver, name), _TEXT)
            for name in ("member", "field", "reason", "author", "expires", "state")
        }
        for waiver in report.waivers
    ]
    return found


def _message(said: str) -> str:
    """Plain text without what SARIF reads as a link or a placeholder (3.11.5, 3.11.6)."""
    shown = plain(said, _TEXT).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return _PLACEHOLDER.sub(r"{{\1}}", shown)
