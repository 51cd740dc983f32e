"""One rebuild from start to end. The only file that knows the order of its parts."""

from __future__ import annotations

import dataclasses
import shutil
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild import accounting, environment
from verifier.rebuild.conditions import ask, check_clock, lay_clock
from verifier.rebuild.listing import relisted
from verifier.rebuild.log import Log
from verifier.rebuild.model import Build, Environment
from verifier.rebuild.outputs import collect
from verifier.rebuild.recipes import RECIPES
from verifier.rebuild.recipes.base import Job
from verifier.rebuild.room import open_room
from verifier.rebuild.root import check
from verifier.rebuild.sandbox import SANDBOXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.rebuild.recipes.base import Recipe
    from verifier.rebuild.sandbox import Room
    from verifier.source import Source
    from verifier.source.cache import Cache
    from verifier.spec import Spec
    from verifier.spec.model import Conditions

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
    path = spec.sandbox.build_path or recipe.build_path
    log = Log(output_dir / LOG_NAME, notify)
    lay = partial(_lay, recipe, conditions)
    with ExitStack() as places:
        room = places.enter_context(open_room(spec.sandbox, root, cache, path, log, lay))
        recorder = accounting.recorder(spec, source, recipe.own, room.work)
        room = dataclasses.replace(room, recorder=recorder)
        if conditions.reversed_listing:
            room = dataclasses.replace(room, tree=places.enter_context(relisted(room)))
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
        accounted = accounting.accounted(spec, sandbox, output_dir, outputs)
    return Build(
        recipe=spec.build.recipe,
        sandbox=sandbox.describe(),
        root_digest=root.digest if root else None,
        environment=Environment(
            (*environment.packages(root), *outcome.packages), tools, outcome.variables
        ),
        steps=(*probes, *outcome.steps),
        outputs=outputs,
        output_dir=output_dir,
        log=output_dir / LOG_NAME,
        clock=outcome.clock,
        seconds=round(time.monotonic() - started, 3),
        inputs=accounted.inputs,
        record=accounted.record,
        conditions=met,
        makers=outcome.makers,
        notes=outcome.notes,
    )


def _lay(recipe: Recipe, conditions: Conditions, room: Room) -> None:
    """Fill the room with what the recipe and the conditions put there."""
    recipe.lay(room)
    if conditions.files is not None:
        shutil.copytree(conditions.files, room.sources / conditions.files.name)
    if conditions.start is not None:
        lay_clock(room.sources, conditions.start)


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        filled = any(directory.iterdir())
    except OSError as error:
        raise BuildError(f"{directory} cannot take the output: {error.strerror}.") from error
    if filled:
        raise BuildError(f"The output directory {directory} is not empty; name another.")
