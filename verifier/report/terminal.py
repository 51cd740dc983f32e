"""The report for people: verdict and summary first, then what decides it, then detail."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from verifier.model import Verdict
from verifier.report import context
from verifier.report.figures import Figures, figures, ranked, weak
from verifier.report.plain import lines, plain, runner_safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Difference, Member, Report

Line = tuple[str, str]

_COLOURS = {
    Verdict.IDENTICAL: "green",
    Verdict.EQUIVALENT: "green",
    Verdict.DIFFERENT: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_SHOWN = 20  # members and differences a member without --verbose
_EACH = 5  # differences of one kind, where there are more than that


def show(report: Report, out: TextIO = sys.stdout, *, verbose: bool = False) -> None:
    """Print the report; in colour where `out` is a terminal, plain text elsewhere."""
    found = rendered(report, verbose=verbose)
    if out.isatty():
        from rich.console import Console  # noqa: PLC0415 - 70 ms that a pipe need not pay
        from rich.text import Text  # noqa: PLC0415

        console = Console(file=out, highlight=False)
        for style, text in found:
            console.print(Text(text, style=style), soft_wrap=True)
        return
    encoding = out.encoding or "utf-8"
    for _, text in found:
        known = text.encode(encoding, "backslashreplace").decode(encoding)
        out.write(f"{known}\n")


def rendered(report: Report, *, verbose: bool = False) -> Iterator[Line]:
    """(style, text) of each line: printable, and without anything that a CI runner obeys."""
    for style, text in _lines(report, verbose):
        yield style, runner_safe(text)


def text(report: Report, *, verbose: bool = False) -> str:
    """All lines, without colour."""
    return "".join(f"{shown}\n" for _, shown in rendered(report, verbose=verbose))


def _lines(report: Report, verbose: bool) -> Iterator[Line]:
    counted = figures(report)
    colour = _COLOURS[report.verdict]
    yield f"bold {colour}", plain(report.summary)
    yield from context.gate(report)
    if not report.complete:
        yield "bold yellow", "The run was stopped before its end; this report is not complete."
    yield "", ""
    yield from context.makers(report, verbose)
    yield from context.problems(report)
    yield from _members(report, counted, verbose)
    yield from context.causes(report, verbose)
    yield from _rules(counted)
    yield from context.inputs(report, verbose)
    yield from context.waivers(report)
    yield from context.source(report, verbose)
    details = f"policy {plain(report.policy.name)}, rules {plain(report.rules_digest[:16])}"
    yield "dim", f"{details}, {report.seconds:.2f} s"


def _members(report: Report, counted: Figures, verbose: bool) -> Iterator[Line]:
    told = [
        member
        for member in ranked(report)
        if verbose or member.differences or member.problems or member.signers or member.notes
    ]
    limit = len(told) if verbose else _SHOWN
    for member in told[:limit]:
        yield from _member(member, verbose)
    if len(told) > limit:
        yield "", f"… and {len(told) - limit} more members (--verbose lists all)."
    shown = ", ".join(f"{count} {verdict}" for verdict, count in counted.members.items() if count)
    if len(report.members) > 1:
        yield "", f"{len(report.members)} members: {shown}."


def _member(member: Member, verbose: bool) -> Iterator[Line]:
    kind = f" ({plain(member.shipped.format)})" if member.shipped else ""
    style = f"bold {_COLOURS[member.verdict]}"
    yield style, f"{member.verdict.upper():<12} {plain(member.path)}{kind}"
    if member.summary and len(member.differences) > 1:
        yield "bold", f"    {plain(member.summary)}"
    first_weaker = sorted(member.differences, key=lambda item: not weak(item))
    chosen = first_weaker if verbose else _chosen(first_weaker)
    for difference in chosen:
        yield from _difference(difference, verbose)
    if len(first_weaker) > len(chosen):
        left = len(first_weaker) - len(chosen)
        yield "", f"    … and {left} more (--verbose lists all)."
    for problem in member.problems:
        yield "", f"    {problem.kind}: {plain(problem.summary)}"
    for note in member.notes:
        yield "", f"    {plain(note)}"
    for signer in member.signers:
        known = "expected signer" if signer.pinned else "signer not pinned"
        checked = "verified" if signer.verified else "NOT VERIFIED: no certificate given"
        stamp = f", timestamp {plain(signer.timestamp)}" if signer.timestamp else ""
        yield "", f"    signed by {plain(signer.subject)} ({checked}, {known}{stamp})"
    if verbose:
        yield from _patches(member)


def _patches(member: Member) -> Iterator[Line]:
    for patch in member.patches:
        place = f"{plain(patch.field)} @{patch.offset:#x}+{patch.length}"
        named = f"{plain(patch.rule)} ({patch.strength}) {place}"
        yield "dim", f"    {named}: {plain(patch.evidence)}"
    if member.narration:
        yield from (("dim", f"    | {each}") for each in lines(member.narration, _NARRATION))


_NARRATION = 100_000  # characters of a commentary


def _difference(difference: Difference, verbose: bool) -> Iterator[Line]:
    place = f" @{difference.offset:#x}" if difference.offset is not None else ""
    weaker = f"WEAKENS ({plain(difference.weakening)}): " if weak(difference) else ""
    named = f"{difference.kind}: {plain(difference.where)}{place}"
    style = "bold red" if weaker else ""
    yield style, f"    {weaker}{named}: {plain(difference.summary)}"
    if verbose and difference.detail:
        yield from (("dim", f"      {each}") for each in lines(difference.detail, _NARRATION))


def _chosen(differences: list[Difference]) -> list[Difference]:
    """Some of each kind, in order, so that a hundred of one kind hide no other."""
    if len(differences) <= _SHOWN:
        return differences
    told: Counter[str] = Counter()
    result = []
    for difference in differences:
        told[difference.kind] += 1
        if weak(difference) or told[difference.kind] <= _EACH:
            result.append(difference)
    return result[:_SHOWN]


def _rules(counted: Figures) -> Iterator[Line]:
    if not counted.rules:
        return
    yield "", ""
    yield "bold", f"{'rule':<36} {'strength':<9} {'patches':>8} {'bytes':>10} {'free':>8}"
    for each in counted.rules:
        named = f"{plain(each.rule):<36} {each.strength:<9}"
        yield "", f"{named} {each.patches:>8} {each.size:>10} {each.free:>8}"
