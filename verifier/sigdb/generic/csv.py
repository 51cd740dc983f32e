"""Comma- and tab-separated values, strictly as RFC 4180 has them.

Options beside those of `rows`: `delimiter` (one character), `header` (`yes`, or
`no`: columns are called 1, 2 …), `comment` (lines that begin so are left out),
and for `tsv` `quotes` (`rfc4180` or `none`), since readers of tabs differ in it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError, UsageError
from verifier.sigdb import sniff
from verifier.sigdb.base import Family, Record
from verifier.sigdb.generic import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Options

_COLUMNS = 10_000


class _Dialect(NamedTuple):
    delimiter: str
    header: bool
    comment: str
    quotes: str  # "rfc4180", "none", or "refused"


def records(tabs: bool, file: File, options: Options) -> Iterator[Record]:
    """Every row; ParseError for one of another length, a stray quote or carriage return."""
    plan = rows.Plan.of(options, "delimiter", "header", "comment", "quotes")
    dialect = _dialect(tabs, options)
    try:
        text = bytes(file.data).decode()
    except UnicodeDecodeError as error:
        raise ParseError("A table that is not UTF-8", error.start) from error
    if "\0" in text:
        raise ParseError("A NUL in a table")
    return rows.limited(_records(plan, dialect, text, file.path))


def _records(plan: rows.Plan, dialect: _Dialect, text: str, path: str) -> Iterator[Record]:
    names: list[str] = []
    for at, fields in _rows(text, dialect):
        if not names:
            names = fields if dialect.header else [str(item + 1) for item in range(len(fields))]
            if len(set(names)) != len(names) or len(names) > _COLUMNS:
                raise ParseError("A header that names a column twice, or too many", at)
            if dialect.header:
                continue
        if len(fields) != len(names):
            raise ParseError(f"A row of {len(fields)} fields instead of {len(names)}", at)
        columns = [(name, rows.quoted(value)) for name, value in zip(names, fields, strict=True)]
        yield plan.record("", columns, (path, at, 0))
    if dialect.header and names:
        # A renamed column is a change even of an empty table, and of a volatile column.
        body = tuple((str(number), rows.quoted(name)) for number, name in enumerate(names, 1))
        yield Record("header", "columns", body)


def _rows(text: str, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    """(offset in characters, fields) of each row."""
    plain = re.escape(dialect.delimiter) + "\r\n"
    plain_field = re.compile(f"[^{plain}]*+" if dialect.quotes == "none" else f'[^"{plain}]*+')
    quoted_field = re.compile(r'"((?:[^"]|"")*+)"')
    at = 0
    while at < len(text):
        start = at
        if dialect.comment and text.startswith(dialect.comment, at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
            continue
        fields: list[str] = []
        while True:
            found = quoted_field.match(text, at) if dialect.quotes == "rfc4180" else None
            if found is not None:
                fields.append(found[1].replace('""', '"'))
            else:
                found = plain_field.match(text, at)
                assert found is not None
                fields.append(found[0])
            at = found.end()
            if not text.startswith(dialect.delimiter, at):
                break
            at += 1
        at = _line_end(text, at)
        if fields == [""]:
            raise ParseError("An empty line in a table, which readers take differently", start)
        yield start, fields


def _line_end(text: str, at: int) -> int:
    if text.startswith("\r\n", at):
        return at + 2
    if at == len(text) or text[at] == "\n":
        return at + 1
    raise ParseError("A quote or carriage return where RFC 4180 has none", at)


def _dialect(tabs: bool, options: Options) -> _Dialect:
    def one(name: str, default: str, known: tuple[str, ...] = ()) -> str:
        values = options.get(name, (default,))
        if len(values) != 1 or (known and values[0] not in known):
            raise UsageError(f"The option {name!r} is one of: {', '.join(known) or 'any text'}.")
        return values[0]

    delimiter = one("delimiter", "\t" if tabs else ",")
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UsageError(f"The delimiter {delimiter!r} is not one plain character.")
    header = one("header", "yes", ("yes", "no")) == "yes"
    quotes = one("quotes", "refused" if tabs else "rfc4180", ("rfc4180", "none", "refused"))
    return _Dialect(delimiter, header, one("comment", ""), quotes)


_VOLATILE = (
    "order of rows, quotes that RFC 4180 does not need, line ends, the columns declared volatile",
    "lines that begin with the declared comment sign",
)
FAMILY = Family(
    name="csv",
    accepts=sniff.nothing,
    records=partial(records, False),
    effective=rows.effective(partial(records, False)),
    together="file",
    volatile=_VOLATILE,
)
