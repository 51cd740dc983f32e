"""One rebuild from start to end. The only file that knows the order of its parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild import accounting, environment
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
) -> Build:
    """Build the audited source, and copy what it makes, and the log, into `output_dir`.

    Args:
        spec: the specification.
        source: what `verifier.source.obtain` gave for it.
        cache: where roots and packages are kept.
        output_dir: made when missing; must be empty.
        notify: told of each stage as it begins, and of the log's growth.

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
    with cache.scratch() as work:
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
        if spec.sandbox.kind != "host":
            give(room.tree, room.uid)
            give(room.home, room.uid)
        sandbox = SANDBOXES[spec.sandbox.kind](room)
        probe, tools = environment.tools(sandbox)
        accounting.begin(sandbox)
        outcome = recipe.build(sandbox)
        outputs = collect(room.tree, outcome.outputs, output_dir)
        accounted = accounting.accounted(spec, sandbox, output_dir)
    return Build(
        recipe=spec.build.recipe,
        sandbox=sandbox.describe(),
        root_digest=root.digest if root else None,
        environment=Environment(environment.packages(root), tools, outcome.variables),
        steps=(probe, *outcome.steps),
        outputs=outputs,
        output_dir=output_dir,
        log=output_dir / LOG_NAME,
        clock=outcome.clock,
        seconds=round(time.monotonic() - started, 3),
        inputs=accounted.inputs,
        record=accounted.record,
    )


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
