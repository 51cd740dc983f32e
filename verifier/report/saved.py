"""Read a saved JSON report back, strictly: what does not fit or contradicts itself is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier import gate, limits, shape, strictjson, wire
from verifier.errors import LimitError, ParseError
from verifier.model import Member, Report, Verdict, worst

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "report-v1"


def load(path: Path) -> Report:
    """The report that `document.write` saved.

    Raises:
        UsageError: the file cannot be read.
        ParseError, LimitError: it is no report, or one that contradicts itself.
    """
    return read(strictjson.read(path, limits.SAVED_BYTES), str(path))


def read(data: bytes, what: str) -> Report:
    """The report in `data`; `what` names it in errors."""
    found = strictjson.object_of(data, what)
    for name in ("source", "build", "policy_details"):
        _shallow(found.get(name), limits.SAVED_DEPTH, f"{what}: {name}")
    shape.check(found, SCHEMA, what)
    return report_of(found, what)


def report_of(found: dict[str, Any], what: str) -> Report:
    """The report that a document of the right shape is; ParseError if it contradicts itself."""
    named = found["policy"]
    if named != found["policy_details"]["name"]:
        raise ParseError(f"{what} contradicts itself: it names two policies.")
    data = {**found, "policy": found["policy_details"]}
    del data["policy_details"]
    data["members"] = []
    report = wire.from_data(Report, data)
    members = tuple(_member(item, what) for item in found["members"])
    report = report._replace(members=members)
    fault = contradiction(report)
    if fault:
        raise ParseError(f"{what} contradicts itself: {fault}.")
    return report


def contradiction(report: Report) -> str:
    """What in a report cannot be true beside the rest, "" if nothing."""
    odd = next(filter(None, map(_odd, report.members)), "")
    return odd or _verdict(report) or _counts(report)


def _verdict(report: Report) -> str:
    verdict = report.verdict
    doubts = [Verdict.INCONCLUSIVE] if report.problems or not report.members else []
    if verdict is not worst([*(member.verdict for member in report.members), *doubts]):
        return "its verdict is not its worst member's"
    if not report.summary.lower().startswith(f"{verdict}:"):
        return "its summary tells another verdict"
    if verdict.positive and not report.complete:
        return "it is positive, and not complete"
    if verdict.positive and report.build is not None and not _accounted(report):
        return "it is positive, and its policy demands inputs that are all known"
    return ""


def _accounted(report: Report) -> bool:
    """Whether what went into the build is known as far as the policy demands."""
    if report.policy.unaccounted == "report":
        return True
    inputs = report.inputs
    return inputs is not None and not (inputs.unaccounted or inputs.problems)


def _counts(report: Report) -> str:
    free = sum(patch.free_bytes for member in report.members for patch in member.patches)
    if free != report.free_bytes:
        return f"it counts {report.free_bytes} free bytes, and its patches have {free}"
    if report.gate is not None and report.gate != gate.judge(report, report.gate.fail_on):
        return "what it says of its gate does not follow from what was found"
    return ""


def _odd(member: Member) -> str:
    """What contradicts itself in one member."""
    found = ""
    if member.differences and member.verdict is not Verdict.DIFFERENT:
        found = "has differences"
    elif member.problems and member.verdict.positive:
        found = "was not compared"
    elif member.patches and member.verdict is Verdict.IDENTICAL:
        found = "is patched"
    return f"{member.path[:200]!r} {found} and is {member.verdict}" if found else ""


def _member(found: dict[str, Any], what: str) -> Member:
    patches = []
    for item in found["patches"]:
        patch = {**item, "data": ""}
        free = patch.pop("free_bytes")
        if free != sum(each["length"] for each in patch.get("free", [])):
            raise ParseError(f"{what} contradicts itself: a patch miscounts its free bytes.")
        patches.append(patch)
    return wire.from_data(Member, {**found, "patches": patches})


def _shallow(value: object, left: int, what: str) -> None:
    """LimitError for what is nested deeper than `left`."""
    if not left:
        raise LimitError(f"{what} is nested deeper than {limits.SAVED_DEPTH}.")
    inside = list(value.values()) if isinstance(value, dict) else value
    if isinstance(inside, list):
        for item in inside:
            _shallow(item, left - 1, what)
