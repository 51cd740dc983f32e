"""configure and make, as the GNU Build System has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.tool import PREFIX, Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room
    from verifier.spec import ToolBuild


class Autotools(Tool):
    """One project with a configure script, built in its source."""

    def prepare(self, room: Room, here: Path) -> None:
        """Look for configure, or for what autoreconf makes it of."""
        del room
        need(here, "configure", "configure.ac", tool="autotools")

    def commands(self, places: Places) -> list[Work]:
        """The usual four, after autoreconf where the source has no configure."""
        return commands(self.plan(), places)


def commands(plan: ToolBuild, places: Places, *extra: str) -> list[Work]:
    """Configure with `extra` before the plan's own arguments."""
    work = []
    if not (places.here / "configure").is_file():
        work.append(Work("autoreconf", ("autoreconf", "--force", "--install")))
    configure = ("./configure", f"--prefix={PREFIX}", *extra, *plan.arguments)
    make = ("make", f"-j{places.processors}")
    work += [Work("configure", configure), Work("build", (*make, *plan.targets))]
    if plan.tests:
        work.append(Work("test", ("make", "check")))
    if plan.install:
        work.append(Work("install", ("make", "install", f"DESTDIR={places.destination}")))
    return work
