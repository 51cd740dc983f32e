"""SQLite and LMDB files: every row, whatever its place, and what is hidden beside the rows."""

from __future__ import annotations

import random
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

from tests.unit.sigdb import asking
from verifier.errors import ParseError
from verifier.sigdb import named

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = (
    "CREATE TABLE sig(id INTEGER PRIMARY KEY, name TEXT UNIQUE, pattern BLOB, score REAL)",
    "CREATE TABLE allow(hash TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE INDEX by_score ON sig(score)",
    "CREATE VIEW high AS SELECT name FROM sig WHERE score > 5",
)
OPTIONS = {
    "keys": ("sig.name", "allow.hash"),
    "tables": ("sig", "allow"),
    "volatile": ("sig.score", "remnants"),
    "effect": ("allow=allowlist",),
}
ROWS = 300


def sqlite(
    seed: int = 0, extra: Iterable[str] = (), before: Iterable[str] = (), rows: int = ROWS
) -> bytes:
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for statement in (*before, *SCHEMA):
            database.execute(statement)
        for i in order:
            row = (i, f"Name{i}", bytes([i & 255]) * (i * 37 % 9000), i / 4)
            database.execute("INSERT INTO sig VALUES(?, ?, ?, ?)", row)
            database.execute("INSERT INTO allow VALUES(?)", (f"{i:064x}",))
        for statement in extra:
            database.execute(statement)
        return database.serialize()


def store(
    seed: int = 0, steps: int = 1, rows: int = ROWS, changed: dict[bytes, bytes] | None = None
) -> bytes:
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    with tempfile.TemporaryDirectory() as place:
        with closing(lmdb.open(place, max_dbs=9, map_size=1 << 26)) as environment:
            sig = environment.open_db(b"sig")
            many = environment.open_db(b"many", dupsort=True)
            fixed = environment.open_db(b"fixed", dupsort=True, dupfixed=True)
            back = environment.open_db(b"back", reverse_key=True)
            for step in range(steps):
                with environment.begin(write=True) as work:
                    for i in order[step::steps]:
                        work.put(b"k%d" % i, bytes([i & 255]) * (i * 37 % 9000), db=sig)
                        work.put(b"d%d" % (i % 50), b"v%d" % i, db=many)
                        work.put(b"d%d" % (i % 3), b"%08d" % i, db=fixed)
                        work.put(b"k%d" % i, b"", db=back)
                        work.put(b"main%d" % i, b"1")
            with environment.begin(write=True) as work:
                for key, value in (changed or {}).items():
                    work.put(key, value, db=sig)
        return (Path(place) / "data.mdb").read_bytes()


LMDB = {"tables": ("sig", "many", "fixed", "back"), "volatile": ("remnants", "unused bytes")}
Tables = dict[str, tuple[str, ...]]


def changes(name: str, rebuilt: bytes, shipped: bytes, options: Tables) -> list[tuple[str, ...]]:
    found = asking.changes(named(name), rebuilt, shipped, "db", options)
    return [(item.kind, item.where, item.weakening) for item in found]


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("PRAGMA page_size = 512",),
        ("PRAGMA page_size = 65536",),
        ("PRAGMA auto_vacuum = full",),
        ("PRAGMA auto_vacuum = incremental", "PRAGMA page_size = 1024"),
        ("PRAGMA secure_delete = off",),
    ],
)
def test_sqlite_equality_whatever_the_pages(before: tuple[str, ...]) -> None:
    busy = ["DELETE FROM sig WHERE id < 50"]
    busy += [
        f"INSERT INTO sig VALUES({i}, 'Name{i}', zeroblob({i * 37 % 9000}), {i} / 4.0)"
        for i in range(50)
    ]
    busy += [f"UPDATE sig SET pattern = replace(hex(pattern), '00', '') WHERE id = {0}"]
    busy += [
        f"UPDATE sig SET pattern = x'{(bytes([i & 255]) * (i * 37 % 9000)).hex()}' WHERE id = {i}"
        for i in range(50)
    ]
    busy += ["UPDATE sig SET score = score + 1"]
    other = sqlite(2, busy, before)
    assert not changes("sqlite", sqlite(1), other, OPTIONS)
    assert not changes("sqlite", sqlite(1), sqlite(1), {})


