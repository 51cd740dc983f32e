"""One pass over a directory: every path with its mode and SHA-256, and the tree's SWHID.

A SWHID of a directory is the id that git gives the same tree, with one extension of Software
Heritage: empty directories count. Modes come down to git's four: file, executable, link, tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import SourceError
from verifier.source.base import SourceFile
from verifier.source.swhid import object_id

if TYPE_CHECKING:
    from pathlib import Path

# The metadata of a checkout is neither digested nor built: it changes with every fetch.
SKIPPED = frozenset({b".git"})
DEPTH = 200  # directories inside directories; below what recursion allows


class Entry(NamedTuple):
    """One path of a tree, relative to its top, as `os.fsdecode` gives it.

    `kind` is `file`, `link` or `directory`. `mode` holds the permission bits, 0 for a link, which
    has none. `size` and `sha256` are of the content, of a link's target as bytes, and 0 and empty
    for a directory. `swhid` is of the content or directory.
    """

    path: str
    kind: str
    mode: int
    size: int
    sha256: str
    swhid: str
    target: str = ""


class Tree(NamedTuple):
    """What a directory holds.

    `digest` is the SHA-256 of the manifest: one line of git's mode, SHA-256 and path for each
    file and link. `object_id` is git's id of the tree by the algorithm that was asked for.
    """

    files: tuple[SourceFile, ...]
    digest: str
    swhid: str
    entries: tuple[Entry, ...]
    object_id: str


def scan(root: Path, algorithm: str = "sha1") -> Tree:
    """Digest the tree at `root`, without its top-level .git.

    `algorithm` is that of git's ids: SWHIDs are SHA-1, repositories may use SHA-256.

    Raises:
        SourceError: unreadable, a device, socket or pipe inside, too many files, or too deep.
    """
    scanner = _Scanner(algorithm)
    try:
        tree = scanner.directory(os.fsencode(root), b"", SKIPPED, 0)
    except OSError as error:
        raise SourceError(f"{error.filename!s} cannot be read: {error.strerror}.") from error
    return Tree(
        files=tuple(scanner.files),
        digest=hashlib.sha256(b"".join(sorted(scanner.manifest))).hexdigest(),
        swhid=f"swh:1:dir:{tree[0]}",
        entries=tuple(sorted(scanner.entries, key=lambda entry: os.fsencode(entry.path))),
        object_id=tree[1],
    )


def content_swhid(path: Path) -> str:
    """The SWHID of one file's bytes."""
    with path.open("rb") as file:
        return f"swh:1:cnt:{_blob(file.fileno(), 'sha1').sha1}"


class _Blob(NamedTuple):
    size: int
    sha1: str  # git's id, as in a SWHID
    other: str  # git's id by the algorithm asked for
    sha256: str  # of the content alone


class _Scanner:
    def __init__(self, algorithm: str) -> None:
        self.files: list[SourceFile] = []
        self.entries: list[Entry] = []
        self.manifest: list[bytes] = []
        self._algorithm = algorithm

    def directory(
        self, path: bytes, prefix: bytes, skipped: frozenset[bytes], depth: int
    ) -> tuple[str, str]:
        """The tree's ids: by SHA-1, and by the algorithm asked for."""
        if depth > DEPTH:
            raise SourceError(f"{os.fsdecode(path)} lies deeper than {DEPTH} directories.")
        found = []
        with os.scandir(path) as listing:
            for entry in sorted(listing, key=lambda item: item.name):
                if entry.name in skipped:
                    continue
                mode, ids = self._entry(entry, prefix + entry.name, depth)
                # git sorts a directory as if its name ended in a slash
                key = entry.name + b"/" if mode == b"40000" else entry.name
                found.append((key, mode + b" " + entry.name + b"\0", ids))
        found.sort()
        rows = [b"".join(head + bytes.fromhex(ids[i]) for _, head, ids in found) for i in (0, 1)]
        return object_id("tree", rows[0]), object_id("tree", rows[1], self._algorithm)

    def _entry(
        self, entry: os.DirEntry[bytes], name: bytes, depth: int
    ) -> tuple[bytes, tuple[str, str]]:
        mode = entry.stat(follow_symlinks=False).st_mode
        shown = os.fsdecode(name)
        if stat.S_ISDIR(mode):
            ids = self.directory(entry.path, name + b"/", frozenset(), depth + 1)
            swhid = f"swh:1:dir:{ids[0]}"
            self._list(Entry(shown, "directory", stat.S_IMODE(mode), 0, "", swhid))
            return b"40000", ids
        if stat.S_ISLNK(mode):
            target = os.readlink(entry.path)  # noqa: PTH115 - bytes, as git has them
            kind, blob = b"120000", self._link(target)
            found = Entry(shown, "link", 0, *_facts(blob), os.fsdecode(target))
        elif stat.S_ISREG(mode):
            mode, blob = self._file(entry.path)
            kind = b"100755" if mode & 0o100 else b"100644"
            found = Entry(shown, "file", stat.S_IMODE(mode), *_facts(blob))
        else:
            raise SourceError(f"{os.fsdecode(entry.path)} is no file, link or directory.")
        self._list(found)
        self.files.append(SourceFile(shown, blob.size, blob.sha256))
        self.manifest.append(b"%s %s %s\0" % (kind, blob.sha256.encode(), name))
        return kind, (blob.sha1, blob.other)

    def _file(self, path: bytes) -> tuple[int, _Blob]:
        """Mode and digests of what was opened, should the name mean another file by now."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.fstat(descriptor).st_mode, _blob(descriptor, self._algorithm)
        finally:
            os.close(descriptor)

    def _link(self, target: bytes) -> _Blob:
        return _Blob(
            len(target),
            object_id("blob", target),
            object_id("blob", target, self._algorithm),
            hashlib.sha256(target).hexdigest(),
        )

    def _list(self, entry: Entry) -> None:
        if len(self.entries) >= limits.MEMBERS:
            raise SourceError(f"The source has more than {limits.MEMBERS} files and directories.")
        self.entries.append(entry)


def _facts(blob: _Blob) -> tuple[int, str, str]:
    return blob.size, blob.sha256, f"swh:1:cnt:{blob.sha1}"


def _blob(descriptor: int, algorithm: str) -> _Blob:
    """Size, git object ids and SHA-256 of an open file, in one reading."""
    size = os.fstat(descriptor).st_size
    head = b"blob %d\0" % size
    git = hashlib.sha1(head, usedforsecurity=False)
    other = None if algorithm == "sha1" else hashlib.new(algorithm, head)
    sha256 = hashlib.sha256()
    seen = 0
    while chunk := os.read(descriptor, 1 << 20):
        seen += len(chunk)
        git.update(chunk)
        sha256.update(chunk)
        if other is not None:
            other.update(chunk)
    if seen != size:
        raise SourceError("A source file changed while it was read; leave the tree alone.")
    return _Blob(size, git.hexdigest(), (other or git).hexdigest(), sha256.hexdigest())
