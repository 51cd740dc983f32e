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
    "LLD": "Install that version of LLD (apt.llvm.org keeps old ones).",
    "clang": "Install that version of clang (apt.llvm.org keeps old ones).",
    "Rust library": "Install the Rust release of that commit: `rustup toolchain install VERSION`.",
}


def advice(tool: str, shipped: str) -> str:
    """The sentence; a general one for tools that nobody knows."""
    version = shipped.rsplit(", ", maxsplit=1)[-1]
    if tool in ("GCC", "tool") and (found := _DEBIAN.search(version)):
        name = found[0].removesuffix(" (Debian)")
        return _SNAPSHOT.format(source=f"gcc-{found[1]}", version=name)
    if tool == "GCC" and (found := _UBUNTU.search(version)):
        name = found[0].removesuffix(" (Ubuntu)")
        return _LAUNCHPAD.format(source=f"gcc-{found[1]}", version=name)
    if tool == "debhelper":
        return _SNAPSHOT.format(source="debhelper", version=version)
    if tool.startswith("package "):
        package = tool.removeprefix("package ")
        return f"build.packages takes {package}={shipped}, where the archive still has it."
    if tool == "Go":
        return f"Set GOTOOLCHAIN={version}, or fetch it from https://go.dev/dl/#{version}."
    if tool.startswith("Go setting "):
        return "Build with this setting as the vendor had it (see `go help build`)."
    if tool == "rustc":
        return f"rustup toolchain install {version.split(' ')[0]}"
    if tool == "wheel generator" and (found := _GENERATOR.match(shipped)):
        backend = _BACKENDS.get(found[1], found[1])
        return f"Pin the back-end in the build's environment: pip install {backend}=={found[2]}."
    if tool.startswith("flags of "):
        return "Build with the vendor's flags (CFLAGS, CXXFLAGS, LDFLAGS, build profiles)."
    return _FIXED.get(tool, "Install the version that the shipped file names.")
