"""SQLite databases: the schema as written, every row of every table, and what is hidden beside.

The file is hostile: SQLite opens a private copy in memory, without extensions,
trusted schema or functions that a schema could call, and counts its steps.
Bytes that SQLite never reads are records of their own, `remnants` and `unused
bytes` (see `gaps`): a database that was filled in another order has other
remnants, which `volatile = ["remnants"]` leaves out. Source: SQLite's "Database File Format".
"""

from __future__ import annotations

import math
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, Record
from verifier.sigdb.generic import gaps, rows, sqlitepages

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.sigdb.base import File, Options

_LARGEST = 512 * limits.MIB  # a copy of it and its rows must fit a worker
_MAGIC = b"SQLite format 3\0"
_STEPS = 1_000_000  # between two looks at the budget
_BUDGET = 500  # steps of SQLite's machine for each byte …
_BUDGET_FREE = 1_000  # … above this many looks
_HEADER = {
    "application_id": 68, "user_version": 60, "text encoding": 56, "schema format": 44,
    "cache size": 48,
}  # fmt: skip
_FUNCTIONS = frozenset({
    "abs", "coalesce", "glob", "hex", "ifnull", "instr", "length", "like", "lower", "ltrim",
    "nullif", "quote", "replace", "round", "rtrim", "substr", "substring", "trim", "typeof",
    "upper",
})  # fmt: skip


class _Table(NamedTuple):
    name: str
    columns: tuple[str, ...]


def records(file: File, options: Options) -> Iterator[Record]:
    """Header, schema and rows; ParseError for what SQLite's own check finds not in order."""
    plan = rows.Plan.of(options)
    header = _header(file.data)
    with closing(_opened(file.data)) as database:
        try:
            yield from _all(database, plan, file.path, header)
            roots = [row[0] for row in database.execute("SELECT rootpage FROM sqlite_schema")]
        except _errors() as error:
            raise ParseError(f"SQLite cannot read it: {error}") from error
    hidden = sqlitepages.hidden(bytes(file.data), [root for root in roots if root])
    yield from hidden.records(plan, file.path)


def _errors() -> tuple[type[Exception], ...]:
    import sqlite3  # noqa: PLC0415 - few runs meet such a file

    return (sqlite3.Error, UnicodeError, OverflowError)


def _header(data: Buffer) -> Record:
    if len(data) < 512 or bytes(data[:16]) != _MAGIC:
        raise ParseError("No SQLite database", 0)
    if len(data) > _LARGEST:
        raise LimitError(f"A SQLite database of more than {_LARGEST} bytes.")
    values = {name: struct.unpack_from(">I", data, at)[0] for name, at in _HEADER.items()}
    if values["text encoding"] > 1:
        raise ParseError("A SQLite database whose texts are UTF-16, which is not read", 56)
    if data[18] not in {1, 2} or data[19] not in {1, 2}:
        raise ParseError("A SQLite database of a later format", 18)
    if int.from_bytes(data[64:68], "big") > 1:
        raise ParseError("A SQLite header whose switch for vacuuming is no switch", 64)
    values["journal"] = "wal" if data[18] == 2 or data[19] == 2 else "rollback"
    body = tuple((name, str(value)) for name, value in values.items())
    return Record("(file)", "header", body, Effect.SETTING)


def _opened(data: Buffer) -> sqlite3.Connection:
    """A connection to a copy in memory that can do nothing but read it."""
    import sqlite3  # noqa: PLC0415

    database = sqlite3.connect(":memory:", isolation_level=None)
    copy = bytearray(data)
    copy[18:20] = b"\1\1"  # in memory there is no write-ahead log
    for limit, most in (
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
        (sqlite3.SQLITE_LIMIT_LENGTH, 256 * limits.MIB),
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, limits.MIB),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    ):
        database.setlimit(limit, most)
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        database.execute("PRAGMA temp_store = MEMORY")
        database.deserialize(bytes(copy))
        database.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        database.close()
        raise ParseError(f"SQLite cannot open it: {error}") from error
    database.text_factory = _text
    database.set_authorizer(_allowed)
    left = [_BUDGET_FREE + _BUDGET * len(data) // _STEPS]

    def spend() -> int:
        left[0] -= 1
        return left[0] < 0

    database.set_progress_handler(spend, _STEPS)
    return database


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _allowed(action: int, one: str | None, other: str | None, *_names: str | None) -> int:
    """Reading alone; of functions, which a schema may name, those that are harmless."""
    import sqlite3  # noqa: PLC0415

    if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and other in _FUNCTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and one in {"integrity_check", "table_xinfo"}:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _all(
    database: sqlite3.Connection, plan: rows.Plan, path: str, header: Record
) -> Iterator[Record]:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise ParseError(f"SQLite's integrity check says: {verdict[:200]}")
    place = (path, 0, 0)
    yield header._replace(place=place)
    tables: list[str] = []
    schema = database.execute("SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema")
    for kind, name, table, sql, root in schema.fetchall():
        body = (("table", str(table)), ("sql", str(sql)))
        yield Record("(schema)", f"{kind} {name}", body, Effect.SETTING, place)
        if kind == "table" and root:
            if not str(sql).startswith("CREATE TABLE "):
                raise ParseError(f"The table {name} was not made as SQLite makes one")
            tables.append(name)
    plan.check_tables(tables)
    for table in tables:
        if plan.wants(table):
            yield from rows.limited(_rows(database, plan, table, place))


def _rows(
    database: sqlite3.Connection, plan: rows.Plan, table: str, place: rows.Place
) -> Iterator[Record]:
    """The rows of one table; columns that are computed when read are left out."""
    listed = database.execute(f"PRAGMA table_xinfo({_name(table)})").fetchall()
    columns = [row[1] for row in listed if row[6] in {0, 3}]
    chosen = ", ".join(map(_name, columns))
    for row in database.execute(f"SELECT {chosen} FROM {_name(table)}"):  # noqa: S608 - quoted
        yield plan.record(table, list(zip(columns, map(_shown, row), strict=True)), place)


def _name(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def _shown(value: Any) -> str:
    """A value that tells its type: null, 5, 5.0, "text", x'00'."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return rows.quoted(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return "nan" if isinstance(value, float) and math.isnan(value) else repr(value)


FAMILY = Family(
    name="sqlite",
    accepts=sniff.nothing,
    records=records,
    effective=rows.effective(records),
    together="file",
    weakening=gaps.weakening,
    volatile=(
        "order of rows, places of pages, page size, rowids that no column names",
        "change counter, schema cookie and library version in the header",
        "columns that SQLite computes when they are read",
        "columns declared volatile, tables that are not among the declared ones",
    ),
)
