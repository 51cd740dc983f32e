"""A diagnosis, for people and for programs: differences and causes, then what each factor did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from verifier.diagnose.model import NONE, SCHEMA
from verifier.wire import to_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.account import Cause
    from verifier.diagnose.model import Diagnosis, Tried

_SHOWN = 12  # places of one factor, and differences in all, without --verbose


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """As JSON, after `schemas/diagnosis-v1.json`."""
    report = diagnosis.report
    return {
        "schema": SCHEMA,
        "verdict": report.verdict.value if report else None,
        "summary": summary(diagnosis),
        "held": list(diagnosis.held),
        "factors": [to_data(each) for each in diagnosis.factors],
        "causes": [to_data(each) for each in diagnosis.causes],
        "makers": [to_data(each) for each in diagnosis.makers],
        "unexplained": diagnosis.unexplained,
        "seconds": diagnosis.seconds,
    }


def summary(diagnosis: Diagnosis) -> str:
    """What explains the differences, in one sentence."""
    total = len(diagnosis.differences)
    moving = [each.factor for each in diagnosis.factors if any(not p.settled for p in each.moved)]
    if not total:
        verdict = diagnosis.report.verdict if diagnosis.report else "not compared"
        says = f"it depends on {', '.join(moving)}" if moving else "no factor moves anything"
        return f"Nothing to explain: the verdict is {verdict}; {says}."
    names = dict.fromkeys(each.factor for each in diagnosis.causes if each.factor != NONE)
    left = diagnosis.unexplained
    found = f"{total} difference{'s' if total != 1 else ''} from shipped"
    if not names:
        return f"{found}: none of these factors explains any."
    rest = f"; {left} explained by none of these" if left else ""
    return f"{found}, explained by {', '.join(names)}{rest}."


def show(diagnosis: Diagnosis, out: TextIO = sys.stdout, *, verbose: bool = False) -> None:
    """Print it as plain text."""
    out.writelines(f"{line}\n" for line in lines(diagnosis, verbose=verbose))


def lines(diagnosis: Diagnosis, *, verbose: bool = False) -> Iterator[str]:
    """Line by line."""
    yield summary(diagnosis)
    yield ""
    for maker in diagnosis.makers:
        if maker.drifted:
            yield f"{maker.tool}: shipped {maker.shipped}, here {maker.here} ({maker.member})"
            yield f"    {maker.advice}"
    most = len(diagnosis.causes) if verbose else _SHOWN
    for cause in diagnosis.causes[:most]:
        yield from _cause(cause)
    if len(diagnosis.causes) > most:
        yield f"… and {len(diagnosis.causes) - most} more (--verbose lists all)."
    if diagnosis.causes:
        yield ""
    for tried in diagnosis.factors:
        yield from _tried(tried, verbose)
    yield ""
    yield " ".join(diagnosis.held)
    yield f"{diagnosis.seconds:.0f} s in all."


def _cause(cause: Cause) -> Iterator[str]:
    yield f"{cause.factor.upper()}: {cause.member}: {cause.where}"
    yield f"    {cause.summary} {cause.advice}".rstrip()


def _tried(tried: Tried, verbose: bool) -> Iterator[str]:
    if tried.problem:
        yield f"{tried.factor:<22} not tried: {tried.problem}"
        return
    moved = [each for each in tried.moved if not each.settled]
    settled = len(tried.moved) - len(moved)
    said = f"moves {len(moved)} place{'s' if len(moved) != 1 else ''}" if moved else "moves nothing"
    more = f", and {settled} that rules settle" if settled else ""
    yield f"{tried.factor:<22} {said}{more} ({tried.varied})"
    most = len(tried.moved) if verbose else _SHOWN
    for each in (tried.moved if verbose else moved)[:most]:
        yield f"    {each.member}: {each.kind}: {each.where}: {each.summary}"
