"""One pass over a directory: every file's SHA-256, and the tree's SWHID.

A SWHID of a directory is the id that git gives the same tree, with one extension of Software
Heritage: empty directories count. Modes come down to git's four: file, executable, link, tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import SourceError
from verifier.source.base import SourceFile

if TYPE_CHECKING:
    from pathlib import Path

# The metadata of a checkout is neither digested nor built: it changes with every fetch.
SKIPPED = frozenset({b".git"})


@dataclass(frozen=True, slots=True)
class Tree:
    """`digest` is the SHA-256 of the manifest: one line of mode, SHA-256 and path for each file."""

    files: tuple[SourceFile, ...]
    digest: str
    swhid: str


def scan(root: Path) -> Tree:
    """Digest the tree at `root`, without its top-level .git.

    Raises:
        SourceError: unreadable, a device, socket or pipe inside, or too many files.
    """
    scanner = _Scanner()
    try:
        tree = scanner.directory(os.fsencode(root), b"", SKIPPED)
    except OSError as error:
        raise SourceError(f"{error.filename!s} cannot be read: {error.strerror}.") from error
    manifest = hashlib.sha256(b"".join(sorted(scanner.manifest)))
    return Tree(tuple(scanner.files), manifest.hexdigest(), f"swh:1:dir:{tree.hex()}")


def content_swhid(path: Path) -> str:
    """The SWHID of one file's bytes."""
    with path.open("rb") as file:
        return f"swh:1:cnt:{_blob(file.fileno())[1].hex()}"


class _Scanner:
    def __init__(self) -> None:
        self.files: list[SourceFile] = []
        self.manifest: list[bytes] = []

    def directory(self, path: bytes, prefix: bytes, skipped: frozenset[bytes]) -> bytes:
        entries = []
        with os.scandir(path) as listing:
            for entry in sorted(listing, key=lambda item: item.name):
                if entry.name in skipped:
                    continue
                mode, digest = self._entry(entry, prefix + entry.name)
                # git sorts a directory as if its name ended in a slash
                key = entry.name + b"/" if mode == b"40000" else entry.name
                entries.append((key, mode + b" " + entry.name + b"\0" + digest))
        return _object(b"tree", b"".join(data for _, data in sorted(entries)))

    def _entry(self, entry: os.DirEntry[bytes], name: bytes) -> tuple[bytes, bytes]:
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            return b"40000", self.directory(entry.path, name + b"/", frozenset())
        if stat.S_ISLNK(mode):
            target = os.readlink(entry.path)  # noqa: PTH115 - bytes, as git has them
            self._add(b"120000", name, len(target), hashlib.sha256(target).hexdigest())
            return b"120000", _object(b"blob", target)
        if not stat.S_ISREG(mode):
            raise SourceError(f"{os.fsdecode(entry.path)} is no file, link or directory.")
        kind = b"100755" if mode & 0o100 else b"100644"
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            size, git, sha256 = _blob(descriptor)
        finally:
            os.close(descriptor)
        self._add(kind, name, size, sha256)
        return kind, git

    def _add(self, mode: bytes, name: bytes, size: int, sha256: str) -> None:
        if len(self.files) >= limits.MEMBERS:
            raise SourceError(f"The source has more than {limits.MEMBERS} files.")
        self.files.append(SourceFile(os.fsdecode(name), size, sha256))
        self.manifest.append(b"%s %s %s\0" % (mode, sha256.encode(), name))


def _blob(descriptor: int) -> tuple[int, bytes, str]:
    """Size, git object id and SHA-256 of an open file, in one reading."""
    size = os.fstat(descriptor).st_size
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    sha256 = hashlib.sha256()
    seen = 0
    while chunk := os.read(descriptor, 1 << 20):
        seen += len(chunk)
        git.update(chunk)
        sha256.update(chunk)
    if seen != size:
        raise SourceError("A source file changed while it was read; leave the tree alone.")
    return size, git.digest(), sha256.hexdigest()


def _object(kind: bytes, data: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).digest()
