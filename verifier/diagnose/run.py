"""One diagnosis from start to end: baseline, factors, confirmations, explanations."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import run
from verifier.diagnose import buildid
from verifier.diagnose import factors as known
from verifier.diagnose import held as holding
from verifier.diagnose.builds import Made, Workshop, pairing, side_by_side
from verifier.diagnose.causes import explain
from verifier.diagnose.model import CHANCE, NONE, Diagnosis, Place, Tried
from verifier.diagnose.places import places, within, without
from verifier.errors import BuildError, UsageError, VerifierError
from verifier.rebuild.model import FailedBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from verifier.diagnose.factors import Factor, Varied
    from verifier.diagnose.held import Held
    from verifier.model import Report, Settings
    from verifier.source import Cache, Source
    from verifier.spec import Spec

FIRST, SECOND = "baseline", "baseline again"
AGAIN = " again"


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


class _Bench:
    """What the steps of one diagnosis share."""

    def __init__(
        self, workshop: Workshop, settings: Settings, jobs: int, notify: Callable[[str], None]
    ) -> None:
        self.workshop, self.settings, self.jobs, self.notify = workshop, settings, jobs, notify

    def differ(self, one: Made, other: Made) -> tuple[Place, ...]:
        """Where two builds differ; VerifierError where that cannot be said."""
        result = run.compare(pairing(one, other), self.settings, self.jobs, with_proof=False)
        doubts = [*result.report.problems, *(p for m in result.report.members for p in m.problems)]
        if doubts:
            raise BuildError(f"Two builds could not be compared: {doubts[0].summary}")
        return places(result.report)


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
    bench = _Bench(workshop, settings, options.jobs, notify)
    held, first = _baseline(bench, spec, options.output, report)
    varied, tried = _vary(chosen, held)
    specs = {SECOND: held.spec, **{name: each.spec for name, each in varied.items()}}
    if options.toolchain is not None:
        specs[known.TOOLCHAIN] = held.of(options.toolchain)
    notify(f"building {len(specs)} times, {min(room, len(specs))} at once")
    made = {FIRST: first, **workshop.all(specs)}
    if made[SECOND].build is None:
        raise BuildError(f"A second build of the baseline failed: {made[SECOND].problem}")
    noise = bench.differ(first, made[SECOND])
    found = _moved(bench, chosen, varied, made, noise)
    found += _toolchain(bench, options, made, noise)
    found = _doubts(bench, held, found)
    found = _longer(bench, report, held, first, noise, found)
    results = (*_ordered(chosen, (*tried, *found)), _chance(noise, first, made[SECOND]))
    fits, makers = buildid.diagnose(report, options.kept)
    return Diagnosis(
        held=_said(held, first),
        factors=results,
        differences=tuple((m.path, each) for m in report.members for each in m.differences),
        causes=(*explain(report, results, _beside(bench, report, options, first)), *fits),
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


def _baseline(bench: _Bench, spec: Spec, output: Path, report: Report) -> tuple[Held, Made]:
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


def _vary(chosen: Sequence[Factor], held: Held) -> tuple[dict[str, Varied], list[Tried]]:
    varied: dict[str, Varied] = {}
    refused: list[Tried] = []
    for factor in chosen:
        try:
            varied[factor.name] = factor.vary(held)
        except BuildError as error:
            refused.append(Tried(factor.name, "", problem=str(error)))
    return varied, refused


def _moved(
    bench: _Bench,
    chosen: Sequence[Factor],
    varied: Mapping[str, Varied],
    made: Mapping[str, Made],
    noise: tuple[Place, ...],
) -> list[Tried]:
    """What each factor moved; each that moved something is built again, to tell it from chance."""
    first, moves, results = made[FIRST], {}, []
    for factor in (each for each in chosen if each.name in varied):
        name = factor.name
        one, said = made[name], varied[name].said
        problem = one.problem or _effect(factor, first, one)
        if problem:
            results.append(Tried(name, said, problem=problem))
            continue
        try:
            moves[name] = without(bench.differ(first, one), noise)
        except VerifierError as error:
            results.append(Tried(name, said, builds=1, problem=str(error)))
            continue
        if not moves[name]:
            results.append(Tried(name, said, builds=1, seconds=_seconds(one)))
    again = {name + AGAIN: varied[name].spec for name, found in moves.items() if found}
    twice = bench.workshop.all(again) if again else {}
    for factor in chosen:
        if not moves.get(factor.name):
            continue
        name, one, other = factor.name, made[factor.name], twice[factor.name + AGAIN]
        tried = Tried(name, varied[name].said, (), 2, _seconds(one, other), other.problem)
        if not other.problem:
            kept = within(moves[name], bench.differ(first, other))
            kept = kept if factor.free else without(kept, bench.differ(one, other))
            tried = tried._replace(moved=kept)
        results.append(tried)
    return results


def _doubts(bench: _Bench, held: Held, found: list[Tried]) -> list[Tried]:
    """Places that depend on the clock depend on the zone only if a running clock says so too.

    For a program that changes TZ itself (`date -u`), a clock that stands still follows the zone.
    """
    by_name = {each.factor: each for each in found}
    zone, clock = by_name.get("time zone"), by_name.get("time")
    if held.clock != "still" or zone is None or clock is None:
        return found
    timed = within(zone.moved, clock.moved)
    members = {each.member for each in timed}
    # A text of the other build has no place of its own: it goes with those of its file.
    loose = (p for p in zone.moved if p.offset is None and p.member in members and p not in timed)
    if not (doubtful := (*timed, *loose)):
        return found
    running = held.running()
    specs = {"clock runs": running.spec, "clock runs, zone": known.zone(running).spec}
    specs |= {f"{name}{AGAIN}": spec for name, spec in specs.items()}
    one, other, again, after = bench.workshop.all(specs).values()
    if problem := one.problem or other.problem or again.problem or after.problem:
        sure: tuple[Place, ...] = ()
        zone = zone._replace(problem=f"Of places that hold the time nothing is known: {problem}")
    else:
        sure = within(doubtful, bench.differ(one, other))
        sure = within(sure, bench.differ(again, after))
        sure = without(without(sure, bench.differ(one, again)), bench.differ(other, after))
    kept = (*without(zone.moved, doubtful), *sure)
    zone = zone._replace(moved=kept, builds=zone.builds + len(specs))
    return [zone if each.factor == zone.factor else each for each in found]


def _longer(
    bench: _Bench,
    report: Report,
    held: Held,
    first: Made,
    noise: tuple[Place, ...],
    found: list[Tried],
) -> list[Tried]:
    """What more moves by a value of another length, where a factor explains a file in part."""
    open_ones = {
        cause.member for cause in explain(report, found) if cause.factor == NONE
    }  # members with a difference that nothing explains yet
    specs = {
        factor.name: factor.longer(held).spec
        for factor in known.FACTORS
        if factor.longer is not None
        and any(
            each.factor == factor.name and not open_ones.isdisjoint(p.member for p in each.moved)
            for each in found
        )
    }
    made = bench.workshop.all({f"{name} longer": spec for name, spec in specs.items()})
    result = []
    for tried in found:
        one = made.get(f"{tried.factor} longer")
        if one is not None and not one.problem:
            more = without(bench.differ(first, one), (*noise, *tried.moved))
            tried = tried._replace(  # noqa: PLW2901 - the same, with more places
                moved=(*tried.moved, *more),
                builds=tried.builds + 1,
                seconds=round(tried.seconds + _seconds(one), 3),
            )
        result.append(tried)
    return result


def _effect(factor: Factor, control: Made, one: Made) -> str:
    """Why a factor does not count as varied; empty where its condition changed, and no other."""
    assert control.build is not None
    assert one.build is not None
    before, after = control.build.conditions, one.build.conditions
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if factor.condition not in changed:
        return "A step in the sandbox met no other value: it was not varied."
    if others := changed - {factor.condition}:
        return f"More than this one changed for a step in the sandbox: {', '.join(sorted(others))}."
    return ""


def _toolchain(
    bench: _Bench, options: Options, made: Mapping[str, Made], noise: tuple[Place, ...]
) -> list[Tried]:
    """What another specification's root, packages and variables move."""
    if options.toolchain is None:
        return []
    one, said = made[known.TOOLCHAIN], f"as {options.toolchain.path.name} says"
    if one.problem:
        return [Tried(known.TOOLCHAIN, said, problem=one.problem)]
    try:
        moved = without(bench.differ(made[FIRST], one), noise)
    except VerifierError as error:
        return [Tried(known.TOOLCHAIN, said, builds=1, problem=str(error))]
    return [Tried(known.TOOLCHAIN, said, moved, 1, _seconds(one))]


def _chance(noise: tuple[Place, ...], *both: Made) -> Tried:
    return Tried(CHANCE, "two builds under the same conditions", noise, 2, _seconds(*both))


def _seconds(*made: Made) -> float:
    return round(sum(each.build.seconds for each in made if each.build), 3)


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


def _beside(bench: _Bench, report: Report, options: Options, first: Made) -> Report:
    """The shipped files against the baseline."""
    shipped = {item.path: options.shipped / item.path for item in report.artifacts}
    try:
        pairs = pairing(Made(artifacts=shipped), first)
        return run.compare(pairs, bench.settings, bench.jobs, with_proof=False).report
    except VerifierError:
        return report  # it only stands in for names of the other
