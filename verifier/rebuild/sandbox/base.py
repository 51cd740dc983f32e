"""What every sandbox is: paths as a step sees them, and `run`."""

from __future__ import annotations

import abc
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from verifier import limits, process
from verifier.rebuild.inputs import MARK
from verifier.rebuild.model import FailedBuildError, StepRecord
from verifier.rebuild.sandbox.cgroup import Group, open_group
from verifier.rebuild.sandbox.monitor import RECORD, Monitor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from verifier import spec
    from verifier.rebuild.inputs import Recorder
    from verifier.rebuild.inputs.view import View
    from verifier.rebuild.log import Log
    from verifier.rebuild.root import Root


@dataclass(frozen=True, slots=True)
class Room:
    """What one build owns on this machine, whatever the sandbox.

    `tree` and `home` are writable by the build, `sources` is not; `build_path` is where the
    tree should appear. `root` None means the host's tools. `uid` is the real user outside.
    `recorder` takes down what the steps read, if that is wanted.
    """

    settings: spec.Sandbox
    root: Root | None
    work: Path
    tree: Path
    home: Path
    sources: Path
    build_path: str
    uid: int
    log: Log
    recorder: Recorder | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One command; `directory` is a path as the sandbox shows it.

    `recorded` False is for what the verifier itself asks, which is no part of the build.
    `held` steps meet the settings' `conditions`; a step that unpacks does not, since a clock that
    is held would make some unpacked files older than others.
    """

    name: str
    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = True
    held: bool = True


class Sandbox(abc.ABC):
    """A kind of place where steps run. `tree`, `home` and `sources` are paths inside it."""

    kind: str
    tree: str
    home: str
    sources: str
    # What the sandbox's own programs use beside the build, in the same group.
    own_processes = 4
    own_memory = 0
    # The name of the shell that starts a step, by which a recording knows where the build begins.
    mark = MARK

    def __init__(self, room: Room) -> None:
        self.room = room

    @abc.abstractmethod
    def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
        """The host's command line that runs the step; descriptors it needs are added to `fds`."""

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """Every setting that held, for the report."""

    def view(self) -> View | None:
        """Where paths inside lie on this machine; None where inputs cannot be recorded."""
        return None

    def audited(self, directory: str) -> None:
        """Tell the recorder that the steps so far unpacked audited source into `directory`."""
        if self.room.recorder is not None:
            host = self.room.tree / directory[len(self.tree) :].strip("/")
            self.room.recorder.audited(directory, host)

    def laid(self, own: frozenset[str]) -> None:
        """Tell the recorder that the verifier laid files of these names among the sources."""
        if self.room.recorder is not None:
            self.room.recorder.laid_more(self.sources, self.room.sources, own)

    def variables(self) -> dict[str, str]:
        """The environment that every step has."""
        settings = self.room.settings
        return {
            "PATH": process.BASE_ENVIRONMENT["PATH"],
            "HOME": self.home,
            "USER": settings.user,
            "LOGNAME": settings.user,
            "LC_ALL": settings.locale,
            "LANG": settings.locale,
            "TZ": settings.timezone,
            # A lone mapped user cannot chown; fakeroot must not even try.
            "FAKEROOTDONTTRYCHOWN": "1",
        }

    def run(self, step: Step) -> StepRecord:
        """Run one step to its end.

        Raises:
            FailedBuildError: it failed, or a limit stopped it; the message says which.
            ToolError: a program of the sandbox itself is missing.
        """
        room, caps = self.room, self.room.settings.limits
        step = self._held(step)
        room.log.begin(step.name)
        start = room.log.size
        fds: list[int] = []
        bounds = replace(
            caps,
            processes=caps.processes + self.own_processes,
            memory=caps.memory + self.own_memory,
        )
        with open_group(bounds) as group:
            recorder = room.recorder if step.recorded else None
            monitor = Monitor(bounds, group, (room.tree, room.home), recorder)
            try:
                argv = self.launch(step, group, fds)
                done = process.stream(
                    argv if recorder is None else recorder.around(argv),
                    sink=room.log.write,
                    seconds=caps.seconds,
                    output=max(0, caps.output - start),
                    check=monitor.check,
                    environment=self.launch_environment(step),
                    pass_fds=fds,
                )
            finally:
                for descriptor in fds:
                    os.close(descriptor)
            stopped = done.stopped
            if stopped is None and done.status != 0:
                stopped = monitor.check_last(room.log.since(start))
        if stopped is not None or done.status != 0:
            sentence = _sentence(step, stopped, done.status, caps, room.log.since(start))
            raise FailedBuildError(sentence, room.log.tail(), room.log.path)
        if recorder is not None:
            recorder.finished(step.name, step.directory)
        return StepRecord(step.name, step.argv, round(done.seconds, 3), done.status)

    def _held(self, step: Step) -> Step:
        """The step under the settings' conditions; the step's own variables win."""
        conditions = self.room.settings.conditions
        if not step.held:
            return step
        extra = {
            name: value.replace("{sources}", self.sources) for name, value in conditions.environment
        }
        return replace(
            step, argv=(*conditions.wrap, *step.argv), environment={**extra, **step.environment}
        )

    def launch_environment(self, step: Step) -> dict[str, str]:
        """The environment of the launched command itself; sandboxes set the step's inside."""
        del step
        return {}


_SIGNALS = 64  # shells add a signal's number to 128; 255 is some programs' own failure


def _sentence(step: Step, stopped: str | None, status: int, caps: spec.Limits, said: str) -> str:
    head = f"The build step {step.name!r}"
    known = {
        "seconds": f"was stopped at its time limit of {caps.seconds:g} s",
        "memory": f"was stopped at its memory limit of {caps.memory} bytes",
        "processes": f"was stopped at its limit of {caps.processes} processes",
        "disk": f"was stopped at its disk limit of {caps.disk} bytes",
        "output": f"was stopped when the log passed its limit of {caps.output} bytes",
    }
    if stopped == RECORD:
        return (
            f"{head} was stopped when the record of its inputs passed {limits.RECORD_BYTES} bytes; "
            "build without it (inputs.record = false) if that is its need."
        )
    if stopped is not None:
        return f"{head} {known[stopped]}; raise sandbox.limits.{stopped} if that is its need."
    if said.startswith("bwrap: "):
        return (
            f"{head} could not enter its sandbox: {said.splitlines()[0]}; unprivileged user "
            "namespaces must be allowed (on Ubuntu, by an AppArmor profile for bwrap)."
        )
    if said.startswith("strace: "):
        return (
            f"{head} could not be recorded: {said.splitlines()[0]}; ptrace must be allowed "
            "(kernel.yama.ptrace_scope below 3), or inputs.record = false be set."
        )
    if status < 0 or 128 < status <= 128 + _SIGNALS:
        return f"{head} was killed by signal {-status if status < 0 else status - 128}."
    return f"{head} failed with exit status {status}."
