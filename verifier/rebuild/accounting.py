"""Input accounting of one rebuild: whether it is recorded, and what is made of the recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier import process
from verifier.account import Inputs
from verifier.errors import ToolError
from verifier.rebuild import inputs
from verifier.rebuild.inputs.laid import pins
from verifier.rebuild.inputs.packages import Packages
from verifier.rebuild.model import FailedBuildError
from verifier.rebuild.sandbox import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.rebuild.model import Output
    from verifier.rebuild.sandbox.base import Sandbox
    from verifier.source import Source
    from verifier.spec import Spec

RECORD_NAME = "inputs.json"
# Made again beside the original, without touching links and without the cache of a cache.
_LDCONFIG = (
    '/sbin/ldconfig -X -i -C "$1/ld.so.cache" && cmp "$1/ld.so.cache" /etc/ld.so.cache; '
    'same=$?; rm -f "$1/ld.so.cache"; exit $same'
)
_REACHED = (
    "The sandbox host shuts nothing out: the build could have altered the recording, and was "
    "free to ask processes for files that are not recorded."
)


class Accounted(NamedTuple):
    """The report's part, and the whole record's file name and digest."""

    inputs: Inputs | None
    record: dict[str, str] | None = None


def recorder(spec: Spec, source: Source, own: frozenset[str], work: Path) -> inputs.Recorder | None:
    """A recorder for the build; None where none is wanted, or strace is missing."""
    if not spec.records_inputs or not _has_strace():
        return None
    return inputs.Recorder(work / "record", pins(source.files, spec, own))


def begin(sandbox: Sandbox) -> None:
    """Enter what lies in the sandbox, now that all is laid and nothing has run."""
    if sandbox.room.recorder is not None:
        sandbox.room.recorder.begin(sandbox)


def accounted(
    spec: Spec, sandbox: Sandbox, output_dir: Path, outputs: Sequence[Output]
) -> Accounted:
    """Sum up after the last step, and write the whole record beside the log."""
    if not spec.records_inputs:
        return Accounted(None)
    recorded, view = sandbox.room.recorder, sandbox.view()
    if recorded is None:
        return Accounted(_nothing("strace is needed for it and not installed; install it"))
    if view is None:
        return Accounted(_nothing(f"the sandbox {sandbox.kind} has no recorder"))
    root = sandbox.room.root
    packages = Packages(root.path if root is not None else Path("/"))
    judge = inputs.Judge(
        *(view, packages, root is not None),
        remake=lambda _path: _made_again(sandbox),
        run=lambda argv: _printed(sandbox, argv),
    )
    if sandbox.kind == "host":
        recorded.problems.append(_REACHED)
    members = [item.rebuilt.member for item in spec.artifacts if item.rebuilt.member]
    products = [*(output.name for output in outputs), *members]
    account = inputs.account(recorded, sandbox, judge, inputs.METHOD, products)
    return Accounted(account.inputs, inputs.write(account.record, output_dir / RECORD_NAME))


def _has_strace() -> bool:
    try:
        process.find("strace")
    except ToolError:
        return False
    return True


def _nothing(reason: str) -> Inputs:
    return Inputs("none", (), problems=(f"The build's inputs were not recorded: {reason}.",))


def _printed(sandbox: Sandbox, argv: Sequence[str]) -> str:
    """What a command of the verifier's own printed in the sandbox; nothing where it failed."""
    log = sandbox.room.log
    start = log.size
    step = Step("compiled modules", tuple(argv), sandbox.tree, recorded=False, held=False)
    try:
        sandbox.run(step)
    except FailedBuildError:
        return ""
    return log.since(start, 1 << 20)


def _made_again(sandbox: Sandbox) -> bool:
    """Whether ldconfig, run in the sandbox as it is, makes the cache that lies there."""
    argv = ("/bin/sh", "-c", _LDCONFIG, "sh", sandbox.home)
    try:
        sandbox.run(Step("ld.so.cache", argv, sandbox.tree, recorded=False))
    except FailedBuildError:
        return False
    return True
