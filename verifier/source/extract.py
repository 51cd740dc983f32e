"""Bounded extraction of tar and zip that never writes, or links, out of its directory.

No name may pass through a link that the archive made, which is stricter than tarfile's own
filter and does not depend on the release of Python that runs.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Literal

from verifier import limits
from verifier.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError,
           RuntimeError, NotImplementedError, ValueError)  # fmt: skip
_COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x5d\0\0", "xz"))


def extract(archive: Path, into: Path) -> None:
    """Extract a tar (plain, gz, bz2, xz) or zip into an existing, empty directory.

    Raises:
        SourceError: neither, broken, past a limit, or with an entry that leads outside.
    """
    writer = Writer(into)
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, writer)
        else:
            _extract_tar(archive, writer)
        writer.finish()
    except _BROKEN as error:
        raise SourceError(
            f"The archive {archive.name} is broken or no archive: {error}."
        ) from error


def extract_tar(archive: Path, into: Path) -> None:
    """Extract a tar that is not compressed; SourceError as `extract` has it."""
    writer = Writer(into)
    try:
        _extract_tar(archive, writer, "r:")
        writer.finish()
    except _BROKEN as error:
        raise SourceError(f"The tar {archive.name} is broken or no tar: {error}.") from error


def unpacked(archive: Path, into: Path) -> None:
    """Write what a gzip, bzip2, xz or lzma file holds, all of its streams.

    Raises:
        SourceError: none of these, broken, or larger than a source may be.
    """
    with archive.open("rb") as file:
        head = file.read(6)
    way = next((way for start, way in _COMPRESSED if head.startswith(start)), None)
    if way is None:
        raise SourceError(
            f"{archive.name} is no gzip, bzip2, xz or lzma file, so that no tar in it was signed; "
            'let the signature be over the "archive".'
        )
    room = limits.SOURCE_BYTES
    try:
        with _stream(archive, way) as stream, into.open("wb") as made:
            while chunk := stream.read(1 << 20):
                room -= len(chunk)
                if room < 0:
                    raise SourceError(f"The tar in {archive.name} is too large.")
                made.write(chunk)
    except _BROKEN as error:
        raise SourceError(f"The archive {archive.name} is broken: {error}.") from error


def _stream(archive: Path, way: str) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    """The same readers as those of tarfile."""
    if way == "gzip":
        return gzip.GzipFile(archive, "rb")
    return bz2.BZ2File(archive) if way == "bzip2" else lzma.LZMAFile(archive)


def _extract_tar(archive: Path, writer: Writer, mode: Literal["r:*", "r:"] = "r:*") -> None:
    with tarfile.open(archive, mode) as tar:
        for entry in tar:
            if entry.isdir():
                writer.directory(entry.name, entry.mtime)
            elif entry.issym():
                writer.link(entry.name, entry.linkname)
            elif entry.islnk():
                writer.twin(entry.name, entry.linkname)
            elif entry.isreg() and (content := tar.extractfile(entry)) is not None:
                with content:
                    writer.file(entry.name, content, entry.mode, entry.mtime)
            else:
                raise SourceError(f"The archive's {entry.name!r} is a device or pipe; refused.")


def _extract_zip(archive: Path, writer: Writer) -> None:
    with zipfile.ZipFile(archive) as container:
        for entry in container.infolist():
            mode = entry.external_attr >> 16
            if entry.is_dir():
                writer.directory(entry.filename, None)
                continue
            with container.open(entry) as content:
                if stat.S_ISLNK(mode):
                    writer.link(entry.filename, content.read(limits.NAME_BYTES).decode())
                elif mode == 0 or stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0:
                    writer.file(entry.filename, content, mode or 0o644, None)
                else:
                    raise SourceError(f"The archive's {entry.filename!r} is no file; refused.")


class Writer:
    """Writes entries below one directory; counts them and their bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bytes = 0
        self._count = 0
        self._times: list[tuple[Path, float]] = []

    def directory(self, name: str, mtime: float | None) -> None:
        """Make a directory, or accept the one that is there."""
        path = self._place(name)
        if path != self._root and not (path.is_dir() and not path.is_symlink()):
            path.mkdir(mode=0o755)
        if mtime is not None:
            self._times.append((path, mtime))

    def file(self, name: str, content: IO[bytes], mode: int, mtime: float | None) -> None:
        """Write a regular file; of its mode only the executable bit is kept."""
        path = self._fresh(name)
        with path.open("xb") as target:
            while chunk := content.read(1 << 20):
                self._bytes += len(chunk)
                if self._bytes > limits.SOURCE_BYTES:
                    raise SourceError(f"The archive holds over {limits.SOURCE_BYTES} bytes.")
                target.write(chunk)
        path.chmod(0o755 if mode & 0o100 else 0o644)
        if mtime is not None:
            os.utime(path, (mtime, mtime))

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link that stays inside."""
        path = self._fresh(name)
        parts = [*path.parent.relative_to(self._root).parts]
        for part in target.split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part == ".." or target.startswith("/"):
                raise SourceError(f"The archive's link {name!r} leads outside: {target!r}.")
            elif part not in ("", "."):
                parts.append(part)
        path.symlink_to(target)

    def twin(self, name: str, target: str) -> None:
        """Make a hard link to a file that was extracted before."""
        there = self._place(target)
        if there.is_symlink() or not there.is_file():
            raise SourceError(f"The archive's hard link {name!r} names no earlier file.")
        self._fresh(name).hardlink_to(there)

    def finish(self) -> None:
        """Set the directories' times, which writing into them changed."""
        for path, mtime in reversed(self._times):
            os.utime(path, (mtime, mtime))

    def _fresh(self, name: str) -> Path:
        """A place for a file; a later entry of the same name replaces a file, as tar does."""
        path = self._place(name)
        if path == self._root or (path.is_dir() and not path.is_symlink()):
            raise SourceError(f"The archive's {name!r} would replace a directory.")
        path.unlink(missing_ok=True)
        return path

    def _place(self, name: str) -> Path:
        self._count += 1
        if self._count > limits.MEMBERS:
            raise SourceError(f"The archive has more than {limits.MEMBERS} entries.")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise SourceError(f"The archive's entry {name!r} leads outside; refused.")
        path = self._root
        for part in parts[:-1]:
            path /= part
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o755)
            if path.is_symlink() or not path.is_dir():
                raise SourceError(f"The archive's entry {name!r} passes through a link; refused.")
        return path / parts[-1] if parts else path
