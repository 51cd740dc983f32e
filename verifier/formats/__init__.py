"""The formats, in the order in which they are asked; the first that accepts wins.

A format is a file or folder of this package with one `FORMAT`; adding one is
that file, what it is known by in `magic`, and one line here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from verifier.formats import magic

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.content import Buffer
    from verifier.formats.base import Format
    from verifier.model import Pair


class Entry(NamedTuple):
    """A format that is loaded when the first such file turns up."""

    name: str
    accepts: Callable[[Buffer], bool]
    place: str  # module of this package, and the name of its Format


FORMATS: tuple[Entry, ...] = (
    Entry("kmod", magic.kmod, "kmod:FORMAT"),
    Entry("elf", magic.elf, "elf:FORMAT"),
    Entry("pe", magic.pe, "pe:FORMAT"),
    Entry("deb", magic.deb, "deb:FORMAT"),
    Entry("ar", magic.ar, "ar:FORMAT"),
    Entry("xz", magic.xz, "xz:FORMAT"),
    Entry("gzip", magic.gzip, "gzip:FORMAT"),
    Entry("bzip2", magic.bzip2, "bzip2:FORMAT"),
    Entry("zstd", magic.zstd, "zstd:FORMAT"),
    Entry("zip", magic.zipped, "zip:FORMAT"),
    Entry("tar", magic.tar, "tar:FORMAT"),
    Entry("cvd", magic.cvd, "clamav.cvd:FORMAT"),
    Entry("clamav-tar", magic.clamav_tar, "clamav.archive:FORMAT"),
    Entry("cdiff", magic.cdiff, "clamav.cdiff:FORMAT"),
    Entry("clamsign", magic.clamsign, "clamav.sign:FORMAT"),
    Entry("pyc", magic.pyc, "pyc:FORMAT"),
    Entry("raw", magic.anything, "raw:FORMAT"),
)

# Members that only their container can tell apart, compared after all others
# because their values are derived from those.
ROLES: dict[str, Entry] = {
    "record": Entry("record", magic.nothing, "rows:RECORD"),
    "md5sums": Entry("md5sums", magic.nothing, "rows:MD5SUMS"),
    "clamav-info": Entry("clamav-info", magic.nothing, "clamav.info:FORMAT"),
}


def recognise(data: Buffer) -> str:
    """The name of the format of these bytes, decided by content alone; loads nothing."""
    return next(item.name for item in FORMATS if item.accepts(data))


def sniff(data: Buffer) -> Format:
    """The format of these bytes, decided by content alone."""
    return named(recognise(data))


@cache
def named(name: str) -> Format:
    """The format called `name`; KeyError if there is none."""
    places = {item.name: item.place for item in (*FORMATS, *ROLES.values())}
    module, _, attribute = places[name].partition(":")
    return cast("Format", getattr(import_module(f"verifier.formats.{module}"), attribute))


def all_formats() -> tuple[Format, ...]:
    """Every format, those of derived members and of databases included."""
    from verifier.formats import records  # noqa: PLC0415 - as below

    known = tuple(named(item.name) for item in (*FORMATS, *ROLES.values()))
    return (*known, records.of(records.RULES))


def of_role(role: str) -> Format | None:
    """The format of a member that its container gives a role; None for ordinary members."""
    if role.startswith("records:"):
        from verifier.formats import records  # noqa: PLC0415 - few runs meet databases

        return records.of(role.removeprefix(records.ROLE))
    return named(role) if role in ROLES else None


def of_member(pair: Pair, data: Buffer) -> Format:
    """The format of a file where it stands: by its role or its container, else by content.

    The payload of a ClamAV database is the archive that ClamAV's packer writes, or a
    malformed one: another kind of tar the loader may read otherwise than we.
    """
    if pair.ancestors[-1:] == ("cvd",):
        return named("clamav-tar")
    return of_role(pair.role) or sniff(data)


def role_in(pair: Pair, container: Format, member: str) -> str:
    """The role of `member` in a container at `pair`; empty for ordinary members."""
    if container.name not in {"tar", "zip", "clamav-tar"}:
        return ""
    from verifier.formats import roles  # noqa: PLC0415 - only archives give roles

    return roles.role(pair, container.name, member)
