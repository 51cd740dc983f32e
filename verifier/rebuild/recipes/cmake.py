"""CMake: configure, build, test if asked for, install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.tool import PREFIX, Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room
    from verifier.spec import ToolBuild


class CMake(Tool):
    """One CMake project, built outside of its source."""

    def prepare(self, room: Room, here: Path) -> None:
        """Look for the project's file."""
        del room
        need(here, "CMakeLists.txt", tool="cmake")

    def commands(self, places: Places) -> list[Work]:
        """The usual four."""
        return commands(self.plan(), places)


def commands(plan: ToolBuild, places: Places, *extra: str) -> list[Work]:
    """Configure with `extra` before the plan's own arguments, which thereby outrank it."""
    objects = places.objects
    configure = [
        *("cmake", "-S", places.source, "-B", objects),
        f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        # Else a project fetches at configuration time, and fails late, by a time-out.
        "-DFETCHCONTENT_FULLY_DISCONNECTED=ON",
    ]
    if not any(each.startswith("-DCMAKE_BUILD_TYPE") for each in plan.arguments):
        configure.append("-DCMAKE_BUILD_TYPE=Release")
    build = ["cmake", "--build", objects, "--parallel", str(places.processors)]
    if plan.targets:
        build += ["--target", *plan.targets]
    work = [
        Work("configure", (*configure, *extra, *plan.arguments)),
        Work("build", tuple(build)),
    ]
    if plan.tests:
        work.append(Work("test", ("ctest", "--test-dir", objects, "--output-on-failure")))
    if plan.install:
        install = ("cmake", "--install", objects)
        work.append(Work("install", ("env", f"DESTDIR={places.destination}", *install)))
    return work
