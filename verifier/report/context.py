"""What stands around the members in a text report: gate, makers, inputs, causes, waivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.report import pins
from verifier.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Report

Line = tuple[str, str]

_SHOWN = 20  # of one list, without --verbose
STATES = {
    "used": "used",
    "unused": "UNUSED: nothing that it covers differs, so remove it",
    "expired": "EXPIRED: it settles nothing any more",
    "refused": "REFUSED: the policy takes no waivers",
    "": "not judged",
}


def gate(report: Report) -> Iterator[Line]:
    """What was tolerated, and what else than the verdict made the gate fail."""
    found = report.gate
    if found is None:
        return
    if found.tolerated:
        kinds = ", ".join(f"{each.differences} {each.kind}" for each in found.tolerated)
        by = plain(found.tolerated[0].by)
        yield "bold yellow", f"Tolerated by {by}, exit status {found.status}: {kinds}."
    if found.status and (found.fail_on or report.verdict.positive):
        reasons = "; ".join(plain(reason) for reason in found.failed)
        yield "bold red", f"The gate fails with exit status {found.status}: {reasons}."


def makers(report: Report, verbose: bool) -> Iterator[Line]:
    """Tools that are other ones here, before everything they explain; then the rest."""
    drifted = [each for each in report.makers if each.drifted]
    if drifted:
        count = len(drifted)
        plural = ("s", "are") if count != 1 else ("", "is")
        said = f"{count} tool{plural[0]} that made shipped files {plural[1]} another one here:"
        yield "bold yellow", said
    for each in drifted[: len(drifted) if verbose else _SHOWN]:
        here = plain(each.here) or "nothing"
        yield "", f"    {plain(each.tool)}: shipped {plain(each.shipped)}, here {here}"
        yield "dim", f"      in {plain(each.member)}"
        if each.advice:
            yield "", f"      {plain(each.advice)}"
    yield from _left(len(drifted), verbose)
    same = [each for each in report.makers if not each.drifted]
    if same and verbose:
        yield "", "Tools that are the same on both sides:"
        yield from (("dim", f"    {plain(each.tool)}: {plain(each.here)}") for each in same)
    elif same:
        yield "dim", f"{len(same)} tool{'s are' if len(same) != 1 else ' is'} the same as shipped."
    if report.makers:
        yield "", ""


def problems(report: Report) -> Iterator[Line]:
    """What stood in the way of the whole run."""
    for each in report.problems:
        yield "bold yellow", f"{each.kind}: {plain(each.where)}: {plain(each.summary)}"


def inputs(report: Report, verbose: bool) -> Iterator[Line]:
    """What the build read, one line a class; each file that nobody accounts for, with its chain."""
    found = report.inputs
    if found is None:
        return
    yield "", ""
    yield "bold", f"{'inputs of the build':<36} {'files':>18} {'bytes':>19}"
    for each in found.classes:
        yield "", f"{plain(each.name):<36} {each.files:>18} {each.size:>19}"
    for title, listed in (("unaccounted", found.unaccounted), ("event", found.events)):
        style = "bold red" if title == "unaccounted" else "bold yellow"
        for item in listed[: len(listed) if verbose else _SHOWN]:
            yield style, f"    {title}: {plain(item.path)}: {plain(item.reason)}"
            if item.chain:
                yield "dim", f"      by {' → '.join(plain(each, 200) for each in item.chain[:40])}"
        yield from _left(len(listed), verbose)
    if found.unread:
        count = len(found.unread)
        yield "", f"    {count} audited file{'s' if count != 1 else ''} that nothing read"
        if verbose:
            yield from (("dim", f"      {plain(each)}") for each in found.unread)
    for problem in found.problems:
        yield "bold yellow", f"    not seen: {plain(problem)}"
    yield "dim", f"    recorded by {plain(found.method)}"


def source(report: Report, verbose: bool) -> Iterator[Line]:
    """What was audited, and each pin with what became of it before anything was built."""
    found = report.source or {}
    if found.get("description"):
        yield "dim", f"source {plain(str(found['description']))}"
    listed = pins.rows(report)
    for each in listed[: len(listed) if verbose else _SHOWN]:
        detail = f": {plain(each.detail)}" if each.detail else ""
        text = f"{plain(each.kind)} {plain(each.value)}".strip()
        style, state = ("dim", "") if each.held else ("bold red", f" {each.state}")
        yield style, f"    {text}{state}{detail}"
    yield from _left(len(listed), verbose)


def causes(report: Report, verbose: bool) -> Iterator[Line]:
    """What differences depend on."""
    if report.causes:
        yield "", ""
        yield "bold", "Causes:"
    for each in report.causes[: len(report.causes) if verbose else _SHOWN]:
        place = f"{plain(each.member)}: {plain(each.where)}"
        yield "", f"    {plain(each.factor)}: {place}: {plain(each.summary)}"
        if each.advice:
            yield "", f"      {plain(each.advice)}"
    yield from _left(len(report.causes), verbose)


def waivers(report: Report) -> Iterator[Line]:
    """Every waiver: used ones, and those that should go."""
    if report.waivers:
        yield "", ""
        yield "bold", "Waivers:"
    for each in report.waivers:
        place = f"{plain(each.member)}: {plain(each.field)}"
        if each.offset is not None:
            place += f" @{each.offset:#x}+{each.length}"
        who = f"{plain(each.author) or 'no author'}, until {plain(each.expires)}"
        style = "" if each.state == "used" else "bold yellow"
        yield style, f"    {STATES[each.state]}: {place}: {plain(each.reason)} ({who})"


def _left(count: int, verbose: bool) -> Iterator[Line]:
    if count > _SHOWN and not verbose:
        yield "", f"    … and {count - _SHOWN} more (--verbose lists all)."