def test_rows_in_another_order_differ_in_remnants_alone() -> None:
    options = {**OPTIONS, "volatile": ("sig.score",)}
    off = ("PRAGMA secure_delete = off",)
    found = changes("sqlite", sqlite(1, (), off), sqlite(2, (), off), options)
    assert found == [("setting-changed", "(file): remnants", "")]
    gone = sqlite(2, ("CREATE TABLE t AS SELECT * FROM sig", "DROP TABLE t"), off)
    assert changes("sqlite", sqlite(1), gone, OPTIONS) == [
        ("setting-added", "(file): unused bytes", "")
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "DELETE FROM sig WHERE id = 7",
            ("detection-removed", 'sig: "Name7"', "signature-removed"),
        ),
        (
            "UPDATE sig SET pattern = x'00' WHERE id = 8",
            ("detection-changed", 'sig: "Name8"', "changed"),
        ),
        ("INSERT INTO sig VALUES(999, 'New', x'', 1)", ("detection-added", 'sig: "New"', "")),
        ("INSERT INTO allow VALUES('x')", ("allowlist-added", 'allow: "x"', "allowlist-added")),
        ("DELETE FROM allow WHERE hash LIKE '%0001'", ("allowlist-removed",)),
        (
            "DROP INDEX by_score",
            ("setting-removed", "(schema): index by_score", "setting-changed"),
        ),
        ("DROP VIEW high", ("setting-removed", "(schema): view high", "setting-changed")),
        (
            "CREATE TRIGGER t AFTER INSERT ON sig BEGIN DELETE FROM sig; END",
            ("setting-added", "(schema): trigger t", "setting-changed"),
        ),
        ("CREATE TABLE more(a)", ("setting-added", "(schema): table more", "setting-changed")),
        ("PRAGMA user_version = 5", ("setting-changed", "(file): header", "setting-changed")),
        ("UPDATE sig SET id = 5000 WHERE id = 9", ("detection-changed", 'sig: "Name9"', "changed")),
    ],
)
def test_sqlite_changes(statement: str, expected: tuple[str, ...]) -> None:
    found = changes("sqlite", sqlite(1), sqlite(2, [statement]), OPTIONS)
    assert [item[: len(expected)] for item in found] == [expected]


def test_sqlite_tells_types_apart() -> None:
    values = ["NULL", "1", "1.0", "'1'", "x'31'", "''", "x''", "'null'", "1e999", "'x''31'''"]
    made = [sqlite(0, [f"UPDATE sig SET pattern = {v} WHERE id = 1"], rows=3) for v in values]
    for index, one in enumerate(made):
        for other in made[index + 1 :]:
            assert changes("sqlite", one, other, OPTIONS)


def test_bytes_that_sqlite_never_reads_are_seen() -> None:
    data = bytearray(sqlite(1, ["VACUUM"], ["PRAGMA secure_delete = on"]))
    options = {**OPTIONS, "volatile": ("sig.score",)}
    unseen = 0
    chance = random.Random(4)
    for at in [100 + chance.randrange(len(data) - 100) for _ in range(300)]:
        if data[at]:
            continue
        other = bytearray(data)
        other[at] = 0x41
        try:
            found = changes("sqlite", bytes(data), bytes(other), options)
        except ParseError:
            continue
        unseen += not found
        assert found, hex(at)
    assert changes("sqlite", bytes(data), bytes(data) + b"payload", options) == [
        ("setting-added", "(file): unused bytes", "")
    ]
    assert not unseen


def test_every_byte_of_a_small_sqlite_file_counts() -> None:
    """But for the header's counters and library version, and a score that is declared volatile."""
    options = {**OPTIONS, "volatile": ()}
    before = ("PRAGMA page_size = 512", "PRAGMA secure_delete = on")
    data = sqlite(0, ["VACUUM"], before, rows=3)
    whole = asking.records(named("sqlite"), data, "db", options)
    free = set()
    for at in range(len(data)):
        other = bytearray(data)
        other[at] ^= 0x10
        try:
            if asking.records(named("sqlite"), bytes(other), "db", options) == whole:
                free.add(at)
        except ParseError:
            continue
    counters = {*range(24, 28), *range(40, 44), *range(92, 100)}
    # The last row of the schema may have another number, which nothing names.
    rowids = {at for at in free - counters if data[100] == 13 and 112 < at < 512}
    assert free <= counters | rowids
    assert len(rowids) <= 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "No SQLite"),
        (b"SQLite format 3\0" + bytes(600), "later format"),
        (sqlite(rows=3)[:4096], "cannot|integrity|no table"),
        (sqlite(rows=3, before=["PRAGMA encoding = 'UTF-16'"]), "UTF-16"),
    ],
)
def test_what_is_no_sound_sqlite_file_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        asking.records(named("sqlite"), data, "db", OPTIONS)


