"""No sandbox at all, on explicit request: the steps see this machine, and the report says so."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.rebuild.inputs.view import View
from verifier.rebuild.sandbox.base import Room, Sandbox, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.rebuild.sandbox.cgroup import Group


class Host(Sandbox):
    """Runs steps as this user, with network, on this file system; only the limits hold."""

    kind = "host"

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        places = (room.tree, room.home, room.sources)
        self.tree, self.home, self.sources = (str(path.resolve()) for path in places)

    def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
        """Only take the limits, then run."""
        del fds
        enter = f'umask {self.room.settings.umask:04o}; cd -- "$1"; shift; exec "$@"'
        fsize = f"--fsize={self.room.settings.limits.disk * 2}"
        argv = ("sh", "-ec", enter, self.mark, step.directory, *step.argv)
        return group.join(("prlimit", "--core=0", fsize, *argv))

    def view(self) -> View:
        """This machine as it is; of the build's own places alone all is known."""
        return View((), (self.tree, self.home, self.sources), (), Path("/"))

    def launch_environment(self, step: Step) -> dict[str, str]:
        """The step's own environment: nothing lies between."""
        return {**self.variables(), **step.environment}

    def describe(self) -> dict[str, Any]:
        """Says plainly that nothing was isolated."""
        settings = self.room.settings
        return {
            "kind": self.kind,
            "isolation": "none: the build saw this machine, its network and its files",
            "build_path": self.tree,
            "umask": f"{settings.umask:04o}",
            "locale": settings.locale,
            "timezone": settings.timezone,
            "processors": settings.processors,
            "limits": asdict(settings.limits),
        }
