"""Database families, in the order in which they are asked; the first that accepts a file wins.

A family is a file or folder of this package with one `FAMILY`; adding one is
that file and one line here. Third-party families are found by the entry point
group `source_binary_verifier.sigdb`, whose entries name a `Family`; they are
asked before the built-in ones, and the report names them.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import UsageError, VerifierError
from verifier.sigdb import sniff
from verifier.sigdb.base import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier.content import Buffer
    from verifier.model import Database

GROUP = "source_binary_verifier.sigdb"
# What a module may well raise that is missing, broken, or made for another version.
_IMPORTING = (
    ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError, LookupError,
    OSError, RuntimeError, VerifierError,
)  # fmt: skip
_STREAMS = frozenset({"gz", "xz", "bz2", "zst"})


class Entry(NamedTuple):
    """A family that is loaded when the first such file turns up."""

    name: str
    accepts: Callable[[str, Buffer], bool]  # of `sniff`
    module: str  # of this package, with the Family as FAMILY


FAMILIES: tuple[Entry, ...] = (
    Entry("clamav", sniff.clamav, "clamav"),
    Entry("sigma", sniff.sigma, "sigma"),
    Entry("suricata", sniff.suricata, "suricata"),
    Entry("vdm", sniff.vdm, "vdm"),
    Entry("yara", sniff.yara, "yara_source"),
    Entry("yarc", sniff.yarc, "yarc"),
    Entry("yarx", sniff.yarx, "yarx"),
    # These claim nothing: a specification declares them.
    Entry("csv", sniff.nothing, "generic.csv"),
    Entry("json", sniff.nothing, "generic.json"),
    Entry("lmdb", sniff.nothing, "generic.lmdb"),
    Entry("msgpack", sniff.nothing, "generic.msgpack"),
    Entry("opaque", sniff.nothing, "opaque"),
    Entry("sqlite", sniff.nothing, "generic.sqlite"),
    Entry("tsv", sniff.nothing, "generic.tsv"),
)


@cache
def named(name: str) -> Family:
    """The family called `name`; UsageError if there is none."""
    for entry in FAMILIES:
        if entry.name == name:
            family: Family = import_module(f"verifier.sigdb.{entry.module}").FAMILY
            return family
    found = plugins().get(name)
    if found is None:
        known = ", ".join((*(entry.name for entry in FAMILIES), *plugins()))
        raise UsageError(f"There is no database family {name!r}; known are: {known}.")
    return found


@cache
def plugins() -> dict[str, Family]:
    """Families of other packages; UsageError for one that cannot be loaded."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs as much as all the rest

    found: dict[str, Family] = {}
    for entry in entry_points(group=GROUP):
        try:
            family = entry.load()
        except _IMPORTING as error:
            raise UsageError(
                f"The database family {entry.name} cannot be loaded: {error}."
            ) from error
        if not isinstance(family, Family):
            raise UsageError(f"The entry point {entry.name} of {GROUP} names no Family.")
        found[entry.name] = family
    return found


def family_of(name: str, data: Buffer) -> str:
    """The name of the family that a file belongs to, by its name and bytes; "" for none."""
    for plugin in plugins().values():
        if plugin.accepts(name, data):
            return plugin.name
    return next((entry.name for entry in FAMILIES if entry.accepts(name, data)), "")


def file_name(path: str) -> str:
    """The name that a loader goes by: the last part of a path, of a stream without its suffix."""
    name = path.rsplit("/", 1)[-1]
    if not name.endswith("!"):
        return name
    name = name.rstrip("!")
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and suffix in _STREAMS else name


def declared(databases: Sequence[Database], path: str) -> Database | None:
    """The first declaration whose glob matches a path of the report."""
    return next((item for item in databases if fnmatchcase(path, item.path)), None)


def family_at(databases: Sequence[Database], path: str, sides: Iterable[Buffer]) -> str:
    """The family of the file at `path`: as declared, or that of all its sides; "" for none."""
    known = declared(databases, path)
    if known is not None:
        return named(known.family).name
    name = file_name(path)
    found = {family_of(name, data) for data in sides}
    return found.pop() if len(found) == 1 else ""
