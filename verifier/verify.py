"""From a specification to a report: get the source, rebuild it, pair, compare.

Whatever fails on the way is a report too, inconclusive, that says how far the
run came and why it ended.
"""

from __future__ import annotations

import datetime as dt
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import copied, diagnose, run, source, unaccounted
from verifier import policy as policies
from verifier.account import Cause
from verifier.diagnose import buildid
from verifier.diagnose.again import Rebuilds, rebuild_again
from verifier.diagnose.builds import Made
from verifier.errors import BuildError, SourceError, ToolError, UsageError, VerifierError
from verifier.model import Problem, Settings, Verdict, Waiver
from verifier.pair import Pairing, files
from verifier.rebuild import rebuild
from verifier.rebuild.model import FailedBuildError
from verifier.rebuild.shipped import resolve
from verifier.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.model import Report
    from verifier.rebuild.shipped import Pair as Artifact
    from verifier.spec import Spec

LINKED = "linked"  # of a run's directory: linked files of the build, before they were stripped
LOG_TAIL = 4_000  # characters of a failed build's log in the report


class Options(NamedTuple):
    """What the command line adds to a specification.

    `output` takes the rebuilt files, the build log, and both sides of every pair. `rebuilds` is
    how many builds in all: None for two where the first is not identical to what was shipped.
    `diagnose` asks for the cause of each difference; `keep` keeps linked files for that.
    """

    output: Path
    jobs: int
    policy: str | None = None
    narrate: bool = False
    cache: Path | None = None
    witness: bool = False
    rebuilds: int | None = None
    diagnose: bool = False
    keep: bool = False


