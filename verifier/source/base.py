"""What every kind of source comes down to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from verifier.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.source.record import Record
    from verifier.source.tree import Entry


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One regular file or link of the audited source, or one file of a Debian source package."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pin:
    """One thing that was checked before the build: what, its value, and in words how.

    `kind` is `digest`, `sha256`, `git-commit`, `git-tag`, `signature`, `swhid`, `index` or
    `audit-record`.
    """

    kind: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """An audited source that is on this machine and is what its pin says.

    `path` is a tree to build, or the directory of a Debian source package's files.
    `digest` is the SHA-256 of what was pinned: an archive's or .dsc's bytes, the manifest of a
    directory, or the object id of a git commit. `swhid` is its Software Heritage identifier,
    and `swhids` are all that it has. `entries` are empty where the tree is unpacked by the build
    alone; `record` is then held against the tree there.
    """

    path: Path
    kind: str
    description: str
    digest: str
    swhid: str
    files: tuple[SourceFile, ...] = ()
    swhids: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    entries: tuple[Entry, ...] = ()
    record: Record | None = None

    def to_json(self) -> dict[str, Any]:
        """The report's form: no local path but in the description."""
        return {
            "kind": self.kind,
            "description": self.description,
            "digest": self.digest,
            "swhid": self.swhid,
            "swhids": list(self.swhids),
            "pins": [asdict(pin) for pin in self.pins],
            "record": self.record.to_json() if self.record is not None else None,
            "files": [asdict(file) for file in self.files],
        }


class SourceDiffersError(SourceError):
    """The tree is not the one that was audited; `changes` lists each file, in one sentence."""

    def __init__(self, message: str, changes: tuple[str, ...], source: Source | None) -> None:
        super().__init__(message)
        self.changes = changes
        self.source = source
