"""The table `[build]` of the recipe "yara"."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.spec import model

if TYPE_CHECKING:
    from verifier.spec.table import Table

_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+){1,3}")
_NAMESPACE = re.compile(r"[^\s:/\\][^:/\\]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def build(table: Table, packages: tuple[str, ...]) -> model.YaraBuild:
    """Read the table; UsageError names a key that is missing or wrong."""
    engine = table.choice("engine", tuple(model.YARA_ENGINES), "yara")
    version = table.get("version", str)
    if not _VERSION.fullmatch(version):
        raise table.error("version", f"is {version!r}; it is a whole version such as 4.2.3")
    plan = model.YaraBuild(
        rules=table.items("rules", lambda name, item: _rules(table, name, item)),
        output=_inside(table, "output", table.get("output", str)),
        version=version,
        engine=engine,
        wheel=_wheel(table),
        externals=table.variables("externals"),
        packages=packages,
    )
    if not plan.rules:
        raise table.error("rules", "must not be empty")
    for name, _ in plan.externals:
        if not _VARIABLE.fullmatch(name):
            raise table.error("externals", f"has {name!r}, which is no name of a variable")
    if (plan.wheel is None) != (engine == "yara"):
        raise table.error("wheel", "is needed by yara-python and yara-x, and by them alone")
    return plan


def _rules(table: Table, name: str, item: object) -> tuple[str, str]:
    """(namespace, glob) of `GLOB` or `NAMESPACE:GLOB`, as yarac has it."""
    if not isinstance(item, str):
        raise table.error(name, f"must be a string, not {item!r}")
    namespace, colon, glob = item.rpartition(":")
    if colon and not _NAMESPACE.fullmatch(namespace):
        raise table.error(name, f"has the namespace {namespace!r}, which is none")
    return namespace or "default", _inside(table, name, glob)


def _inside(table: Table, name: str, path: str) -> str:
    """A path or glob inside the tree."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts or path.startswith("-"):
        raise table.error(name, f"is {path!r}; it is a path inside the source tree")
    return path


def _wheel(table: Table) -> tuple[Path, str] | None:
    """(file, SHA-256) of the engine's wheel."""
    if not table.has("wheel"):
        return None
    inner = table.child("wheel", required=True)
    path = Path(os.path.normpath(table.file.parent / inner.get("path", str)))
    digest = inner.sha256("sha256")
    inner.finish()
    return path, digest
