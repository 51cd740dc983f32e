"""LMDB data files (`data.mdb`), read by our own strict parser: LMDB trusts its files.

Every key and value of the main and the named databases is a record. `tables`
names databases; those that are not named are left out, but for their names.
Bytes that no reader reaches are records of their own, `remnants` and `unused
bytes` (see `gaps`): older pages stay in a file until it is compacted. Source:
the on-disk structures of LMDB 0.9 (lmdb.h, mdb.c); little-endian files of
64-bit machines alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, Record
from verifier.sigdb.generic import gaps, lmdbpages, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Options


def records(file: File, options: Options) -> Iterator[Record]:
    """Every key and value; ParseError for a page that is used twice or leads nowhere."""
    plan = rows.Plan.of(options)
    reader = lmdbpages.Reader(file.data)
    place = (file.path, 0, 0)
    names = []
    for record, name in _walk(reader, plan, place):
        names += [name] if name else []
        yield record
    plan.check_tables(["", *names])
    reader.free_list()
    yield from reader.hidden().records(plan, file.path)


def _walk(
    reader: lmdbpages.Reader, plan: rows.Plan, place: rows.Place
) -> Iterator[tuple[Record, str]]:
    """The records of the main database and of those that it names."""
    named: list[tuple[str, lmdbpages.Database]] = []
    rest: list[lmdbpages.Node] = []
    for node in reader.nodes(reader.main):
        if node.flags & lmdbpages.SUB and not node.flags & lmdbpages.DUP:
            named.append((_shown(node.key), lmdbpages.database(node.value)))
        else:
            rest.append(node)
    for name, database in [("", reader.main), *named]:
        body = (("flags", str(database.flags & lmdbpages.FLAGS)),)
        yield Record("(database)", name, body, Effect.SETTING, place), name
    for node in rest:
        found = _entries(reader, plan, "", node, reader.main.flags)
        yield from ((record, "") for record in found if plan.wants(""))
    for name, database in named:
        for node in reader.nodes(database):
            if node.flags & lmdbpages.SUB and not node.flags & lmdbpages.DUP:
                raise ParseError(f"The database {name} holds a database")
            found = _entries(reader, plan, name, node, database.flags)
            # Read in any case: pages that nobody reads would count as unused.
            yield from ((record, "") for record in found if plan.wants(name))


def _entries(
    reader: lmdbpages.Reader, plan: rows.Plan, table: str, node: lmdbpages.Node, flags: int
) -> Iterator[Record]:
    several = node.flags & lmdbpages.DUP
    for value in reader.duplicates(node, flags) if several else (node.value,):
        columns = (("key", _shown(node.key)), ("value", _shown(value)))
        record = plan.record(table, columns, ("", 0, 0))
        yield record if plan.keys else record._replace(name=columns[0][1])


def _shown(raw: bytes) -> str:
    """Readable where it is plain ASCII, else in hexadecimal."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return f"x'{raw.hex()}'"
    plain = text.isprintable() and not text.startswith("x'")
    return text if plain else f"x'{raw.hex()}'"


FAMILY = Family(
    name="lmdb",
    accepts=sniff.nothing,
    records=records,
    effective=rows.effective(records),
    together="file",
    weakening=gaps.weakening,
    volatile=(
        "places and order of pages, transaction numbers, the size of the map",
        "the values of columns `key` and `value` that are declared volatile",
    ),
)
