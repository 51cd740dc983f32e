"""What the recipes of build systems share: a tree, a list of commands, and an install directory."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.base import Outcome, set_clock
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.sandbox import Step
from verifier.spec import ToolBuild

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room, Sandbox

DESTINATION, OBJECTS = "out", "obj"
PREFIX = "/usr"


@dataclass(frozen=True, slots=True)
class Work:
    """One command of a build; `where` is relative to the tree."""

    name: str
    argv: tuple[str, ...]
    where: str = "."


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie inside the sandbox: the tree and the part of it that is built."""

    tree: str
    source: str
    home: str
    extra: str
    processors: int
    here: Path  # the same part of the tree on this machine, to look at before anything runs

    @property
    def destination(self) -> str:
        """What DESTDIR is."""
        return f"{self.tree}/{DESTINATION}"

    @property
    def objects(self) -> str:
        """Where build systems that build outside of the source do so."""
        return f"{self.tree}/{OBJECTS}"


class Tool(Command):
    """A recipe whose commands follow from the plan."""

    def lay(self, room: Room) -> None:
        """Copy the tree; where the recipe writes, the source may have nothing."""
        super().lay(room)
        plan = self.plan()
        here = room.tree / plan.directory
        if not here.is_dir():
            raise BuildError(f"The source has no directory {plan.directory}: build.directory.")
        for name in (DESTINATION, OBJECTS):
            if (room.tree / name).exists() or (room.tree / name).is_symlink():
                raise BuildError(
                    f"The source has {name!r} of its own, where this recipe writes; "
                    "use the recipe command."
                )
        self.prepare(room, here)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Run the commands in their order, each in a sandbox of its own."""
        plan, settings = self.plan(), sandbox.room.settings
        places = Places(
            tree=sandbox.tree,
            source=_joined(sandbox.tree, plan.directory),
            home=sandbox.home,
            extra=sandbox.sources,
            processors=settings.processors,
            here=sandbox.room.tree / plan.directory,
        )
        variables = {
            "PATH": plan.path,
            "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
            **self.variables(places),
            **dict(plan.environment),
        }
        variables, clock = set_clock(settings, variables)
        steps = []
        for work in self.commands(places):
            step = Step(work.name, work.argv, _joined(places.source, work.where), variables)
            steps.append(sandbox.run(step))
        return Outcome(tuple(steps), {**sandbox.variables(), **variables}, plan.outputs, clock)

    def plan(self) -> ToolBuild:
        """What the specification says."""
        plan = self.job.spec.build
        assert isinstance(plan, ToolBuild)
        return plan

    def prepare(self, room: Room, here: Path) -> None:
        """Lay what the commands need beside the source, or say what it lacks (BuildError)."""

    def variables(self, places: Places) -> dict[str, str]:
        """Variables of this recipe; the specification's own outrank them."""
        del places
        return {}

    @abc.abstractmethod
    def commands(self, places: Places) -> list[Work]:
        """What to run."""


def need(here: Path, *names: str, tool: str) -> None:
    """BuildError unless the source has one of these files."""
    if not any((here / name).is_file() for name in names):
        raise BuildError(
            f"The source has no {' or '.join(names)} in {here.name!r}, which {tool} needs; "
            "correct build.directory or build.recipe."
        )


def _joined(top: str, below: str) -> str:
    return top if below == "." else f"{top}/{below}"
