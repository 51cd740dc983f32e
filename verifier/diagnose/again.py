"""Further builds of the same source, under other conditions: does it build to one result here?

Where two of our own builds disagree outside the rules, a difference from shipped in that place
says nothing about the vendor. The verdict stays what the comparison found; the words change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import run
from verifier.account import Cause
from verifier.diagnose.builds import Made, Workshop, pairing
from verifier.diagnose.factors import all_varied
from verifier.diagnose.held import plain
from verifier.diagnose.places import OVERLAP, best, compared, place, places
from verifier.errors import VerifierError
from verifier.model import Problem, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.diagnose.model import Place
    from verifier.model import Report, Settings
    from verifier.source import Cache, Source
    from verifier.spec import Spec

NOT_HERE = "not reproducible here"
FAILED = "other conditions"  # under which a further build failed
KIND = "not-reproducible"
_SHOWN = 20  # places of our own disagreement in which the shipped file does not differ
_ADVICE = "Ask `verifier diagnose` which condition of the build moves it."


class Rebuilds(NamedTuple):
    """How many builds in all, the first of them, and what the others are made with."""

    builds: int
    first: Made
    source: Source
    cache: Cache
    settings: Settings
    folder: Path
    jobs: int


def rebuild_again(
    spec: Spec, report: Report, plan: Rebuilds, notify: Callable[[str], None]
) -> Report:
    """The report with what further builds say; every second one is under other conditions."""
    workshop = Workshop(plan.source, plan.cache, plan.folder, notify, 1)
    varied = all_varied(plain(spec))
    records: list[dict[str, Any]] = []
    found: list[Place] = []
    failed: list[Cause] = []
    for number in range(2, plan.builds + 1):
        other, said = (varied.spec, varied.said) if number % 2 == 0 else (spec, "")
        notify(f"rebuilding, build {number} of {plan.builds}")
        made = workshop.build(f"again-{number}", other)
        record: dict[str, Any] = {"number": number, "varied": said}
        try:
            differing = () if made.problem else _disagreement(made, plan)
        except VerifierError as error:
            made = Made(problem=str(error))
            differing = ()
        record["problem"] = made.problem
        if made.problem:
            where = f"build {number}"
            failed.append(Cause(FAILED, "", where, f"It failed: {made.problem}", _ADVICE))
        record["disagreements"] = len(differing)
        record["seconds"] = made.build.seconds if made.build else 0.0
        records.append(record)
        found += differing
    build = {**(report.build or {}), "rebuilds": records}
    report = report._replace(build=build, causes=(*report.causes, *failed))
    return _told(report, found, varied.said)


def _disagreement(made: Made, plan: Rebuilds) -> tuple[Place, ...]:
    settings = plan.settings._replace(waivers=())  # they are about what is shipped
    result = run.compare(pairing(plan.first, made), settings, plan.jobs, with_proof=False)
    return tuple(each for each in places(result.report) if not each.settled)


def _told(report: Report, found: list[Place], varied: str) -> Report:
    if not found:
        return report
    causes, total, told = [], 0, 0
    shipped = []
    for member in compared(report):
        for difference in member.differences:
            total += 1
            shipped.append(place(member.path, difference))
            if best(shipped[-1], found) >= OVERLAP:
                told += 1
                summary = f"Two builds of the source here disagree in this place; varied: {varied}."
                causes.append(Cause(NOT_HERE, member.path, difference.where, summary, _ADVICE))
    elsewhere = [each for each in found if best(each, shipped) < OVERLAP]
    for each in elsewhere[:_SHOWN]:
        summary = f"Two builds here disagree: {each.summary} The shipped file is as the first one."
        causes.append(Cause(NOT_HERE, each.member, each.where, summary, _ADVICE))
    report = report._replace(causes=(*report.causes, *causes))
    if report.verdict.positive:
        return report  # a proof about one build holds, whatever another one gives
    return _reworded(report, total, told, found)


def _reworded(report: Report, total: int, told: int, found: list[Place]) -> Report:
    count = len(found)
    said = (
        f"Two builds of the same source here disagree in {count} place{'s' if count != 1 else ''} "
        "outside the rules."
    )
    summary = f"{report.summary} {told} of {total} lie where two builds here disagree, too."
    if told == total and report.verdict is Verdict.DIFFERENT:
        places_said = "the one place" if total == 1 else f"all {total} places"
        summary = (
            f"Not reproducible here: two builds of the same source disagree in {places_said} where "
            "the shipped file differs, so that this says nothing about its vendor."
        )
    problem = Problem(KIND, "build", f"{said} {_ADVICE}")
    return report._replace(summary=summary, problems=(*report.problems, problem))
