"""Build systems: how each is recognised, and what builds it. A new one is a function and a line.

Each gives the build as the recipe "command" has it, which needs no more than a shell; what has a
recipe of its own here is told in `text`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.init.look import Look

INSTALL = "out"  # where `make install` and its like put files
_MACHINE_PACKAGES = {"x86_64": "x86-64", "i686": "i686"}


class Plan(NamedTuple):
    """Steps of a build.

    `tools` must be there, or `packages` be added to a root. `where` is the folder below which
    the products lie, empty for the tree itself. `why` says what decided.
    """

    system: str
    why: str
    steps: tuple[str, ...]
    where: str
    tools: tuple[str, ...]
    packages: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()  # to what configures; in `steps` already


def plan(look: Look) -> Plan | None:
    """The plan of the first system that knows the tree; None if none does."""
    for system in SYSTEMS:
        found = system(look)
        if found is not None:
            return found
    return None


def _cross(look: Look) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Prefix of the compiler, tools and packages for what was shipped: mingw's for Windows."""
    machine = look.machine()
    if not machine:
        return "", ("cc",), ("build-essential",)
    prefix = f"{machine}-w64-mingw32-"
    package = _MACHINE_PACKAGES.get(machine, "x86-64")
    return prefix, (f"{prefix}gcc",), (f"gcc-mingw-w64-{package}", f"g++-mingw-w64-{package}")


def _cmake(look: Look) -> Plan | None:
    if not look.has("CMakeLists.txt"):
        return None
    prefix, tools, packages = _cross(look)
    shared = any(".so" in each.name or each.name.endswith(".dll") for each in look.shipped)
    arguments = ("-DBUILD_SHARED_LIBS=ON",) if shared else ()
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_PREFIX=/usr", *arguments]
    if prefix:
        options += [
            "-DCMAKE_SYSTEM_NAME=Windows",
            f"-DCMAKE_C_COMPILER={prefix}gcc",
            f"-DCMAKE_CXX_COMPILER={prefix}g++",
            f"-DCMAKE_RC_COMPILER={prefix}windres",
        ]
    steps = [f"cmake -S . -B build {' '.join(options)}", "cmake --build build --parallel"]
    where = "build"
    if re.search(r"^\s*install\s*\(", look.text("CMakeLists.txt"), re.MULTILINE | re.IGNORECASE):
        steps.append(f'DESTDIR="$PWD/{INSTALL}" cmake --install build')
        where = INSTALL
    return Plan(
        *("cmake", "CMakeLists.txt", tuple(steps), where),
        *(("cmake", "make", *tools), ("cmake", *packages)),
        arguments=arguments,
    )


def _meson(look: Look) -> Plan | None:
    if not look.has("meson.build") or look.machine():
        return None
    steps = (
        "meson setup build --prefix=/usr --buildtype=release --wrap-mode=nodownload",
        "meson compile -C build",
        f'DESTDIR="$PWD/{INSTALL}" meson install -C build --no-rebuild',
    )
    installs = re.search(
        r"install\s*:\s*true|install_headers|install_data", _all(look, "meson.build")
    )
    return Plan(
        *("meson", "meson.build", steps if installs else steps[:2]),
        INSTALL if installs else "build",
        ("meson", "ninja", "cc"),
        ("meson", "ninja-build", "pkg-config"),
    )


def _all(look: Look, name: str) -> str:
    return "".join(look.text(path) for path in look.files() if path.split("/")[-1] == name)


def _configured(look: Look) -> Plan | None:
    """A release archive that its authors made by `make dist`, whatever else lies in it."""
    return _autotools(look) if look.has("configure") else None


