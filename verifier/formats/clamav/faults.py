"""What ClamAV's loader lets pass in a database, and an auditor must know (cvd.c, readdb.c).

The loader checks that each member stands in the `.info`, but not that each
member of the `.info` is there; it takes any number of members of one name, and
passes over members whose name is not that of a database.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.formats.base import text
from verifier.formats.clamav.payload import is_listing
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.clamav.archive import Entry

# CLI_DBEXT of libclamav/readdb.h; databases within databases are none of it.
DATABASES = frozenset(
    b"db hdb hdu fp mdb mdu hsb hsu sfp msb msu ndb ndu ldb ldu sdb zmd rmd pdb gdb wdb cbc ftm "
    b"cfg cdb cat crb idb ioc yar yara pwdb ign ign2 imp".split()
)
# What `sigtool --build` packs (dblist of sigtool/sigtool.c, and *.cbc).
PACKED = DATABASES - frozenset(b"cat ioc yar yara pwdb".split())
_NESTED = (b".cvd", b".cld", b".cud")
_ROW = re.compile(rb"([^:\n]+):[0-9]+:[0-9a-fA-F]{64}\Z")


def is_database(name: bytes) -> bool:
    """Whether the loader reads a member of this name."""
    return name.lower().rpartition(b".")[2] in DATABASES and b"." in name


def rows(listing: bytes) -> Iterator[bytes]:
    """The names that an `.info` lists."""
    for line in listing.split(b"\n")[1:]:
        found = _ROW.match(line)
        if found:
            yield found[1]


def of_archive(shipped: Side, rebuilt: Side) -> tuple[Difference, ...]:
    """The faults of the shipped archive, whether the rebuilt one has them or not."""
    del rebuilt
    info = shipped.layout.info
    if not hasattr(info, "entries"):
        return ()
    return tuple(_faults(list(info.entries.values()), info.listing))


def _faults(entries: list[Entry], listing: bytes | None) -> Iterator[Difference]:
    seen: set[bytes] = set()
    listed = None if listing is None else set(rows(listing))
    first = next((entry.name for entry in entries if is_listing(entry.name)), None)
    for entry in entries:
        name, special = entry.name, entry.name in {b"COPYING", first}
        if name in seen:
            yield _told(
                *("database-member-duplicate", entry),
                "The database holds this member twice; programs that unpack keep the last one, "
                "the loader takes both.",
            )
        elif not special and not is_database(name):
            yield _told("database-member-foreign", entry, _foreign(name))
        elif not special and listed is not None and name not in listed:
            yield _told(
                *("database-member-unlisted", entry), "The database's .info does not name it."
            )
        seen.add(name)
    for name in sorted((listed or set()) - seen):
        summary = "The database's .info names it, but the database does not hold it."
        yield Difference("database-listed-missing", text(name), summary)


def _foreign(name: bytes) -> str:
    if name.lower().endswith(_NESTED):
        return "A database within the database, which no packer puts there and the loader reads."
    return "The loader passes over a member of this name."


def _told(kind: str, entry: Entry, summary: str) -> Difference:
    return Difference(kind, entry.label, summary, entry.offset, 512 + entry.size)
