"""The table `[build]` of cmake, meson, autotools, cargo, go and mingw."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from verifier.spec import plans

if TYPE_CHECKING:
    from verifier.spec.table import Table

INSTALLED = ("out/**/*",)
SYSTEMS = ("make", "cmake", "meson", "autotools")
HOSTS = ("x86_64-w64-mingw32", "i686-w64-mingw32")


def build(table: Table, packages: tuple[str, ...]) -> plans.ToolBuild:
    """Read the table; UsageError names a key that is wrong or that this recipe does not have."""
    recipe = table.get("recipe", str)
    cross = recipe == "mingw"
    plain = plans.ToolBuild(recipe, ())
    system = table.choice("system", SYSTEMS, plain.system) if cross else recipe
    installs = system not in ("cargo", "go")
    install = table.get("install", bool, system != "make") if installs else False
    default = INSTALLED if install else None
    plan = plans.ToolBuild(
        recipe=recipe,
        outputs=table.strings("outputs", ("out/*",) if recipe == "go" else default),
        directory=_inside(table, "directory", table.get("directory", str, plain.directory)),
        arguments=table.strings("arguments", ()),
        targets=table.strings("targets", ()) if recipe != "cargo" else (),
        install=install,
        tests=table.get("tests", bool, plain.tests) if not cross else False,
        trimpath=table.get("trimpath", bool, plain.trimpath) if recipe == "go" else False,
        timestamps=table.get("timestamps", bool, plain.timestamps) if cross else False,
        system=system,
        host=table.choice("host", HOSTS, plain.host) if cross else "",
        environment=table.variables("environment"),
        path=table.get("path", str, plain.path),
        source_date_epoch=table.get("source_date_epoch", int, plain.source_date_epoch),
        packages=packages,
    )
    if not plan.outputs:
        raise table.error("outputs", "must not be empty")
    for glob in plan.outputs:
        _inside(table, "outputs", glob)
    for target in plan.targets:
        if target.startswith("-"):
            raise table.error("targets", f"has {target!r}; options belong into arguments")
    return plan


def _inside(table: Table, name: str, path: str) -> str:
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts or path.startswith("-"):
        raise table.error(name, f"has {path!r}, which leads out of the tree")
    return path
