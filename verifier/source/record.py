"""The record of an audit: each path that reviewers saw, so that a build can be held against it.

A record is JSON of `verifier/schemas/audit-record-v1.json`, one path a line, and the same bytes
for the same tree and words. Names are written as UTF-8; bytes that are none, and `%`, as %XX.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits, shape, strictjson
from verifier.errors import SourceError
from verifier.source.base import SourceDiffersError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from verifier.source.base import Source
    from verifier.source.tree import Entry, Tree

SCHEMA = "urn:source-binary-verifier:audit-record:v1"
FULL, GIT = "full", "git"  # modes: all permission bits, or git's executable bit alone
_LISTED = 100  # changes in one report; the rest is counted


class Record(NamedTuple):
    """A record that was read. `sha256` is of its file, `signers` who signed it, as checked."""

    name: str
    sha256: str
    data: dict[str, Any]
    signers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What a report says of it."""
        told = {key: self.data[key] for key in ("reviewer", "date", "notes", "modes")}
        tree = self.data["tree"]
        return {"name": self.name, "sha256": self.sha256, **told, "tree": tree["sha256"],
                "swhid": tree["swhid"], "signed_by": list(self.signers)}  # fmt: skip


class Words(NamedTuple):
    """What reviewers say: who they are, when (an ISO date), and anything else."""

    reviewer: str
    date: str
    notes: str = ""


def make(tree: Tree, words: Words, modes: str = FULL) -> bytes:
    """The record of a scanned tree, as it is written."""
    entries = [_shown(entry, modes) for entry in tree.entries]
    data = {
        "schema": SCHEMA,
        **words._asdict(),
        "modes": modes,
        "tree": {
            "sha256": _digest(entries),
            "manifest": tree.digest,
            "swhid": tree.swhid,
            "files": sum(1 for entry in entries if entry["type"] != "directory"),
            "bytes": sum(entry["size"] for entry in entries),
        },
    }
    head = json.dumps(data, indent=1, ensure_ascii=False)[:-2]
    rows = ",\n".join(f"  {_line(entry)}" for entry in entries)
    return f'{head},\n "entries": [\n{rows}\n ]\n}}\n'.encode()


def read(path: Path) -> Record:
    """A record from its file.

    Raises:
        UsageError: unreadable. ParseError: no record, or one that contradicts itself.
    """
    raw = strictjson.read(path, limits.REPORT_BYTES)
    data = strictjson.object_of(raw, str(path))
    shape.check(data, "audit-record-v1", str(path))
    paths = [entry["path"] for entry in data["entries"]]
    if len(set(paths)) != len(paths) or data["tree"]["sha256"] != _digest(data["entries"]):
        raise SourceError(f"{path} contradicts itself: its entries are not those of its digest.")
    return Record(path.name, hashlib.sha256(raw).hexdigest(), data)


def hold(
    record: Record, entries: Sequence[Entry], swhid: str, source: Source | None = None
) -> None:
    """Return only where the tree of these entries and this SWHID is what the record says.

    Raises:
        SourceDiffersError: a byte, a mode or a link differs, or a path is missing or new.
    """
    changes = tuple(differences(record, entries))
    if changes:
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        raise SourceDiffersError(
            f"The source is not what the audit record {record.name} of {record.data['reviewer']} "
            f"saw: {changes[0]}{more}. Audit it again, or build what was audited.",
            (*changes[:_LISTED], *_rest(changes)),
            source,
        )
    if record.data["tree"]["swhid"] != swhid:
        raise SourceError(f"{record.name} contradicts itself: its entries do not have its SWHID.")


def _rest(changes: Sequence[str]) -> Iterable[str]:
    left = len(changes) - _LISTED
    return (f"{left} more paths differ",) if left > 0 else ()


def differences(record: Record, entries: Sequence[Entry]) -> Iterator[str]:
    """One sentence for each path that is not as the record has it, in the order of paths."""
    told = {entry["path"]: entry for entry in record.data["entries"]}
    found = {spelled(entry.path): _shown(entry, record.data["modes"]) for entry in entries}
    for path in sorted(told.keys() | found.keys()):
        old, new = told.get(path), found.get(path)
        if old is None and new is not None:
            yield f"{path!r} was not there ({new['type']})"
        elif new is None and old is not None:
            yield f"{path!r} is missing ({old['type']})"
        elif old is not None and new is not None and old != new and (why := _why(old, new)):
            yield f"{path!r} {why}"


def _why(old: dict[str, Any], new: dict[str, Any]) -> str:
    """How two entries of one path differ; empty where a directory's contents alone do."""
    if old["type"] != new["type"]:
        return f"was a {old['type']} and is a {new['type']}"
    if old.get("target") != new.get("target"):
        return f"pointed to {old['target']!r} and points to {new['target']!r}"
    said = []
    if old.get("sha256") != new.get("sha256"):
        said.append(f"has other content: SHA-256 {new['sha256']}, audited {old['sha256']}")
    if old.get("mode") != new.get("mode"):
        said.append(f"has mode {new['mode']}, audited {old['mode']}")
    if not said and old["type"] != "directory":
        said.append("is described otherwise")
    return "; ".join(said)


def spelled(path: str) -> str:
    """A path as records have it, whatever bytes it is made of."""
    raw = os.fsencode(path).replace(b"%", b"%25")
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(
        f"%{ord(char) - 0xDC00:02X}" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text
    )


def _shown(entry: Entry, modes: str) -> dict[str, Any]:
    """An entry as the record has it; under git's modes, a mode as a checkout gives it."""
    found: dict[str, Any] = {"path": spelled(entry.path), "type": entry.kind}
    mode = entry.mode
    if modes == GIT:
        mode = 0o755 if entry.kind == "directory" or mode & 0o100 else 0o644
    if entry.kind != "link":
        found["mode"] = f"{mode:04o}"
    found["size"] = entry.size
    if entry.kind != "directory":
        found["sha256"] = entry.sha256
    found["swhid"] = entry.swhid
    if entry.kind == "link":
        found["target"] = spelled(entry.target)
    return found


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)


def _digest(entries: Sequence[dict[str, Any]]) -> str:
    """SHA-256 of the entries in the canonical form of RFC 8785."""
    from verifier.attest import strict  # noqa: PLC0415 - only where a record is named

    return hashlib.sha256(strict.canonical(list(entries))).hexdigest()
