"""The report for people: verdict and summary first, then what decides it, then detail."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Difference, Member, Report

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
    if out.isatty():
        from rich.console import Console  # noqa: PLC0415 - 70 ms that a pipe need not pay
        from rich.text import Text  # noqa: PLC0415

        console = Console(file=out, highlight=False)
        for style, line in lines(report, verbose=verbose):
            console.print(Text(line, style=style), soft_wrap=True)
        return
    out.writelines(f"{line}\n" for _, line in lines(report, verbose=verbose))


def lines(report: Report, *, verbose: bool = False) -> Iterator[tuple[str, str]]:
    """(style, text) of each line."""
    colour = _COLOURS[report.verdict]
    yield f"bold {colour}", report.summary
    yield "", ""
    yield from _members(report, verbose)
    yield from _rules(report)
    if not report.complete:
        yield "bold yellow", "The run was stopped before its end; this report is not complete."
    details = f"policy {report.policy.name}, rules {report.rules_digest[:16]}"
    yield "dim", f"{details}, {report.seconds:.2f} s"


def _members(report: Report, verbose: bool) -> Iterator[tuple[str, str]]:
    order = {Verdict.DIFFERENT: 0, Verdict.INCONCLUSIVE: 1, Verdict.EQUIVALENT: 2}
    told = [
        member
        for member in sorted(
            report.members, key=lambda item: (not _weakens(item), order.get(item.verdict, 3))
        )
        if verbose or member.differences or member.problems or member.signers or member.notes
    ]
    limit = len(told) if verbose else _SHOWN
    for member in told[:limit]:
        yield from _member(member, verbose)
    if len(told) > limit:
        yield "", f"… and {len(told) - limit} more members (--verbose lists all)."
    counts = Counter(member.verdict for member in report.members)
    shown = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    if len(report.members) > 1:
        yield "", f"{len(report.members)} members: {shown}."


def _weakens(member: Member) -> bool:
    return any(difference.weakening for difference in member.differences)


def _member(member: Member, verbose: bool) -> Iterator[tuple[str, str]]:
    kind = f" ({member.shipped.format})" if member.shipped else ""
    yield f"bold {_COLOURS[member.verdict]}", f"{member.verdict.upper():<12} {member.path}{kind}"
    if member.summary and len(member.differences) > 1:
        yield "bold", f"    {member.summary}"
    first_weaker = sorted(member.differences, key=lambda item: not item.weakening)
    chosen = first_weaker if verbose else _chosen(first_weaker)
    for difference in chosen:
        yield from _difference(difference, verbose)
    if len(first_weaker) > len(chosen):
        left = len(first_weaker) - len(chosen)
        yield "", f"    … and {left} more (--verbose lists all)."
    for problem in member.problems:
        yield "", f"    {problem.kind}: {problem.summary}"
    for note in member.notes:
        yield "", f"    {note}"
    for signer in member.signers:
        known = "expected signer" if signer.pinned else "signer not pinned"
        checked = "verified" if signer.verified else "NOT VERIFIED: no certificate given"
        stamp = f", timestamp {signer.timestamp}" if signer.timestamp else ""
        yield "", f"    signed by {signer.subject} ({checked}, {known}{stamp})"
    if verbose:
        for patch in member.patches:
            yield (
                "dim",
                (
                    f"    {patch.rule} ({patch.strength}) {patch.field} @{patch.offset:#x}"
                    f"+{patch.length}: {patch.evidence}"
                ),
            )
        if member.narration:
            yield from (("dim", f"    | {line}") for line in member.narration.splitlines())


def _difference(difference: Difference, verbose: bool) -> Iterator[tuple[str, str]]:
    place = f" @{difference.offset:#x}" if difference.offset is not None else ""
    weaker = f"WEAKENS ({difference.weakening}): " if difference.weakening else ""
    named = f"{difference.kind}: {difference.where}{place}"
    yield "bold red" if weaker else "", f"    {weaker}{named}: {difference.summary}"
    if verbose and difference.detail:
        yield from (("dim", f"      {line}") for line in difference.detail.splitlines())


def _chosen(differences: list[Difference]) -> list[Difference]:
    """Some of each kind, in order, so that a hundred of one kind hide no other."""
    if len(differences) <= _SHOWN:
        return differences
    told: Counter[str] = Counter()
    result = []
    for difference in differences:
        told[difference.kind] += 1
        if difference.weakening or told[difference.kind] <= _EACH:
            result.append(difference)
    return result[:_SHOWN]


def _rules(report: Report) -> Iterator[tuple[str, str]]:
    total: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    free: Counter[tuple[str, str]] = Counter()
    for member in report.members:
        for patch in member.patches:
            key = patch.rule, str(patch.strength)
            total[key] += 1
            size[key] += patch.length
            free[key] += patch.free_bytes
    if not total:
        return
    yield "", ""
    yield "bold", f"{'rule':<36} {'strength':<9} {'patches':>8} {'bytes':>10} {'free':>8}"
    for rule, strength in sorted(total):
        key = rule, strength
        yield "", f"{rule:<36} {strength:<9} {total[key]:>8} {size[key]:>10} {free[key]:>8}"
