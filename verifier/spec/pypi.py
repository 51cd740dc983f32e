"""The table `[build]` of the recipe "pypi", and the file of an index as a source."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from verifier.spec import model, plans
from verifier.spec.locator import Locator

if TYPE_CHECKING:
    from verifier.spec.table import Table

_PYTHON = re.compile(r"3\.[0-9]{1,2}")
# One requirement that pip cannot take for an option, a path or an address.
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])?[^/@#\n]*")
_SDIST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*-[0-9][A-Za-z0-9.!+_]*\.(tar\.gz|tgz|zip)")


def build(table: Table, packages: tuple[str, ...]) -> plans.PypiBuild:
    """Read the table; UsageError names a key that is wrong."""
    python = table.optional("python", str)
    if python is not None and not _PYTHON.fullmatch(python):
        raise table.error("python", f"is {python!r}; it is a version such as 3.11")
    return plans.PypiBuild(
        shipped=_shipped(table),
        requirements=table.items("requirements", lambda name, item: _one(table, name, item), ()),
        before=_moment(table),
        python=python,
        environment=table.variables("environment"),
        source_date_epoch=table.optional("source_date_epoch", int),
        packages=packages,
    )


def source(table: Table) -> model.PypiSource:
    """An sdist of the index, by its file's name and SHA-256."""
    file = table.get("file", str)
    if not _SDIST.fullmatch(file):
        raise table.error("file", f"is {file!r}; it is an sdist's name such as six-1.17.0.tar.gz")
    return model.PypiSource(file, table.sha256("sha256"))


def _shipped(table: Table) -> Locator | None:
    if not table.has("shipped"):
        return None
    try:
        locator = Locator.parse(table.get("shipped", str)).below(table.file.parent)
    except ValueError as error:
        raise table.error("shipped", f"is wrong: {error}") from None
    if locator.package or locator.member:
        raise table.error("shipped", "is a wheel: a path, or pypi:NAME-VERSION-….whl")
    return locator


def _one(table: Table, name: str, item: object) -> str:
    if not isinstance(item, str) or not _REQUIREMENT.fullmatch(item):
        raise table.error(name, f"is {item!r}; it is a requirement such as setuptools==75.6.0")
    return item


def _moment(table: Table) -> str | None:
    """ISO 8601 with an offset; a day is its first moment in UTC."""
    value = table.raw("before")
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise table.error("before", f"is {value!r}, which is no date") from None
    if type(value) is dt.date:
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if not isinstance(value, dt.datetime):
        raise table.error("before", f"must be a date, not {value!r}")
    return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
