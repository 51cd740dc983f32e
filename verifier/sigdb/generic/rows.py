"""Rows of declared tables as records: which columns name a row, which of them vary.

Options, all of them lists of texts:

`keys`      columns that name a row; the whole row where none is given.
`volatile`  columns that are left out.
`tables`    tables whose rows are compared; all where none is given.
`effect`    what a row does: `detection`, `allowlist`, `ignore` or `setting`, for one
            table `TABLE=allowlist`.

A column may be given as `TABLE.COLUMN`. In trees, columns are dotted paths.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError, UsageError
from verifier.sigdb.base import Effect, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from verifier.sigdb.base import File, Files, Options

ROWS = 5_000_000  # of one file
_NAME = 160  # characters of a name that is a whole row
_COMMON = frozenset({"keys", "volatile", "tables", "effect"})
Place = tuple[str, int, int]
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Plan:
    """The options of one database, checked."""

    keys: tuple[str, ...]
    volatile: frozenset[str]
    tables: frozenset[str]
    effects: dict[str, Effect]
    _varying: dict[tuple[str, str], bool] = field(default_factory=dict)  # answers given before

    @classmethod
    def of(cls, options: Options, *others: str) -> Plan:
        """Read them; UsageError for an option or effect that the family does not know."""
        for name in options:
            if name not in _COMMON and name not in others:
                known = ", ".join(sorted({*_COMMON, *others}))
                raise UsageError(f"There is no option {name!r} of this family; known are: {known}.")
        return cls(
            options.get("keys", ()),
            frozenset(options.get("volatile", ())),
            frozenset(options.get("tables", ())),
            dict(_effect(text) for text in options.get("effect", ())),
        )

    def wants(self, table: str) -> bool:
        """Whether the rows of this table are compared."""
        return not self.tables or table in self.tables

    def varies(self, table: str, column: str) -> bool:
        """Whether the column is left out; what is below a path goes with it."""
        if not self.volatile:
            return False
        known = self._varying.get((table, column))
        if known is None:
            names = (name for path in _upwards(column) for name in (path, f"{table}.{path}"))
            known = self._varying[table, column] = any(name in self.volatile for name in names)
        return known

    def check_tables(self, there: Iterable[str]) -> None:
        """ParseError for a declared table that the file does not have."""
        missing = sorted(self.tables.difference(there))
        if missing:
            raise ParseError(f"There is no table {missing[0]!r}, which the specification names")

    def record(self, table: str, columns: Sequence[tuple[str, str]], place: Place) -> Record:
        """The record of one row; ParseError where a column of `keys` is missing."""
        body = tuple(item for item in columns if not self.varies(table, item[0]))
        effect = self.effects.get(table, self.effects.get("", Effect.DETECT))
        return Record(table, self._name(table, body, place), body, effect, place)

    def _name(self, table: str, body: tuple[tuple[str, str], ...], place: Place) -> str:
        keys = [key.removeprefix(f"{table}.") for key in self.keys if self._speaks_of(key, table)]
        if not keys:
            shown = ", ".join(f"{name} {value}" for name, value in body)
            if len(shown) <= _NAME:
                return shown
            digest = hashlib.sha256(repr(body).encode("utf-8", "backslashreplace"))
            return f"{shown[:_NAME]}… {digest.hexdigest()[:16]}"
        values = dict(body)
        missing = [key for key in keys if key not in values]
        if missing:
            raise ParseError(f"A row of {table or 'the file'} without {missing[0]!r}", place[1])
        return ", ".join(values[key] for key in keys)

    def _speaks_of(self, key: str, table: str) -> bool:
        """Whether a key is one of this table; `OTHER.COLUMN` is not where OTHER is a table."""
        before = key.rpartition(".")[0]
        return not before or before == table or before not in self.tables


def _effect(text: str) -> tuple[str, Effect]:
    table, _, name = text.rpartition("=")
    try:
        return table, Effect(name)
    except ValueError:
        known = ", ".join(Effect)
        raise UsageError(f"There is no effect {name!r}; known are: {known}.") from None


def _upwards(column: str) -> Iterator[str]:
    """`a.b[0]`, `a.b`, `a`."""
    yield column
    for at in range(len(column) - 1, 0, -1):
        if column[at] in ".[" and column[at - 1] != "\\":
            yield column[:at]


def quoted(value: str) -> str:
    """A text as a value: quoted, so that it is no number; bytes that are no UTF-8 escaped."""
    shown = json.dumps(value, ensure_ascii=False)
    return shown.encode("utf-8", "backslashreplace").decode()


def limited(rows: Iterable[Record], most: int = ROWS) -> Iterator[Record]:
    """The rows; LimitError after `most`."""
    for number, row in enumerate(rows):
        if number >= most:
            raise LimitError(f"More than {most} rows.")
        yield row


def effective(
    records: Callable[[File, Options], Iterable[Record]],
) -> Callable[[Files, Options], Iterable[Record]]:
    """A family's `effective`: equal rows are counted, since a table can tell one from two."""

    def counted(files: Files, options: Options) -> Iterator[Record]:
        first: dict[_Key, Record] = {}
        times: Counter[_Key] = Counter()
        for file in files:
            for record in records(file, options):
                key = (record.scope, record.name, record.body)
                first.setdefault(key, record)
                times[key] += 1
        for key, record in first.items():
            if times[key] > 1:
                yield record._replace(body=(*record.body, ("times", str(times[key]))))
            else:
                yield record

    return counted
