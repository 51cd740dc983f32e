"""From pairs to one frozen report: the verdict of a whole run, and its proof document."""

from __future__ import annotations

import shutil
import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import content, prove, ruleset, waivers
from verifier.engine import Engine
from verifier.errors import VerifierError
from verifier.makers import merged
from verifier.model import Artifact, FileFacts, Member, Problem, Report, Settings, Verdict, worst
from verifier.pipeline import Pipeline
from verifier.tree import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier.account import Cause, Inputs, Maker
    from verifier.model import Ref
    from verifier.pair import Pairing
    from verifier.pipeline import Show
    from verifier.tree import Node

SCHEMA = "urn:source-binary-verifier:report:v1"


class Result(NamedTuple):
    """A report, and the proof document where the verdict is positive (else None).

    `makers` are what each file says of its tools, file by file; the report has them merged.
    """

    report: Report
    proof: dict[str, Any] | None = None
    makers: tuple[Maker, ...] = ()


class Origin(NamedTuple):
    """What `verify` knows beside the compared files, for the report."""

    source: dict[str, object] | None = None
    build: dict[str, object] | None = None
    problems: tuple[Problem, ...] = ()
    inputs: Inputs | None = None
    makers: tuple[Maker, ...] = ()
    causes: tuple[Cause, ...] = ()


def compare(
    pairing: Pairing,
    settings: Settings,
    jobs: int,
    progress: Callable[[int, int], None] = lambda _done, _known: None,
    origin: Origin | None = None,
    *,
    narrate: bool = False,
    with_proof: bool = True,
    witness: Show | None = None,
) -> Result:
    """Compare everything in `pairing` and sum it up."""
    started = time.monotonic()
    work = tempfile.mkdtemp(prefix="verifier-")
    try:
        settings = settings._replace(work=work)
        engine = partial(_engine, settings, jobs)
        pipeline = Pipeline(engine, progress, settings.databases, witness)
        nodes, complete = _run(pipeline, pairing)
        if narrate:
            from verifier import narrate as narrator  # noqa: PLC0415 - only where asked for

            narrator.narrate(nodes)
        settled = (*pairing.members, *pipeline.found)
        report = _report(nodes, settled, settings, origin or Origin())
        makers = tuple(each for node in nodes for item in node.walk() for each in item.makers)
        report = report._replace(makers=(*report.makers, *merged(makers)))
        report = report._replace(complete=complete, artifacts=_artifacts(nodes, pairing))
        wanted = with_proof and report.verdict.positive
        proof = _proof(nodes, pairing, report) if wanted else None
    finally:
        content.forget()
        shutil.rmtree(work, ignore_errors=True)
    return Result(report._replace(seconds=round(time.monotonic() - started, 3)), proof, makers)


def _artifacts(nodes: Sequence[Node], pairing: Pairing) -> tuple[Artifact, ...]:
    """The outermost files, with the digests of those too that could not be read as a format."""
    found = [
        Artifact(
            node.pair.path,
            node.member.shipped or _facts(node.pair.shipped),
            node.member.rebuilt or _facts(node.pair.rebuilt),
        )
        for node in nodes
    ]
    for item in pairing.alone:
        facts = _facts(item.file)
        sides = (facts, None) if item.shipped else (None, facts)
        found.append(Artifact(item.path, *sides))
    return tuple(sorted(found, key=lambda item: item.path))


def _facts(ref: Ref) -> FileFacts | None:
    """Digest and size of a file that no format described; None if it is gone by now."""
    try:
        return FileFacts(content.sha256(content.view(ref)), ref.length, "")
    except (OSError, VerifierError):
        return None


def _engine(settings: Settings, jobs: int, confined: bool) -> Engine:
    return Engine(settings, jobs, confined=confined)


def ended(origin: Origin, settings: Settings) -> Result:
    """The report of a run that ended before anything was compared."""
    return Result(_report([], (), settings, origin))


def _run(pipeline: Pipeline, pairing: Pairing) -> tuple[list[Node], bool]:
    """The nodes, and whether the run came to its end; an interrupted one keeps what it has."""
    try:
        return pipeline.run(pairing.pairs, pairing.alone), True
    except KeyboardInterrupt:
        unproven = [_unproven(node) for node in pipeline.roots]
        return unproven, False