def verify(
    spec: Spec,
    settings: Settings,
    options: Options,
    notify: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> run.Result:
    """Run a whole audit. Never raises for what source, build or artifacts do."""
    origin = run.Origin()
    try:
        cache = source.Cache.open(options.cache)
        audited = source.obtain(spec, cache, notify)
        origin = origin._replace(source=_source(spec, audited))
        look = partial(buildid.keep, into=options.output / LINKED)
        wanted = {"look": look} if options.keep or options.diagnose else {}
        built = rebuild(spec, audited, cache, options.output / "build", notify, **wanted)
        origin = origin._replace(build=built.to_json(), inputs=built.inputs, makers=built.makers)
        demands = unaccounted.judge(built.inputs, settings.policy)
        origin = origin._replace(problems=demands.problems)
        with cache.scratch() as work:
            artifacts = resolve(spec, options.output / "build", work, cache, notify)
            copies = copied.find(audited, built, artifacts)
            pairing = _stage(artifacts, options.output)
        demands = unaccounted.judge(built.inputs, settings.policy, copies)
        told = copied.told(built.inputs, copies)
        origin = origin._replace(problems=demands.problems, inputs=told)
        if demands.member is not None:
            pairing = pairing._replace(members=(*pairing.members, demands.member))
        notify("comparing")
        result = run.compare(
            pairing,
            settings,
            options.jobs,
            progress,
            origin,
            narrate=options.narrate,
            witness=Witness(cache, notify) if options.witness else None,
        )
        first = Made(artifacts={a.name: options.output / "rebuilt" / a.name for a in artifacts})
        plan = Rebuilds(0, first, audited, cache, settings, options.output, options.jobs)
        return _further(spec, result, plan, options, notify)
    except UsageError:
        raise
    except VerifierError as error:
        return run.ended(_ended(spec, origin, error), settings)


def _further(
    spec: Spec,
    result: run.Result,
    plan: Rebuilds,
    options: Options,
    notify: Callable[[str], None],
) -> run.Result:
    """The result with what more builds say: of the source's own stability, and of causes."""
    report = result.report
    count = options.rebuilds or spec.rebuilds
    if count is None:
        unsure = report.verdict is not Verdict.IDENTICAL and not options.diagnose
        count = 2 if unsure else 1
    if not report.complete:
        return result
    if count > 1:
        report = rebuild_again(spec, report, plan._replace(builds=count), notify)
    if options.diagnose and report.verdict is not Verdict.IDENTICAL:
        report = _diagnosis(spec, report, plan, options, notify)
    return result._replace(report=report)


def _diagnosis(
    spec: Spec,
    report: Report,
    plan: Rebuilds,
    options: Options,
    notify: Callable[[str], None],
) -> Report:
    """The report with causes; a diagnosis that fails takes nothing from what was compared."""
    output = options.output
    wanted = diagnose.Options(
        output / "diagnosis", output / "shipped", output / LINKED, options.jobs
    )
    try:
        found = diagnose.diagnose(
            *(spec, plan.source, plan.cache, plan.settings, wanted, report, notify)
        )
    except VerifierError as error:
        cause = Cause(diagnose.NONE, "", "diagnosis", f"It could not be made: {error}")
        return report._replace(causes=(*report.causes, cause))
    return report._replace(causes=(*report.causes, *found.causes), makers=found.makers)


def diagnosed(
    spec: Spec,
    settings: Settings,
    options: Options,
    wanted: diagnose.Options,
    notify: Callable[[str], None],
) -> diagnose.Diagnosis | str:
    """The diagnosis of a specification, or the sentence that says why there is none.

    Raises:
        UsageError: an unknown factor, or a sandbox that holds nothing.
    """
    result = verify(
        spec, settings, options._replace(rebuilds=1, keep=True), notify, lambda _done, _known: None
    )
    if not result.report.members:
        return result.report.summary
    try:
        cache = source.Cache.open(options.cache)
        audited = source.obtain(spec, cache, notify)
        return diagnose.diagnose(spec, audited, cache, settings, wanted, result.report, notify)
    except UsageError:
        raise
    except VerifierError as error:
        return str(error)


def settings_of(spec: Spec, options: Options) -> Settings:
    """The policy, signers and waivers of a specification, for today."""
    certificates: list[bytes] = []
    pins: list[str] = []
    for signer in spec.signers:
        if signer.certificate is not None:
            certificates.extend(policies.certificates(signer.certificate))
        if signer.sha256 is not None:
            pins.append(signer.sha256)
    return Settings(
        policy=policies.load(options.policy or str(spec.policy)),
        certificates=tuple(certificates),
        pins=tuple(pins),
        waivers=tuple(
            Waiver(
                *(item.member, item.field, item.reason, item.expires.isoformat()),
                *(item.author, item.offset, item.length),
            )
            for item in spec.waivers
        ),
        today=dt.datetime.now(dt.UTC).date().isoformat(),
        databases=spec.databases,
    )


def _source(spec: Spec, audited: source.Source) -> dict[str, Any]:
    return {**audited.to_json(), "spec": spec.path.name, "spec_sha256": spec.sha256}


def _stage(artifacts: tuple[Artifact, ...], output: Path) -> Pairing:
    """Copy both sides of every pair below `output`, so that the proof can be re-checked there."""
    names = [item.name for item in artifacts]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"Two artifacts are called {twice}; give each a name of its own.")
    pairs = []
    for item in artifacts:
        sides = [output / side / item.name for side in ("shipped", "rebuilt")]
        for path, origin in zip(sides, (item.shipped, item.rebuilt), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, path)
        prefix = "" if len(names) == 1 else item.name
        pairs.append(files(item.name, sides[0], sides[1], prefix))
    return Pairing(tuple(pairs), ())


def _ended(spec: Spec, origin: run.Origin, error: VerifierError) -> run.Origin:
    """The origin of a run that ended early, with the reason and the end of the log."""
    kind = "build-failed"
    if isinstance(error, SourceError):
        kind = "source-unavailable"
    elif not isinstance(error, BuildError | ToolError):
        kind = "not-compared"
    if isinstance(error, source.SourceDiffersError):
        kind = "source-differs-from-record"
        found = [Problem(kind, "source", text) for text in (str(error), *error.changes)]
        if error.source is not None:
            origin = origin._replace(source=_source(spec, error.source))
        return origin._replace(problems=(*origin.problems, *found))
    if isinstance(error, FailedBuildError):
        tail = error.log_tail[-LOG_TAIL:]
        log = str(error.log) if error.log else None
        origin = origin._replace(build={"failed": str(error), "log_tail": tail, "log": log})
    problem = Problem(kind, "build" if kind == "build-failed" else "source", str(error))
    return origin._replace(problems=(*origin.problems, problem))
