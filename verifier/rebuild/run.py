"""One rebuild from start to end. The only file that knows the order of its parts."""

from __future__ import annotations

import dataclasses
import shutil
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild import accounting, environment
from verifier.rebuild.conditions import ask, check_clock, lay_clock, lay_reversed, other_listing
from verifier.rebuild.log import Log
from verifier.rebuild.model import Build, Environment
from verifier.rebuild.outputs import collect
from verifier.rebuild.recipes import RECIPES
from verifier.rebuild.recipes.base import Job
from verifier.rebuild.root import check
from verifier.rebuild.sandbox import SANDBOXES, Room
from verifier.rebuild.user import build_uid, give

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.source import Source
    from verifier.source.cache import Cache
    from verifier.spec import Spec

LOG_NAME = "build.log"


def rebuild(
    spec: Spec,
    source: Source,
    cache: Cache,
    output_dir: Path,
    notify: Callable[[str], None] = lambda _text: None,
    look: Callable[[Path], None] = lambda _tree: None,
) -> Build:
    """Build the audited source, and copy what it makes, and the log, into `output_dir`.

    Args:
        spec: the specification.
        source: what `verifier.source.obtain` gave for it.
        cache: where roots and packages are kept.
        output_dir: made when missing; must be empty.
        notify: told of each stage as it begins, and of the log's growth.
        look: given the tree after the last step, while it still exists.

    Raises:
        BuildError: it could not be prepared, failed, was stopped, or made nothing; when it ran,
            a FailedBuildError with `log_tail` and `log`.
        SourceError: a package for the root cannot be had.
        ToolError: a program is missing.
    """
    started = time.monotonic()
    _make_empty(output_dir)
    job = Job(spec, source, cache, notify)
    recipe = RECIPES[spec.build.recipe](job)
    if (root := recipe.root()) is not None:
        check(root)
    conditions = spec.sandbox.conditions
    with ExitStack() as places:
        work = places.enter_context(cache.scratch())
        work.chmod(0o711)  # the build user passes through, and sees nothing else
        room = Room(
            settings=spec.sandbox,
            root=root,
            work=work,
            tree=_directory(work, "tree"),
            home=_directory(work, "home"),
            sources=_directory(work, "sources"),
            build_path=spec.sandbox.build_path or recipe.build_path,
            uid=build_uid(),
            log=Log(output_dir / LOG_NAME, notify),
            recorder=accounting.recorder(spec, source, recipe.own, work),
        )
        recipe.lay(room)
        if conditions.files is not None:
            shutil.copytree(conditions.files, room.sources / conditions.files.name)
        if conditions.start is not None:
            lay_clock(room.sources, conditions.start)
        if conditions.reversed_listing:
            room = _relisted(room, places)
        if spec.sandbox.kind != "host":
            give(room.tree, room.uid)
            give(room.home, room.uid)
        sandbox = SANDBOXES[spec.sandbox.kind](room)
        probe, tools = environment.tools(sandbox)
        probes = [probe]
        met: dict[str, str] = {}
        if spec.sandbox.clock is not None:
            probes.append(check_clock(sandbox))
        if conditions.probe:
            asked, met = ask(sandbox)
            probes.append(asked)
        accounting.begin(sandbox)
        outcome = recipe.build(sandbox)
        if spec.sandbox.clock is not None and outcome.clock is None:
            raise BuildError(f"The recipe {spec.build.recipe} sets no clock; drop sandbox.clock.")
        look(room.tree)
        outputs = collect(room.tree, outcome.outputs, output_dir)
        accounted = accounting.accounted(spec, sandbox, output_dir)
    return Build(
        recipe=spec.build.recipe,
        sandbox=sandbox.describe(),
        root_digest=root.digest if root else None,
        environment=Environment(environment.packages(root), tools, outcome.variables),
        steps=(*probes, *outcome.steps),
        outputs=outputs,
        output_dir=output_dir,
        log=output_dir / LOG_NAME,
        clock=outcome.clock,
        seconds=round(time.monotonic() - started, 3),
        inputs=accounted.inputs,
        record=accounted.record,
        conditions=met,
    )


def _relisted(room: Room, places: ExitStack) -> Room:
    """The same room, its tree where directories list in another order."""
    tree = _directory(places.enter_context(other_listing()), "tree")
    lay_reversed(room, tree)
    return dataclasses.replace(room, tree=tree)


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        filled = any(directory.iterdir())
    except OSError as error:
        raise BuildError(f"{directory} cannot take the output: {error.strerror}.") from error
    if filled:
        raise BuildError(f"The output directory {directory} is not empty; name another.")


def _directory(parent: Path, name: str) -> Path:
    path = parent / name
    path.mkdir(mode=0o755)
    return path
