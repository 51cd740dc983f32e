"""What pins a source beside its digest or commit: SWHIDs, signatures, the record of an audit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.spec import model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.spec.table import Table

    At = Callable[[Table, str], Path]
    Location = Callable[[Table], str]

_SWHID = re.compile(r"swh:1:(cnt|dir|rev|rel|snp):[0-9a-f]{40}")
_OVER = {"archive": ("tar", "archive"), "git": ("tag", "commit"), "debian": ("dsc", "upstream")}


def read(table: Table, source: model.Source, at: At, location: Location) -> model.Pins:
    """The pins of a source's table; UsageError names the key that is wrong."""
    swhids = (table.get("swhid", str),) if _is_text(table) else table.strings("swhid", ())
    for swhid in swhids:
        if not _SWHID.fullmatch(swhid):
            raise table.error("swhid", f"is {swhid!r}, no swh:1:cnt|dir|rev|rel|snp:… of 40 digits")
        if swhid.startswith("swh:1:snp:") and not isinstance(source, model.GitSource):
            raise table.error("swhid", f"pins a snapshot, which a source of {source.kind} has not")
    signatures = tuple(
        _signature(each, source, at, location) for each in table.children("signatures")
    )
    record = table.optional("record", str)
    keys = tuple(at(table, name) for name in table.strings("record_keys", ()))
    if keys and record is None:
        raise table.error("record_keys", "belongs to a record: set source.record too")
    if table.has("record_keys") and not keys:
        raise table.error("record_keys", "names no key; leave it out, or name whom you trust")
    return model.Pins(swhids, signatures, at(table, record) if record is not None else None, keys)


def _is_text(table: Table) -> bool:
    return isinstance(table.raw("swhid"), str)


def _signature(table: Table, source: model.Source, at: At, location: Location) -> model.Signature:
    allowed = _OVER.get(source.kind, ())
    if not allowed:
        raise table.error("keys", f"has no use: a source of kind {source.kind} is not signed")
    plain = "tag" if isinstance(source, model.GitSource) and source.tag else allowed[-1]
    plain = "dsc" if source.kind == "debian" else plain
    over = table.choice("over", allowed, plain)
    if over == "tag" and isinstance(source, model.GitSource) and not source.tag:
        raise table.error("over", "is tag, but source.tag names none")
    keys = tuple(at(table, name) for name in table.strings("keys"))
    if not keys:
        raise table.error("keys", "must name at least one file of public keys")
    found = model.Signature(
        over=over,
        keys=keys,
        location=location(table) if over in ("archive", "tar") else "",
        namespace=table.get("namespace", str, "git" if source.kind == "git" else "file"),
    )
    table.finish()
    return found
