"""Programs for Windows, built here by MinGW's compilers through make, CMake, Meson or autotools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes import autotools, cmake, meson
from verifier.rebuild.recipes.tool import Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room
    from verifier.spec import ToolBuild

_FILES = {
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "cmake": ("CMakeLists.txt",),
    "meson": ("meson.build",),
    "autotools": ("configure", "configure.ac"),
}
_TOOLS = {
    "CC": "gcc", "CXX": "g++", "LD": "ld", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip",
    "WINDRES": "windres", "DLLTOOL": "dlltool", "OBJCOPY": "objcopy",
}  # fmt: skip
_TOOLCHAIN = """set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR {machine})
set(CMAKE_C_COMPILER {host}-gcc)
set(CMAKE_CXX_COMPILER {host}-g++)
set(CMAKE_RC_COMPILER {host}-windres)
set(CMAKE_FIND_ROOT_PATH /usr/{host})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"""
_CROSS = """[binaries]
c = '{host}-gcc'
cpp = '{host}-g++'
ar = '{host}-ar'
strip = '{host}-strip'
windres = '{host}-windres'
dlltool = '{host}-dlltool'
[host_machine]
system = 'windows'
cpu_family = '{family}'
cpu = '{machine}'
endian = 'little'
"""


class Mingw(Tool):
    """One project, built for `build.host` by `build.system`."""

    own = frozenset({"toolchain.cmake", "cross.ini"})

    def prepare(self, room: Room, here: Path) -> None:
        """Lay the toolchain's description for CMake and Meson."""
        plan = self.plan()
        need(here, *_FILES[plan.system], tool=plan.system)
        machine = plan.host.split("-")[0]
        told = {"host": plan.host, "machine": machine, "family": machine.replace("i686", "x86")}
        for name, text in (("toolchain.cmake", _TOOLCHAIN), ("cross.ini", _CROSS)):
            (room.sources / name).write_text(text.format(**told))
            (room.sources / name).chmod(0o644)

    def variables(self, places: Places) -> dict[str, str]:
        """The linker writes its clock into every image unless it is told not to."""
        del places
        return {} if self.plan().timestamps else {"LDFLAGS": "-Wl,--no-insert-timestamp"}

    def commands(self, places: Places) -> list[Work]:
        """Those of the build system, told which compiler."""
        plan = self.plan()
        match plan.system:
            case "cmake":
                toolchain = f"-DCMAKE_TOOLCHAIN_FILE={places.extra}/toolchain.cmake"
                return cmake.commands(plan, places, toolchain)
            case "meson":
                return meson.commands(plan, places, f"--cross-file={places.extra}/cross.ini")
            case "autotools":
                return autotools.commands(plan, places, f"--host={plan.host}")
        return _make(plan, places)


def _make(plan: ToolBuild, places: Places) -> list[Work]:
    tools = [f"{name}={plan.host}-{tool}" for name, tool in _TOOLS.items()]
    make = ("make", f"-j{places.processors}", *tools, *plan.arguments)
    work = [Work("build", (*make, *plan.targets))]
    if plan.install:
        work.append(Work("install", (*make, "install", f"DESTDIR={places.destination}")))
    return work
