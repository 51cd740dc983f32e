"""Build systems that have a recipe of their own here, as that recipe's keys say it."""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, NamedTuple

from verifier.init.systems import INSTALL
from verifier.rebuild.recipes import RECIPES

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.init.look import Look
    from verifier.init.systems import Plan

_HOSTS = ("x86_64", "i686")
_OBJECTS = "obj"  # where the recipes build what has no install


class Own(NamedTuple):
    """Lines of `[build]`, the folder pattern before each product's name, and variables."""

    lines: tuple[str, ...]
    before: str
    environment: tuple[tuple[str, str], ...] = ()
    machine: bool = True  # whether the tools of `Plan.tools` are this machine's to have


def own(made: Plan, found: Look) -> Own | None:
    """What the recipe of a build system is told; None where it has none here."""
    machine = found.machine()
    if made.system == "go":
        return _go(found) if "go" in RECIPES else None
    if machine in _HOSTS and "mingw" in RECIPES:
        return _mingw(made, found, machine)
    if machine or made.system not in RECIPES:
        return _wheel() if made.system == "wheel" and "pypi" in RECIPES else None
    lines: tuple[str, ...] = (
        f"recipe = {json.dumps(made.system)}                   # because of {made.why}",
    )
    if made.arguments:
        lines = (*lines, f"arguments = {json.dumps(made.arguments)}")
    if made.system == "cargo":
        outputs = [f"target/release/{each.name}" for each in found.shipped]
        return Own((*lines, f"outputs = {json.dumps(outputs)}"), "target/release/")
    if made.where == INSTALL:
        return Own(lines, f"{INSTALL}/**/")
    return Own((*lines, *_without_install(found, f"{_OBJECTS}/**/")), f"{_OBJECTS}/**/")


def _without_install(found: Look, before: str) -> tuple[str, str]:
    outputs = json.dumps([f"{before}{each.name}" for each in found.shipped], ensure_ascii=False)
    return "install = false", f"outputs = {outputs}"


def _mingw(made: Plan, found: Look, machine: str) -> Own | None:
    if made.system not in ("make", "cmake", "autotools"):
        return None
    lines = (
        f'recipe = "mingw"                     # because of {made.why}, and a program for Windows',
        f'system = "{made.system}"',
        f'host = "{machine}-w64-mingw32"',
        *((f"arguments = {json.dumps(made.arguments)}",) if made.arguments else ()),
    )
    if made.where == INSTALL:
        return Own(lines, f"{INSTALL}/**/")
    before = "**/" if made.system == "make" else f"{_OBJECTS}/**/"
    return Own((*lines, *_without_install(found, before)), before)


def _wheel() -> Own:
    return Own(('recipe = "pypi"                      # a wheel was shipped',), "dist/", (), False)


def _go(found: Look) -> Own:
    """Go writes into a program how it was built: what can be read there is asked for again."""
    shipped = [each.path for each in found.shipped]
    trimmed = any(_holds(path, b"-trimpath=true") for path in shipped)
    variables = {}
    if any(_holds(path, b"build\tCGO_ENABLED=0") for path in shipped):
        variables["CGO_ENABLED"] = "0"
    if found.machine():
        known = {"x86_64": "amd64", "i686": "386", "aarch64": "arm64"}
        variables |= {"GOOS": "windows", "GOARCH": known[found.machine()]}
    lines = (
        'recipe = "go"                        # because of go.mod',
        f"trimpath = {'true' if trimmed else 'false'}                     # as in the shipped file",
    )
    return Own(lines, f"{INSTALL}/", tuple(sorted(variables.items())))


def _holds(path: Path, text: bytes) -> bool:
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            return view.find(text) >= 0
    except (OSError, ValueError):
        return False
