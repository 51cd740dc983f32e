"""One diagnosis from start to end: baseline, factors, confirmations, explanations."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import run
from verifier.diagnose import buildid, drift
from verifier.diagnose import factors as known
from verifier.diagnose import held as holding
from verifier.diagnose.builds import Made, Workshop, pairing, side_by_side
from verifier.diagnose.causes import explain
from verifier.diagnose.model import CHANCE, Diagnosis, Place, Tried
from verifier.diagnose.places import compared
from verifier.diagnose.vary import (
    FIRST,
    SECOND,
    Bench,
    lengthen,
    moved,
    seconds,
    settle_doubts,
    toolchain_moves,
    vary,
)
from verifier.errors import BuildError, UsageError, VerifierError
from verifier.rebuild.model import FailedBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from verifier.diagnose.factors import Factor
    from verifier.diagnose.held import Held
    from verifier.model import Report, Settings
    from verifier.source import Cache, Source
    from verifier.spec import Spec


class Options(NamedTuple):
    """`output` takes all builds; `only` names the factors to try; `toolchain` is another spec.

    `shipped` is where the shipped files lie, by the names of the report's artifacts, `kept` where
    the linked files of the rebuild do.
    """

    output: Path
    shipped: Path
    kept: Path
    jobs: int
    only: tuple[str, ...] = ()
    toolchain: Spec | None = None


def diagnose(
    spec: Spec,
    source: Source,
    cache: Cache,
    settings: Settings,
    options: Options,
    report: Report,
    notify: Callable[[str], None] = lambda _text: None,
) -> Diagnosis:
    """Vary one factor after the other, and say which one explains what of `report`.

    Args:
        spec: the specification.
        source: what `verifier.source.obtain` gave for it.
        cache: where roots and packages are kept.
        settings: of the comparison; its rules decide what is a difference.
        options: where to build, how much at once, and which factors.
        report: of the shipped files against a rebuild by this specification.
        notify: told of each stage, and of each finished build.

    Raises:
        UsageError: an unknown factor, or a sandbox that holds nothing.
        BuildError: not even the baseline could be built.
    """
    started = time.monotonic()
    chosen = _chosen(spec, options.only)
    room = side_by_side(spec, options.jobs)
    workshop = Workshop(source, cache, options.output, notify, room)
    bench = Bench(workshop, settings, options.jobs, notify)
    held, first = _baseline(bench, spec, options.output, report)
    varied, tried = vary(chosen, held)
    specs = {SECOND: held.spec, **{name: each.spec for name, each in varied.items()}}
    if options.toolchain is not None:
        specs[known.TOOLCHAIN] = held.of(options.toolchain)
    notify(f"building {len(specs)} times, {min(room, len(specs))} at once")
    made = {FIRST: first, **workshop.all(specs)}
    if made[SECOND].build is None:
        raise BuildError(f"A second build of the baseline failed: {made[SECOND].problem}")
    noise = bench.differ(first, made[SECOND])
    found = moved(bench, chosen, varied, made, noise)
    found += toolchain_moves(bench, options.toolchain, made, noise)
    found = settle_doubts(bench, held, found)
    found = lengthen(bench, report, held, first, noise, found)
    results = (*_ordered(chosen, (*tried, *found)), _chance(noise, first, made[SECOND]))
    fits, makers = buildid.diagnose(report, options.kept)
    beside = _beside(bench, report, options, first)
    causes = explain(report, results, beside.report)
    return Diagnosis(
        held=_said(held, first),
        factors=results,
        differences=tuple((m.path, each) for m in compared(report) for each in m.differences),
        causes=drift.probable(causes, fits, (*makers, *beside.makers), report),
        makers=(*makers, *report.makers),
        report=report,
        seconds=round(time.monotonic() - started, 3),
    )


def _chosen(spec: Spec, only: Sequence[str]) -> tuple[Factor, ...]:
    names = [factor.name for factor in known.FACTORS]
    if odd := [name for name in only if name not in names]:
        raise UsageError(f"{odd[0]!r} is no factor; they are {', '.join(names)}.")
    if spec.sandbox.kind == "host":
        raise UsageError("sandbox.kind is host: nothing is held still there; use a sandbox.")
    return tuple(each for each in known.FACTORS if not only or each.name in only)


def _baseline(bench: Bench, spec: Spec, output: Path, report: Report) -> tuple[Held, Made]:
    """The stillest conditions under which it builds, at the time of the rebuild's own clock."""
    clock = (report.build or {}).get("clock")
    moment = dt.datetime.fromisoformat(clock) if isinstance(clock, str) else None
    said = ""
    for number, held in enumerate(holding.baselines(spec, output / "shown", moment)):
        hour = str(int(held.moment.timestamp()) // 3600)
        bench.notify(f"building the baseline ({held.words()})")
        made = bench.workshop.build(f"{FIRST}-{number}" if number else FIRST, held.spec)
        if made.build is None:
            said = said or made.problem
            continue
        if held.clock and made.build.conditions.get("time") != hour:
            reason = "Programs in this sandbox do not load libfaketime; install it there."
            return held._replace(clock="", unheld=reason), made
        return held._replace(unheld=said), made
    raise FailedBuildError(f"The baseline could not be built: {said}", "", None)


def _chance(noise: tuple[Place, ...], *both: Made) -> Tried:
    return Tried(CHANCE, "two builds under the same conditions", noise, 2, seconds(*both))


def _ordered(chosen: Sequence[Factor], found: Sequence[Tried]) -> list[Tried]:
    order = [*(factor.name for factor in chosen), known.TOOLCHAIN]
    return sorted(found, key=lambda each: order.index(each.factor))


def _said(held: Held, first: Made) -> tuple[str, ...]:
    """What of the baseline was held, in sentences."""
    lines = [f"Held: {held.words()}."]
    if held.unheld:
        lines.append(held.unheld)
    assert first.build is not None
    lines.append(f"One build takes {first.build.seconds:.0f} s.")
    return tuple(lines)


def _beside(bench: Bench, report: Report, options: Options, first: Made) -> run.Result:
    """The shipped files against the baseline, and what each of them says of its makers."""
    shipped = {name: options.shipped / name for name in first.artifacts}
    try:
        pairs = pairing(Made(artifacts=shipped), first)
        return run.compare(pairs, bench.settings, bench.jobs, with_proof=False)
    except VerifierError:
        return run.Result(report)  # it only stands in for names of the other
