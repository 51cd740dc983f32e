"""A tree whose directories list their entries the other way round.

By disorderfs where it can be mounted: it lists whatever the build makes there in reverse, too. Else
on a tmpfs, which lists by age where other file systems list by hashes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import process
from verifier.errors import BuildError, ToolError
from verifier.rebuild.user import give

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.rebuild.sandbox.base import Room

SHARED = Path("/dev/shm")  # noqa: S108 - used with names of our own
DISORDERFS, TMPFS = "by disorderfs", "on a tmpfs"
_SECONDS = 30


def way() -> str:
    """How the order is varied here: `DISORDERFS` or `TMPFS`; BuildError where neither can be."""
    if _mounts():
        return DISORDERFS
    if not _is_tmpfs(SHARED):
        raise BuildError(
            f"disorderfs cannot be mounted and {SHARED} is no tmpfs: the order of directories "
            "cannot be varied here; install disorderfs, and run as root where /dev/fuse is."
        )
    return TMPFS


@contextlib.contextmanager
def relisted(room: Room) -> Iterator[Path]:
    """A path of the room's tree, as it was laid, where it lists the other way round.

    Raises:
        BuildError: nothing here can do that.
    """
    how = way()
    with _folder() as folder:
        tree = folder / "tree"
        tree.mkdir(mode=0o755)
        if how == DISORDERFS:
            with _mounted(room.tree, tree):
                yield tree
            return
        _copy(room.tree, tree, _lists_oldest_first(folder))
        if room.settings.kind != "host":
            give(tree, room.uid)
        yield tree


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A new directory that the build user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="verifier-", dir=SHARED if SHARED.is_dir() else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        from verifier.source.cache import remove  # noqa: PLC0415 - as the scratch of the cache

        remove(folder)


@contextlib.contextmanager
def _mounted(below: Path, at: Path) -> Iterator[None]:
    """Mount disorderfs over `below`; `--multi-user` lets the build user in where root mounts."""
    everyone = ("--multi-user=yes",) if os.geteuid() == 0 else ()
    options = (*everyone, "--quiet", "--reverse-dirents=yes", "--pad-blocks=0")
    done = process.run(["disorderfs", *options, str(below), str(at)], seconds=_SECONDS)
    if done.status != 0 or not os.path.ismount(at):
        said = done.stderr.decode(errors="replace").strip()
        raise BuildError(f"disorderfs could not be mounted: {said or 'no reason given'}")
    try:
        yield
    finally:
        _unmount(at)


def _unmount(at: Path) -> None:
    """Let go of it; what is still open there goes with its last process."""
    ways = (["umount", str(at)], ["umount", "--lazy", str(at)])
    if os.geteuid() != 0:
        ways = (["fusermount3", "-u", str(at)], ["fusermount3", "-u", "-z", str(at)])
    for argv in ways:
        if process.run(argv, seconds=_SECONDS).status == 0:
            return
    raise BuildError(f"disorderfs is still mounted at {at}; unmount it by hand.")


@cache
def _mounts() -> bool:
    """Whether disorderfs is here, can be mounted, and does what it is asked for: tried once."""
    try:
        with _folder() as folder:
            below, at = folder / "below", folder / "at"
            below.mkdir()
            at.mkdir()
            for name in "abcdefgh":
                (below / name).touch()
            with _mounted(below, at):
                return os.listdir(at) == os.listdir(below)[::-1]  # noqa: PTH208 - the order counts
    except (BuildError, ToolError, OSError):
        return False


def _copy(source: Path, target: Path, forwards: bool) -> None:
    with os.scandir(source) as listing:
        entries = list(listing)
    for entry in reversed(entries) if forwards else entries:
        path = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            path.mkdir()
            _copy(Path(entry.path), path, forwards)
            shutil.copystat(entry.path, path)
        else:
            shutil.copy2(entry.path, path, follow_symlinks=False)


def _lists_oldest_first(directory: Path) -> bool:
    """How this file system lists: measured, since kernels differ."""
    probe = directory / "probe"
    probe.mkdir()
    names = [str(number) for number in range(8)]
    for name in names:
        (probe / name).touch()
    listed = os.listdir(probe)  # noqa: PTH208 - the order is what is asked for
    shutil.rmtree(probe)
    if listed not in (names, names[::-1]):
        raise BuildError(f"{directory} does not list by age: the order cannot be varied there.")
    return listed == names


def _is_tmpfs(path: Path) -> bool:
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[1:3] == [str(path), "tmpfs"] for line in lines)