def _autotools(look: Look) -> Plan | None:
    if not look.has("configure", "configure.ac", "configure.in"):
        return None
    if look.machine() and look.has("CMakeLists.txt") and not look.has("configure"):
        return None  # where a project has both, Windows is what it has CMake for
    prefix, tools, packages = _cross(look)
    host = f" --host={prefix.rstrip('-')}" if prefix else ""
    steps = [f"./configure --prefix=/usr{host}", 'make -j"$(nproc)"']
    steps.append(f'make install DESTDIR="$PWD/{INSTALL}"')
    why = "configure"
    if not look.has("configure"):
        steps.insert(0, "autoreconf --force --install")
        tools, why = (*tools, "autoreconf"), "configure.ac"
        packages = (*packages, "autoconf", "automake", "libtool", "pkg-config", "gettext")
    return Plan("autotools", why, tuple(steps), INSTALL, ("make", *tools), packages)


def _cargo(look: Look) -> Plan | None:
    if not look.has("Cargo.toml"):
        return None
    steps = ("cargo build --release --locked --offline",)
    home = (("CARGO_HOME", "/tmp/cargo"),)  # noqa: S108 - in the sandbox
    return Plan(
        *("cargo", "Cargo.toml", steps, "target/release"),
        *(("cargo", "cc"), ("cargo", "build-essential"), home),
    )


def _go(look: Look) -> Plan | None:
    if not look.has("go.mod"):
        return None
    modules = "vendor" if look.has("vendor/modules.txt") else "readonly"
    environment = [("GOCACHE", "/tmp/go-build"), ("GOFLAGS", f"-mod={modules}"),  # noqa: S108
                   ("GOPATH", "/tmp/go"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local")]  # noqa: S108  # fmt: skip
    if look.machine():
        known = {"x86_64": "amd64", "i686": "386", "aarch64": "arm64"}
        environment += [("GOARCH", known[look.machine()]), ("GOOS", "windows")]
    steps = (f"mkdir {INSTALL} && go build -trimpath -buildvcs=false -o {INSTALL}/ ./...",)
    return Plan(
        *("go", "go.mod", steps, INSTALL, ("go",), ("golang-go",)),
        tuple(sorted(environment)),
    )


def _wheel(look: Look) -> Plan | None:
    if "wheel" not in look.kinds() or not look.has("pyproject.toml", "setup.py"):
        return None
    step = "python3 -m pip wheel --no-index --no-deps --no-build-isolation -w out ."
    packages = ["python3-pip", "python3-setuptools", "python3-wheel", "python3-dev"]
    said = look.text("pyproject.toml")
    for word, package in (
        ("hatchling", "python3-hatchling"),
        ("flit_core", "flit"),
        ("poetry", "python3-poetry-core"),
        ("setuptools_scm", "python3-setuptools-scm"),
        ("setuptools-scm", "python3-setuptools-scm"),
    ):
        if word in said and package not in packages:
            packages.append(package)
    why = "pyproject.toml" if look.has("pyproject.toml") else "setup.py"
    # The machine's own Python is an unknown mixture: always a root.
    return Plan("wheel", why, (step,), INSTALL, ("",), tuple(packages))


def _make(look: Look) -> Plan | None:
    name = next((n for n in ("GNUmakefile", "makefile", "Makefile") if look.has(n)), "")
    if not name:
        return None
    prefix, tools, packages = _cross(look)
    text = look.text(name)
    cross = f" CC={prefix}gcc CXX={prefix}g++ AR={prefix}ar WINDRES={prefix}windres"
    steps = ["make" + (cross if prefix else "")]
    where = ""
    # Install targets name the files of Unix, not those that end in .exe; and where DESTDIR has a
    # value of the Makefile's own, it is no root for all that is installed.
    installs = re.search(r"^install\s*:", text, re.MULTILINE) and re.search(
        r"[({]DESTDIR[)}]", text
    )
    own = re.search(r"^\s*DESTDIR\s*[:?]?=\s*\S", text, re.MULTILINE)
    if installs and not own and not prefix:
        steps.append(f'make install DESTDIR="$PWD/{INSTALL}"')
        where = INSTALL
    return Plan("make", name, tuple(steps), where, ("make", *tools), packages)


# Of two that both know a tree, the one that its authors' own releases are built with comes first.
SYSTEMS: tuple[Callable[[Look], Plan | None], ...] = (
    _wheel,
    _cargo,
    _go,
    _configured,
    _meson,
    _autotools,
    _cmake,
    _make,
)
