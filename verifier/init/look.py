"""What a tree and shipped files are, by a bounded look at them; nothing of them runs."""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_READ = 1 << 20  # bytes of one build file that are looked at
_FILES = 20_000  # of a tree
_STARTS = {
    b"!<arch>\ndebian-binary": "deb",
    b"\x7fELF": "elf",
    b"MZ": "pe",
    b"ClamAV-VDB:": "clamav",
    b"YARA": "yara",
    b"PK\3\4": "zip",
    b"\x1f\x8b": "gzip",
}
_MACHINES = {0x8664: "x86_64", 0x14C: "i686", 0xAA64: "aarch64"}


class Shipped(NamedTuple):
    """One shipped file.

    `kind` is "deb", "wheel", "pe", "elf", "clamav", "yara", "archive" or "other"; `machine` is
    that of a PE image; `names` are the files in an archive.
    """

    path: Path
    kind: str
    machine: str = ""
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the build probably calls it: without the ending of a signed copy."""
        return self.path.name.removesuffix(".signed")


class Look(NamedTuple):
    """The audited tree and the shipped files."""

    tree: Path
    shipped: tuple[Shipped, ...]

    def has(self, *names: str) -> bool:
        """Whether the tree has any of these files."""
        return any((self.tree / name).is_file() for name in names)

    def text(self, name: str) -> str:
        """The start of a file of the tree; empty if there is none."""
        return read_text(self.tree / name)

    def files(self) -> Iterator[str]:
        """Relative paths of the regular files, sorted within each directory; a bounded number."""
        count = 0
        for parent, directories, names in os.walk(self.tree):
            directories[:] = sorted(name for name in directories if name != ".git")
            for name in sorted(names):
                count += 1
                if count > _FILES:
                    return
                yield (Path(parent) / name).relative_to(self.tree).as_posix()

    def kinds(self) -> frozenset[str]:
        """Kinds of the shipped files."""
        return frozenset(each.kind for each in self.shipped)

    def machine(self) -> str:
        """The machine of the shipped PE images; empty where there are none."""
        return next((each.machine for each in self.shipped if each.kind == "pe"), "")


def read_text(path: Path) -> str:
    """The start of a text file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_READ).decode("utf-8", "replace")
    except OSError:
        return ""


def look(tree: Path, shipped: Sequence[Path]) -> Look:
    """Look at a tree and the files that were shipped; UsageError for what is not there."""
    return Look(tree, tuple(_shipped(path) for path in shipped))


def _shipped(path: Path) -> Shipped:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UsageError(f"The shipped file {path} cannot be read: {error.strerror}.") from error
    kind = next((kind for start, kind in _STARTS.items() if head.startswith(start)), "other")
    if kind == "pe":
        place = int.from_bytes(head[60:64], "little")
        machine = int.from_bytes(head[place + 4 : place + 6], "little")
        known = head[place : place + 4] == b"PE\0\0"
        return Shipped(path, "pe" if known else "other", _MACHINES.get(machine, "x86_64"))
    if kind == "zip":
        names = _zip_names(path)
        wheel = any(re.fullmatch(r"[^/]+\.dist-info/WHEEL", name) for name in names)
        return Shipped(path, "wheel" if wheel else "archive", names=names)
    if kind == "gzip" or head[257:262] == b"ustar":
        return Shipped(path, "archive", names=_tar_names(path))
    return Shipped(path, kind)


def _zip_names(path: Path) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(path) as container:
            return tuple(container.namelist()[:_FILES])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ()


def _tar_names(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    try:
        with tarfile.open(path, "r:*") as container:
            for entry in container:
                found.append(entry.name + ("/" if entry.isdir() else ""))
                if len(found) >= _FILES:
                    break
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError):
        return ()
    return tuple(found)
