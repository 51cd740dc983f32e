"""The recording of one build: around each step, after each step, and at the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import VerifierError
from verifier.rebuild.inputs import laid, strace
from verifier.rebuild.inputs.names import Audited, Made, Names
from verifier.rebuild.inputs.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Sandbox

METHOD = "strace around the sandbox, every process followed"


class Recorder:
    """Owned by one build. `logs` is a directory that the sandbox does not show."""

    def __init__(self, logs: Path, pins: laid.Pins) -> None:
        self.logs = logs
        self.pins = pins
        self.steps: list[str] = []
        self.laid = laid.Laid({}, {})
        self.problems: list[str] = []
        self._replay: Replay | None = None
        self._number = 0

    @property
    def replay(self) -> Replay:
        """What was seen so far; there from `begin` on."""
        assert self._replay is not None
        return self._replay

    def begin(self, sandbox: Sandbox) -> None:
        """Enter what was laid for the build, before its first step."""
        view = sandbox.view()
        if view is None:
            return
        names = Names(view)
        self._replay = Replay(names)
        for top in view.known:
            names.put(top, {})
        room = sandbox.room
        self._lay(sandbox.tree, room.tree, self.pins)
        self._lay(sandbox.sources, room.sources, self.pins.beside())

    def audited(self, inside: str, host: Path) -> None:
        """Take what lies below `inside` now for audited source: steps unpacked it from archives.

        What the audit saw are the archives; the steps so far, and what they read, are recorded.
        """
        if self._replay is None:
            return
        self._lay(inside, host, None)

    def laid_more(self, inside: str, host: Path, own: frozenset[str]) -> None:
        """Enter what the verifier laid below `inside` between two steps, under these names."""
        self.pins = self.pins._replace(own=self.pins.own | own)
        if self._replay is not None:
            self._lay(inside, host, self.pins.beside())

    def _lay(self, inside: str, host: Path, pins: laid.Pins | None) -> None:
        try:
            laid.lay(self.replay.names, inside, host, pins, self.laid)
        except OSError as error:
            self.problems.append(f"What lies below {inside} cannot be read: {error.strerror}.")

    def around(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line of a step with its recorder."""
        if self._replay is None:
            return tuple(argv)
        self._number += 1
        self._logs().mkdir(mode=0o700, parents=True)
        return strace.around(argv, self._logs())

    def over(self) -> bool:
        """Whether the running step's logs are larger than what will be read."""
        if self._replay is None:
            return False
        with os.scandir(self._logs()) as listing:
            return sum(entry.stat().st_size for entry in listing) > limits.RECORD_BYTES

    def finished(self, step: str, directory: str) -> None:
        """Read the logs of the step that has just ended."""
        if self._replay is None:
            return
        self.steps.append(step)
        try:
            log = strace.lines(self._logs())
        except (OSError, VerifierError) as error:
            self.problems.append(f"The recording of the step {step} cannot be read: {error}")
            return
        self.replay.step(step, directory, log)

    def _logs(self) -> Path:
        return self.logs / str(self._number)

    def altered(self, host: Path, inside: str) -> list[tuple[str, Audited, Made | None]]:
        """Audited files below `host` whose bytes are others now, and who wrote them, if seen."""
        found = []
        for path, entry in self.laid.files.items():
            if not path.startswith(f"{inside}/") or not isinstance(entry, Audited):
                continue
            try:
                sha256, _, _ = laid.digests(host / path[len(inside) + 1 :])
            except PermissionError:
                sha256 = ""  # shut by the build: nobody can tell
            except OSError:
                continue  # removed, or replaced by a link or directory: nobody can read it any more
            if sha256 != entry.sha256:
                node = self.replay.names.get(path)
                found.append((path, entry, node if isinstance(node, Made) else None))
        return found

    def unseen(self, host: Path, inside: str) -> list[str]:
        """Files below `host` that no recorded call made, and that were not laid; OSError."""
        names = self.replay.names
        return sorted(name for name in laid.names(host) if names.get(f"{inside}/{name}") is None)
