"""The options of the recipe `ruleset`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from verifier.spec import model

if TYPE_CHECKING:
    from verifier.spec.table import Table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.(tar|tar\.gz|tgz|zip)")
_FIRST_OF_ZIP = 315_532_800  # 1980-01-01: DOS times begin there
_LAST_OF_ZIP = 4_354_819_198


def build(table: Table, packages: tuple[str, ...]) -> model.RulesetBuild:
    """The plan that `[build]` holds.

    Raises:
        UsageError: a name without a known ending, a path that leads out of the tree, a time
            that a zip cannot hold.
    """
    plain = model.RulesetBuild(archive="")
    plan = model.RulesetBuild(
        archive=table.get("archive", str),
        include=table.strings("include", plain.include),
        exclude=table.strings("exclude", plain.exclude),
        folder=table.get("folder", str, plain.folder).strip("/"),
        directories=table.get("directories", bool, plain.directories),
        level=table.get("level", int, plain.level),
        source_date_epoch=table.get("source_date_epoch", int, plain.source_date_epoch),
        packages=packages,
    )
    if not _NAME.fullmatch(plan.archive):
        raise table.error("archive", f"is {plan.archive!r}; it is a name in .tar.gz, .tar or .zip")
    for name, globs in (("include", plan.include), ("exclude", plan.exclude)):
        for glob in (*globs, plan.folder):
            path = PurePosixPath(glob)
            if path.is_absolute() or ".." in path.parts or glob.startswith("-"):
                raise table.error(name, f"has {glob!r}, which leads out of the tree")
    if not 1 <= plan.level <= 9:
        raise table.error("level", "must be from 1 to 9")
    if not _FIRST_OF_ZIP <= plan.source_date_epoch <= _LAST_OF_ZIP:
        raise table.error("source_date_epoch", "must be from 1980 to 2107, which a zip can hold")
    return plan
