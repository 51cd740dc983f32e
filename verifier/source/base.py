"""What every kind of source comes down to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One regular file or link of the audited source, or one file of a Debian source package."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """An audited source that is on this machine and is what its pin says.

    `path` is a tree to build, or the directory of a Debian source package's files.
    `digest` is the SHA-256 of what was pinned: an archive's or .dsc's bytes, the manifest of a
    directory, or the object id of a git commit. `swhid` is its Software Heritage identifier.
    """

    path: Path
    kind: str
    description: str
    digest: str
    swhid: str
    files: tuple[SourceFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report's form: no local path but in the description."""
        return {
            "kind": self.kind,
            "description": self.description,
            "digest": self.digest,
            "swhid": self.swhid,
            "files": [asdict(file) for file in self.files],
        }
