"""What each factor moves: varied alone, built again to tell it from chance, and once longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import run
from verifier.diagnose import factors as known
from verifier.diagnose.builds import Made, Workshop, pairing
from verifier.diagnose.causes import explain
from verifier.diagnose.model import NONE, Place, Tried
from verifier.diagnose.places import places, within, without
from verifier.errors import BuildError, VerifierError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from verifier.diagnose.factors import Factor, Varied
    from verifier.diagnose.held import Held
    from verifier.model import Report, Settings
    from verifier.spec import Spec

FIRST, SECOND = "baseline", "baseline again"
AGAIN = " again"


class Bench:
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


def vary(chosen: Sequence[Factor], held: Held) -> tuple[dict[str, Varied], list[Tried]]:
    """The specification of each factor that can be varied here, and the others with the reason."""
    varied: dict[str, Varied] = {}
    refused: list[Tried] = []
    for factor in chosen:
        try:
            varied[factor.name] = factor.vary(held)
        except BuildError as error:
            refused.append(Tried(factor.name, "", problem=str(error)))
    return varied, refused


def moved(
    bench: Bench,
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
            results.append(Tried(name, said, builds=1, seconds=seconds(one)))
    again = {name + AGAIN: varied[name].spec for name, found in moves.items() if found}
    twice = bench.workshop.all(again) if again else {}
    for factor in chosen:
        if not moves.get(factor.name):
            continue
        name, one, other = factor.name, made[factor.name], twice[factor.name + AGAIN]
        tried = Tried(name, varied[name].said, (), 2, seconds(one, other), other.problem)
        try:
            if not other.problem:
                kept = within(moves[name], bench.differ(first, other))
                kept = kept if factor.free else without(kept, bench.differ(one, other))
                tried = tried._replace(moved=kept)
        except VerifierError as error:
            tried = tried._replace(problem=str(error))
        results.append(tried)
    return results


def settle_doubts(bench: Bench, held: Held, found: list[Tried]) -> list[Tried]:
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
    sure: tuple[Place, ...] = ()
    problem = one.problem or other.problem or again.problem or after.problem
    try:
        if not problem:
            sure = within(doubtful, bench.differ(one, other))
            sure = within(sure, bench.differ(again, after))
            sure = without(without(sure, bench.differ(one, again)), bench.differ(other, after))
    except VerifierError as error:
        problem = str(error)
    if problem:
        zone = zone._replace(problem=f"Of places that hold the time nothing is known: {problem}")
    kept = (*without(zone.moved, doubtful), *sure)
    zone = zone._replace(moved=kept, builds=zone.builds + len(specs))
    return [zone if each.factor == zone.factor else each for each in found]


def lengthen(
    bench: Bench,
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
        try:
            found_places = bench.differ(first, one) if one and not one.problem else ()
        except VerifierError:
            found_places = ()  # it only adds: what the factor moves is known
        if one is not None and found_places:
            more = without(found_places, (*noise, *tried.moved))
            tried = tried._replace(  # noqa: PLW2901 - the same, with more places
                moved=(*tried.moved, *more),
                builds=tried.builds + 1,
                seconds=round(tried.seconds + seconds(one), 3),
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


def toolchain_moves(
    bench: Bench, other: Spec | None, made: Mapping[str, Made], noise: tuple[Place, ...]
) -> list[Tried]:
    """What another specification's root, packages and variables move."""
    if other is None:
        return []
    one, said = made[known.TOOLCHAIN], f"as {other.path.name} says"
    if one.problem:
        return [Tried(known.TOOLCHAIN, said, problem=one.problem)]
    try:
        # From both sides: places are named by the first file, and the vendor's may be like either.
        both = (*bench.differ(made[FIRST], one), *bench.differ(one, made[FIRST]))
        moved = without(tuple(dict.fromkeys(both)), noise)
    except VerifierError as error:
        return [Tried(known.TOOLCHAIN, said, builds=1, problem=str(error))]
    return [Tried(known.TOOLCHAIN, said, moved, 1, seconds(one))]


def seconds(*made: Made) -> float:
    """How long these builds took together."""
    return round(sum(each.build.seconds for each in made if each.build), 3)
