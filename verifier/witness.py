"""Show on the real engine that one side's databases detect what the other side's do not.

A witness is commentary: it says of a difference that was found already how it shows,
and no verdict depends on it. Samples hold nothing but bytes of the record's own pattern.
The engine runs in the sandbox of builds, with its limits.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import process, sigdb, spec
from verifier.engine import Failure, Task
from verifier.errors import BuildError, ToolError
from verifier.rebuild.log import Log
from verifier.rebuild.sandbox import SANDBOXES, Room, Step
from verifier.rebuild.user import build_uid, give
from verifier.samples import SamplesAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.databases import Databases, Group
    from verifier.engine import Engine as Workers
    from verifier.engine import Inline
    from verifier.rebuild.sandbox.base import Sandbox
    from verifier.samples import Sample
    from verifier.sigdb.base import Engine
    from verifier.source.cache import Cache
    from verifier.tree import Node

_LIMITS = spec.Limits(seconds=60.0, memory=4 << 30, processes=64, disk=1 << 30, output=1 << 20)
_STATUS = "@status"
_SHOWN = 20  # records named that have no sample


class Witness:
    """Asks the engines of all groups that differ; `cache` gives the directory to work in."""

    def __init__(self, cache: Cache, notify: Callable[[str], None] = lambda _text: None) -> None:
        self._cache = cache
        self._notify = notify

    def __call__(
        self, databases: Databases, roots: Sequence[Node], workers: Workers | Inline
    ) -> None:
        """Add a note to the member of each changed record."""
        for group in databases.differing:
            for path, note in self._notes(group, workers):
                _note(path, note, group, roots)

    def _notes(self, group: Group, workers: Workers | Inline) -> list[tuple[str, str]]:
        engine = sigdb.named(group.family).engine
        if engine is None:
            return [("", f"No witness: the family {group.family} knows no engine to ask.")]
        try:
            process.find(engine.program)
        except ToolError as error:
            return [("", f"No witness: {error}")]
        workers.submit(Task("samples", group.request(), SamplesAnswer, group.seconds(), group))
        ((_, answer),) = workers.answers()
        if not isinstance(answer, SamplesAnswer):
            assert isinstance(answer, Failure)
            return [("", f"No witness: {answer.summary}")]
        notes = [("", f"No witness: no sample can be made for {_list(answer.without)}.")]
        with self._cache.scratch() as work:
            try:
                found = self._asked(engine, answer, work)
            except (BuildError, ToolError, OSError) as error:
                return [("", f"No witness: {error}")]
        return found + (notes if answer.without else [])

    def _asked(self, engine: Engine, answer: SamplesAnswer, work: Path) -> list[tuple[str, str]]:
        sandbox = _sandbox(work, self._notify)
        for side, folder in (("shipped", answer.shipped), ("rebuilt", answer.rebuilt)):
            shutil.copytree(folder, sandbox.room.sources / side)
        found = []
        for number, sample in enumerate(answer.samples):
            shutil.copyfile(sample.file, sandbox.room.sources / f"sample-{number}")
            seen = [
                _detected(sandbox, engine, side, f"sample-{number}", sample.name)
                for side in ("rebuilt", "shipped")
            ]
            size = Path(sample.file).stat().st_size
            found.append((sample.path, _sentence(engine, sample, size, *seen)))
        return found


def _sentence(
    engine: Engine, sample: Sample, size: int, rebuilt: bool | None, shipped: bool | None
) -> str:
    head = f"Witness of {sample.where}: {engine.program}, given {size} bytes made of its pattern,"
    if rebuilt is None or shipped is None:
        return f"{head} gave no answer."
    says = {
        (True, False): "detects them with the source's databases, and not with the shipped ones.",
        (False, True): "detects them with the shipped databases, and not with the source's.",
        (True, True): "detects them with both sides' databases.",
        (False, False): "detects them with neither side's databases.",
    }
    return f"{head} {says[rebuilt, shipped]}"


def _detected(sandbox: Sandbox, engine: Engine, side: str, sample: str, name: str) -> bool | None:
    top = Path(sandbox.sources)
    folder = sandbox.room.sources / side
    files = [str(top / side / file.name) for file in sorted(folder.iterdir())]
    arguments: list[str] = []
    for each in engine.arguments:
        if each == "{files}":
            arguments += files
        else:
            places = {"{databases}": str(top / side), "{sample}": str(top / sample)}
            arguments.append(places.get(each, each))
    start = sandbox.room.log.size
    shell = f'"$@" 2>&1; printf "\\n{_STATUS} %s\\n" "$?"'
    argv = ("/bin/sh", "-c", shell, "sh", engine.program, *arguments)
    sandbox.run(Step(f"{engine.program} on {side}", argv, sandbox.tree))
    said, _, status = sandbox.room.log.since(start, 1 << 16).rpartition(_STATUS)
    return engine.detected(int(status), said, name) if status.strip().isdigit() else None


def _sandbox(work: Path, notify: Callable[[str], None]) -> Sandbox:
    work.chmod(0o711)
    tree, home, sources = (work / name for name in ("tree", "home", "sources"))
    for folder in (tree, home, sources):
        folder.mkdir(mode=0o755)
    uid = build_uid()
    give(tree, uid)
    give(home, uid)
    log = Log(work / "witness.log", notify)
    settings = spec.Sandbox(limits=_LIMITS)
    room = Room(settings, None, work, tree, home, sources, "/build/witness", uid, log)
    return SANDBOXES[settings.kind](room)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _note(path: str, note: str, group: Group, roots: Sequence[Node]) -> None:
    """At the member of that path; else at the first of the group, or of the run."""
    nodes = {each.pair.path: each for root in roots for each in root.walk()}
    node = nodes.get(path) or next(iter(group.waiting), None) or next(iter(roots), None)
    if node is not None:
        node.member = node.member._replace(notes=(*node.member.notes, note))
