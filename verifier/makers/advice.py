"""How to get the version of a tool that a shipped file names, one sentence a tool."""

from __future__ import annotations

import re
from typing import Final

_SNAPSHOT: Final = (
    "snapshot.debian.org keeps it: find a day on which it was current at "
    "https://snapshot.debian.org/package/{source}/{version}/ and set [debian] mirror to "
    "https://snapshot.debian.org/archive/debian/YYYYMMDDTHHMMSSZ."
)
_LAUNCHPAD: Final = "Launchpad keeps it: https://launchpad.net/ubuntu/+source/{source}/{version}."
_DEBIAN: Final = re.compile(r"(\d+)\.\d[\w.~+-]*-[\w.~+]+ \(Debian\)")
_UBUNTU: Final = re.compile(r"(\d+)\.\d[\w.~+-]*-[\w.~+]+ \(Ubuntu\)")
_GENERATOR: Final = re.compile(r"(\S+) \(?v?([\w.+!-]+)\)?")
_BACKENDS: Final = {"bdist_wheel": "wheel", "flit": "flit_core"}
_FIXED: Final = {
    "linker": "Use the linker of that version: binutils for 2.x, Build Tools of Visual Studio for "
    "14.x.",
    "Rich header": "Install the Build Tools of Visual Studio whose compilers have these builds.",
    "Visual Studio build": "Install the Build Tools of Visual Studio with that build.",
    "/Brepro": "Link with the vendor's choice of /Brepro.",
    "C library": "Build in a root of a release that had such a glibc: set [debian] suite, or "
    "mirror to a day of snapshot.debian.org (glibc 2.34 came to Debian in August 2022).",
    "LLD": "Install that version of LLD (apt.llvm.org keeps old ones).",
    "clang": "Install that version of clang (apt.llvm.org keeps old ones).",
    "Rust library": "Install the Rust release of that commit: `rustup toolchain install VERSION`.",
}


_PREFIXES: Final = {
    "Go setting ": "Build with this setting as the vendor had it (see `go help build`).",
    "flags of ": "Build with the vendor's flags (CFLAGS, CXXFLAGS, LDFLAGS, build profiles).",
}


def advice(tool: str, shipped: str) -> str:
    """The sentence; a general one for tools that nobody knows."""
    version = shipped.rsplit(", ", maxsplit=1)[-1]
    fixed = next((how for head, how in _PREFIXES.items() if tool.startswith(head)), None)
    how = _compiler(tool, version) or _exact(tool, version) or fixed
    return how or _FIXED.get(tool, "Install the version that the shipped file names.")


def _compiler(tool: str, version: str) -> str:
    """Where distributions keep a revision of GCC."""
    if tool == "GCC" and (found := _DEBIAN.search(version)):
        name = found[0].removesuffix(" (Debian)")
        return _SNAPSHOT.format(source=f"gcc-{found[1]}", version=name)
    if tool == "GCC" and (found := _UBUNTU.search(version)):
        name = found[0].removesuffix(" (Ubuntu)")
        return _LAUNCHPAD.format(source=f"gcc-{found[1]}", version=name)
    return ""


def _exact(tool: str, version: str) -> str:
    """A command or setting that takes the version itself."""
    backend = _GENERATOR.match(version) if tool == "wheel generator" else None
    if backend is not None:
        name = _BACKENDS.get(backend[1], backend[1])
        return f"Pin the back-end in the build's environment: pip install {name}=={backend[2]}."
    package = tool.removeprefix("package ")
    if package != tool:
        return f"build.packages takes {package}={version}, where the archive still has it."
    return {
        "debhelper": _SNAPSHOT.format(source="debhelper", version=version),
        "Go": f"Set GOTOOLCHAIN={version}, or fetch it from https://go.dev/dl/#{version}.",
        "rustc": f"rustup toolchain install {version.partition(' ')[0]}",
    }.get(tool, "")