def test_a_journal_mode_is_read_and_told() -> None:
    data = bytearray(sqlite(1))
    other = bytearray(data)
    other[18:20] = b"\2\2"
    assert changes("sqlite", bytes(data), bytes(other), OPTIONS) == [
        ("setting-changed", "(file): header", "setting-changed")
    ]


def test_a_schema_that_calls_functions_runs_none() -> None:
    made = sqlite(
        rows=3,
        extra=["CREATE TABLE g(a, b AS (hex(zeroblob(400000000 + a))))", "INSERT INTO g VALUES(1)"],
    )
    options = {**OPTIONS, "tables": ()}
    assert asking.records(named("sqlite"), made, "db", {**options, "keys": ()})
    index = sqlite(rows=3, extra=["CREATE INDEX e ON sig(lower(name))"])
    assert asking.records(named("sqlite"), index, "db", OPTIONS)


def test_virtual_tables_are_not_opened() -> None:
    made = sqlite(
        rows=3, extra=["CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES('x')"]
    )
    found = {record.scope for record in asking.records(named("sqlite"), made, "db")}
    assert "f" not in found
    assert "f_content" in found


def test_hostile_sqlite_files() -> None:
    seeds = [sqlite(rows=20), sqlite(rows=20, before=["PRAGMA page_size = 512"])]
    parsed = [asking.survives(named("sqlite"), item, "db") for item in asking.mutants(seeds, 300)]
    assert not all(parsed)


def test_lmdb_equality_whatever_the_pages() -> None:
    assert not changes("lmdb", store(1), store(2, steps=4), LMDB)
    assert not changes("lmdb", store(1), store(1), {})


def test_lmdb_changes() -> None:
    assert changes("lmdb", store(1), store(1, changed={b"k7": b"new"}), LMDB) == [
        ("detection-changed", "sig: k7", "changed")
    ]
    assert changes("lmdb", store(1), store(1, changed={b"new": b"new"}), LMDB) == [
        ("detection-added", "sig: new", "")
    ]
    options = {**LMDB, "effect": ("back=allowlist",)}
    found = changes("lmdb", store(1), store(1, rows=ROWS + 1), options)
    assert sorted(found) == [
        ("allowlist-added", "back: k300", "allowlist-added"),
        ("detection-added", "fixed: d0", ""),
        ("detection-added", "many: d0", ""),
        ("detection-added", "sig: k300", ""),
    ]
    assert changes("lmdb", store(1), store(1), {**LMDB, "tables": ("sig",)}) == []
    with pytest.raises(ParseError, match="no table 'other'"):
        changes("lmdb", store(1), store(1), {"tables": ("other",)})


def test_every_byte_of_a_small_lmdb_file_counts() -> None:
    data = store(rows=3)
    whole = asking.records(named("lmdb"), data, "db")
    free = set()
    # Both snapshots, and each eleventh byte of the rest.
    for at in [*range(160), *range(4096, 4256), *range(8192, len(data), 11)]:
        other = bytearray(data)
        other[at] ^= 0x10
        try:
            if asking.records(named("lmdb"), bytes(other), "db") == whole:
                free.add(at)
        except ParseError:
            continue
    newer = 4096 * (data[4096 + 144] > data[144])
    size_of_the_map, transaction = range(newer + 32, newer + 40), range(newer + 144, newer + 152)
    assert free <= {*size_of_the_map, *transaction}


def test_a_key_that_no_look_up_finds_is_refused() -> None:
    data = store(rows=ROWS)
    said = set()
    for found in re.finditer(b"k123", data):
        other = data[: found.start()] + b"k923" + data[found.end() :]
        try:
            asking.records(named("lmdb"), other, "db")
        except ParseError as error:
            said.add(str(error).partition(" has ")[2][:14])
    assert said == {"keys out of th"}


def test_hostile_lmdb_files() -> None:
    seeds = [store(rows=30)]
    parsed = [asking.survives(named("lmdb"), item, "db") for item in asking.mutants(seeds, 300)]
    assert not all(parsed)
    whole = bytearray(seeds[0])
    for at in range(0, len(whole), 97):
        other = bytearray(whole)
        other[at : at + 4] = b"\xff\xff\xff\xff"
        asking.survives(named("lmdb"), bytes(other), "db")
