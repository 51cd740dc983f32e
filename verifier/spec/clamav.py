"""The build table of the recipe `clamav-db`."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.spec import model

if TYPE_CHECKING:
    from verifier.spec.table import Table

_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")
_BUILDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def build(table: Table, packages: tuple[str, ...]) -> model.ClamavBuild:
    """The plan that `[build]` holds; UsageError names the key that is wrong."""
    shipped = table.optional("shipped", str)
    given = shipped is None
    packer = table.choice("packer", ("own", "sigtool"), "own")
    if packer == "sigtool" and not given:
        raise table.error("shipped", "needs the packer own: sigtool takes no fields from a file")
    if packer == "sigtool" and table.has("time"):
        raise table.error("time", "is the clock's where sigtool packs: set sandbox.clock")
    chosen = [name for name in ("version", "level", "builder", "time") if table.has(name)]
    if not given and chosen:
        raise table.error(chosen[0], "is read from build.shipped; give one of the two")
    database = _matching(table, "database", _DATABASE)
    suffix = ".cud" if shipped is None else Path(shipped).suffix
    plan = model.ClamavBuild(
        database=database,
        output=f"{database}{suffix}",
        directory=_inside(table, "directory", table.get("directory", str, ".")),
        packer=packer,
        shipped=None if shipped is None else Path(os.path.normpath(table.file.parent / shipped)),
        version=_natural(table, "version") if given else 0,
        level=_natural(table, "level") if given else 0,
        builder=_matching(table, "builder", _BUILDER) if given else "",
        time=_moment(table) if given and packer == "own" else None,
        signatures=_natural(table, "signatures", 0),
        stored=table.choice("container", ("cvd", "cld"), "cvd") == "cld",
        leave_out=table.strings("leave_out", ()),
        packages=packages,
    )
    if plan.stored and (packer == "sigtool" or not given):
        raise table.error("container", "is for the packer own, with fields that are given")
    return plan


def _moment(table: Table) -> dt.datetime:
    """A date-time with an offset from UTC, which the header's text shows."""
    value = table.raw("time")
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise table.error("time", "must be a date-time with its offset: 2024-02-29T12:00:00-05:00")
    return value


def _natural(table: Table, name: str, default: int | None = None) -> int:
    value = table.get(name, int, default)
    if not 0 <= value < 1 << 31:
        raise table.error(name, f"is {value}, which no header of a database can hold")
    return value


def _inside(table: Table, name: str, path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise table.error(name, f"is {path!r}, which leads out of the source")
    return path


def _matching(table: Table, name: str, pattern: re.Pattern[str]) -> str:
    value = table.get(name, str)
    if not pattern.fullmatch(value):
        raise table.error(name, f"is {value!r}, which does not match {pattern.pattern}")
    return value
