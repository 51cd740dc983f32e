"""The build table: what each recipe reads of it. A new recipe is a function and a line here."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.spec import clamav, model, pypi, ruleset, tools, yara
from verifier.spec.locator import Locator
from verifier.spec.plans import SEARCH_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.spec.table import Table

Packages = tuple[str, ...]  # Debian packages that the specification adds to the root


def read(table: Table) -> model.BuildPlan:
    """The plan of the recipe that the table names; UsageError names the key that is wrong."""
    recipe = table.choice("recipe", tuple(BUILDS))
    packages = table.items("packages", functools.partial(_package, table), ())
    return BUILDS[recipe](table, packages)


def _package(table: Table, name: str, item: object) -> str:
    """NAME or NAME=VERSION, and nothing that apt could take for an option."""
    if not isinstance(item, str):
        raise table.error(name, f"must be a string, not {item!r}")
    try:
        Locator.parse(f"deb:{item}")
    except ValueError as error:
        raise table.error(name, f"is wrong: {error}") from None
    return item


def _command(table: Table, packages: Packages) -> model.BuildPlan:
    def step(name: str, item: Any) -> tuple[str, ...]:
        if isinstance(item, str) and item.strip():
            return ("/bin/sh", "-euc", item)
        if isinstance(item, list) and item and all(isinstance(word, str) for word in item):
            return tuple(item)
        raise table.error(name, f"must be a list of words or a shell string, not {item!r}")

    plan = model.CommandBuild(
        steps=table.items("steps", step),
        outputs=table.strings("outputs"),
        environment=table.variables("environment"),
        path=table.get("path", str, SEARCH_PATH),
        source_date_epoch=table.optional("source_date_epoch", int),
        packages=packages,
    )
    if not plan.steps or not plan.outputs:
        raise table.error("steps" if not plan.steps else "outputs", "must not be empty")
    for glob in plan.outputs:
        if Path(glob).is_absolute() or ".." in Path(glob).parts:
            raise table.error("outputs", f"has {glob!r}, which leads out of the build tree")
    return plan


def _debian(table: Table, packages: Packages) -> model.BuildPlan:
    tests, options = table.optional("tests", bool), table.strings("options", ())
    profiles = table.strings("profiles", ())
    if tests and "nocheck" in (*options, *profiles):
        raise table.error("tests", "is true, but options or profiles say nocheck")
    return model.DebianBuild(
        tests=tests,
        buildinfo=_beside(table, "buildinfo"),
        binary_only_changes=_beside(table, "binary_only_changes"),
        binaries=table.choice("binaries", ("both", "any", "all"), "both"),
        options=options,
        profiles=profiles,
        environment=table.variables("environment"),
        packages=packages,
    )


def _beside(table: Table, name: str) -> Path | None:
    """A path that is relative to the specification."""
    text = table.optional(name, str)
    return Path(os.path.normpath(table.file.parent / text)) if text else None


BUILDS: dict[str, Callable[[Table, Packages], model.BuildPlan]] = {
    "autotools": tools.build,
    "cargo": tools.build,
    "clamav-db": clamav.build,
    "cmake": tools.build,
    "command": _command,
    "debian": _debian,
    "go": tools.build,
    "meson": tools.build,
    "mingw": tools.build,
    "pypi": pypi.build,
    "ruleset": ruleset.build,
    "yara": yara.build,
}
