"""`.info` of a ClamAV database: its header, a line for each member, and their signature.

Written by `writeinfo` of sigtool/sigtool.c, read by `cli_loadinfo` of
libclamav/readdb.c. The loader stops at the line `DSIG:`; here it must be the last.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout, text
from verifier.formats.clamav import header
from verifier.formats.members import Labels

if TYPE_CHECKING:
    from verifier.content import Buffer

_ROW = re.compile(
    rb"([\x21-\x39\x3b-\x7e][\x20-\x39\x3b-\x7e]{0,254}):([0-9]{1,10}):([0-9a-f]{64})\n"
)
_LARGEST = limits.MIB


class Info(NamedTuple):
    """The members' names by what the spans of their rows start with; where the signature is."""

    rows: dict[str, str]
    dsig: int | None
    listing: None = None  # as of a database, whose header this one resembles
    cache: dict[str, object] = {}  # noqa: RUF012 - a fresh one is given to each


def layout(data: Buffer) -> Layout:
    """Spans for the header's fields, for name, size and digest of each row, and for the DSIG."""
    if len(data) > _LARGEST:
        raise LimitError(f"An .info of more than {_LARGEST} bytes.")
    cutter, labels, whole = Cutter("clamav-info", data), Labels(), bytes(data)
    at = whole.find(b"\n")
    if at < 0:
        raise ParseError("The first line of an .info has no end", 0)
    fields, end = header.read(whole[:at])
    if end != at or fields[-1].name != "stime":
        raise ParseError("The first line of an .info is no database's header", end)
    header.add(cutter, fields)
    cutter.add("header.newline", at, 1)
    at += 1
    rows: dict[str, str] = {}
    while found := _ROW.match(whole, at):
        label = labels.take(text(found[1]))
        prefix = f"row[{label}]"
        rows[prefix] = text(found[1])
        for index, name in enumerate(("name", "size", "digest"), 1):
            cutter.add(f"{prefix}.{name}", found.start(index), len(found[index]), f"row.{name}")
            mark = ("colon", "colon2", "newline")[index - 1]
            cutter.add(f"{prefix}.{mark}", found.end(index), 1, "row.separator")
        at = found.end()
    dsig = at if whole[at : at + 5] == b"DSIG:" else None
    if dsig is not None:
        line = whole.find(b"\n", at) + 1 or len(whole)
        cutter.add("dsig", at, line - at)
        at = line
    if at < len(whole):
        raise ParseError("A line of an .info is neither a member's nor the last one's", at)
    return cutter.finish(Info(rows, dsig, cache={}))


FORMAT = Format(
    "clamav-info",
    magic.nothing,
    layout,
    follows=frozenset({"header.time", "row.size", "row.digest", "dsig"}),
)
