"""The steps that the specification lists, in a copy of the source tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.base import Outcome, Recipe, set_clock
from verifier.rebuild.sandbox import Step
from verifier.source.copy import copy_tree
from verifier.spec import CommandBuild

if TYPE_CHECKING:
    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox


class Command(Recipe):
    """Any build that is a list of commands."""

    build_path = "/build/source"

    def root(self) -> Root | None:
        """The host's tools, or the base root with the packages that the specification adds."""
        return self.debian_root()

    def lay(self, room: Room) -> None:
        """Copy the tree, times included: make decides by them."""
        copy_tree(self.job.source, room.tree)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Run the listed steps in their order, each in a sandbox of its own."""
        plan = self.job.spec.build
        assert isinstance(plan, CommandBuild)
        variables = {"PATH": plan.path, **dict(plan.environment)}
        if plan.source_date_epoch is not None:
            variables["SOURCE_DATE_EPOCH"] = str(plan.source_date_epoch)
        variables, clock = set_clock(self.job.spec.sandbox, variables)
        steps = []
        for number, argv in enumerate(plan.steps, 1):
            said = argv[-1] if argv[0] == "/bin/sh" else " ".join(argv)
            name = f"step {number} ({' '.join(said.split())[:60]})"
            steps.append(sandbox.run(Step(name, argv, sandbox.tree, variables)))
        return Outcome(tuple(steps), {**sandbox.variables(), **variables}, plan.outputs, clock)