def _unproven(node: Node) -> Node:
    """A member without a proof is not equivalent, however far the run came."""
    if node.verdict() is Verdict.EQUIVALENT:
        problem = Problem("not-compared", node.pair.path, "The run was stopped before its proof.")
        node.member = node.member._replace(verdict=Verdict.INCONCLUSIVE, problems=(problem,))
    return node


def _report(
    nodes: Sequence[Node], settled: Sequence[Member], settings: Settings, origin: Origin
) -> Report:
    members = _merged(settled, (each.frozen() for node in nodes for each in node.walk()))
    faults = [Verdict.INCONCLUSIVE for _ in origin.problems]
    verdict = worst([*(member.verdict for member in members), *faults])
    free = sum(patch.free_bytes for member in members for patch in member.patches)
    return Report(
        schema=SCHEMA,
        verdict=verdict,
        summary=summarise(verdict, members, free, origin.problems),
        policy=settings.policy,
        rules_digest=ruleset.digest(),
        free_bytes=free,
        tool_versions={},  # filled in by the renderers that show them
        members=members,
        source=origin.source,
        build=origin.build,
        problems=origin.problems,
        waivers=waivers.judged(settings, members),
        inputs=origin.inputs,
        makers=origin.makers,
        causes=origin.causes,
    )


def _merged(settled: Sequence[Member], compared: Iterable[Member]) -> tuple[Member, ...]:
    """All members; what was settled of a file without reading it (its mode) joins its member."""
    known: dict[str, Member] = {}
    for member in settled:
        known[member.path] = _joined(member, known.get(member.path))
    found = [_joined(member, known.pop(member.path, None)) for member in compared]
    return (*known.values(), *found)


def _joined(member: Member, other: Member | None) -> Member:
    if other is None:
        return member
    return told(
        member._replace(
            verdict=worst([other.verdict, member.verdict]),
            differences=(*other.differences, *member.differences),
            problems=(*other.problems, *member.problems),
        )
    )


def summarise(
    verdict: Verdict, members: Sequence[Member], free: int, problems: Sequence[Problem] = ()
) -> str:
    """The verdict in one or two plain sentences."""
    if not members:
        reasons = [problem.summary for problem in problems]
        return f"Inconclusive: {reasons[0] if reasons else 'nothing was compared.'}"
    count = len(members)
    things = f"{count} file{'s' if count != 1 else ''}"
    if verdict is Verdict.IDENTICAL:
        return f"Identical: all bytes of {things} are the same."
    if verdict is Verdict.EQUIVALENT:
        patched = sum(patch.length for member in members for patch in member.patches)
        return (
            f"Equivalent: every byte of {things} is equal or settled by a rule; "
            f"{patched} bytes are patched, {free} of them free."
        )
    worst_members = [member for member in members if member.verdict is verdict]
    if verdict is Verdict.DIFFERENT:
        found = [item for member in members for item in member.differences]
        weaker = sum(1 for item in found if item.weakening)
        says = f"; {weaker} of them weaken{'s' if weaker == 1 else ''} detection" if weaker else ""
        return (
            f"Different: {len(found)} difference{'s' if len(found) != 1 else ''} in {things}{says}."
        )
    reasons = [problem.summary for member in worst_members for problem in member.problems]
    reasons += [problem.summary for problem in problems]
    return f"Inconclusive: {reasons[0] if reasons else 'something could not be compared.'}"


def _proof(nodes: Sequence[Node], pairing: Pairing, report: Report) -> dict[str, Any]:
    loaded = ruleset.load().rules
    used = {patch.rule for member in report.members for patch in member.patches}
    rules = {
        rule: {"strength": loaded[rule].strength.value, "reason": loaded[rule].reason}
        for rule in sorted(used & loaded.keys())
    }
    return {
        "schema": prove.SCHEMA,
        "verdict": report.verdict.value,
        "policy": report.policy.name,
        "rules_digest": report.rules_digest,
        "free_bytes": report.free_bytes,
        "rules": rules,
        "files": [prove.entry(node) for node in nodes],
        "links": sorted(member.path for member in pairing.members),
    }
