"""Meson: set up, compile, test if asked for, install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.tool import PREFIX, Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room
    from verifier.spec import ToolBuild


class Meson(Tool):
    """One Meson project, built outside of its source."""

    def prepare(self, room: Room, here: Path) -> None:
        """Look for the project's file."""
        del room
        need(here, "meson.build", tool="meson")

    def commands(self, places: Places) -> list[Work]:
        """The usual four."""
        return commands(self.plan(), places)


def commands(plan: ToolBuild, places: Places, *extra: str) -> list[Work]:
    """Set up with `extra` before the plan's own arguments; subprojects are never downloaded."""
    objects = places.objects
    setup = ("meson", "setup", objects, places.source, f"--prefix={PREFIX}")
    compiled = ("meson", "compile", "-C", objects, "-j", str(places.processors))
    work = [
        Work("set up", (*setup, "--wrap-mode=nodownload", *extra, *plan.arguments)),
        Work("compile", (*compiled, *plan.targets)),
    ]
    if plan.tests:
        work.append(Work("test", ("meson", "test", "-C", objects, "--print-errorlogs")))
    if plan.install:
        install = ("meson", "install", "-C", objects, "--no-rebuild")
        work.append(Work("install", (*install, "--destdir", places.destination)))
    return work
