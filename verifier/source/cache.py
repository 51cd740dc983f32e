"""The cache: a directory outside the tree, shared by runs that may happen at the same time.

A thing is made in a scratch directory, then renamed into its place: what has its final name is
whole. Locks are `flock`s, so a killed run leaves none behind: on files of their own for what one
run at a time may do, and on an entry itself, shared, by each run that uses it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "source-binary-verifier"
_held: dict[Path, int] = {}  # descriptors of the entries that this process uses, until its end


def default_directory() -> Path:
    """$VERIFIER_CACHE, else $XDG_CACHE_HOME/…, else /var/cache/… for root and ~/.cache/… for users.

    Root's own home is closed to the unprivileged user that builds there, hence /var/cache.
    """
    if given := os.environ.get("VERIFIER_CACHE"):
        return Path(given).absolute()
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given).absolute() / NAME
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/cache") / NAME
    return Path.home() / ".cache" / NAME


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache directory."""

    directory: Path

    @classmethod
    def open(cls, directory: Path | None = None) -> Cache:
        """The cache at `directory`, or at `default_directory()`; made when missing."""
        cache = cls(directory.absolute() if directory else default_directory())
        cache.under("locks")
        return cache

    def under(self, *parts: str) -> Path:
        """A directory of the cache, made when missing; others may enter it, as builders must."""
        path = self.directory.joinpath(*parts)
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"The cache {path} cannot be made: {error.strerror}; set VERIFIER_CACHE."
            ) from error
        return path

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock called `name`, waiting for another run that has it."""
        import fcntl  # noqa: PLC0415 - absent on Windows, where nothing is rebuilt

        try:
            handle = (self.under("locks") / f"{name}.lock").open("a")
        except OSError as error:
            raise SourceError(
                f"The cache {self.directory} cannot be written: {error.strerror}; "
                "set VERIFIER_CACHE to a directory of your own."
            ) from error
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private directory on the cache's file system, removed afterwards if it still exists."""
        path = Path(tempfile.mkdtemp(dir=self.under("scratch")))
        hold(path)
        try:
            yield path
        finally:
            remove(path)
            release(path)

    def discard(self, path: Path) -> None:
        """Take a damaged entry away, to be made again; SourceError while another run uses it."""
        release(path)
        with self.scratch() as scratch:
            if not take_away(path, scratch / "damaged"):
                raise SourceError(f"{path} in the cache is damaged, and in use; retry later.")


def hold(path: Path) -> bool:
    """Use an entry, so that no other run removes it before this process ends or releases it.

    False where there is no such entry (any more): then it is to be made.
    """
    if path in _held and not _same(_held[path], path):
        release(path)
    if path in _held:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SourceError(f"{path} of the cache cannot be read: {error.strerror}.") from error
    _lock(descriptor, exclusive=False)
    if not _same(descriptor, path):  # removed while this waited
        os.close(descriptor)
        return False
    _held[path] = descriptor
    with contextlib.suppress(OSError):  # another user's cache
        os.utime(path)  # when it was last used
    return True


def release(path: Path) -> None:
    """Use an entry no longer."""
    if (descriptor := _held.pop(path, None)) is not None:
        os.close(descriptor)


def publish(made: Path, final: Path) -> Path:
    """Rename `made` to `final` and hold it; when another run was first, keep its twin."""
    final.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    _lock(descriptor, exclusive=False)  # before others can see it
    while True:
        try:
            made.rename(final)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
                os.close(descriptor)
                raise SourceError(f"{final} cannot be put in place: {error.strerror}.") from error
            if hold(final):
                os.close(descriptor)
                remove(made)
                return final
        else:
            release(final)
            _held[final] = descriptor
            return final


def take_away(path: Path, into: Path) -> bool:
    """Move an entry that no run uses to `into`, on the same file system; False if one does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not _lock(descriptor, exclusive=True) or not _same(descriptor, path):
            return False
        path.rename(into)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def in_use(path: Path) -> bool:
    """Whether a run uses the entry at this moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _lock(descriptor, exclusive=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, exclusive: bool) -> bool:
    """Wait for a shared lock, or try for an exclusive one."""
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows, where nothing is rebuilt
    except ImportError:
        return not exclusive
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        there, held = path.lstat(), os.fstat(descriptor)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def remove(path: Path) -> None:
    """Remove a tree, even one whose directories a build made unwritable; never follow links.

    Nothing beside the tree is touched, also where it cannot be removed or is not there.
    """

    def retry(function: object, name: str, _error: object) -> None:
        inside = Path(name)
        with contextlib.suppress(OSError):
            if path in inside.parents:
                inside.parent.chmod(0o700)
            if function in (os.rmdir, os.unlink):
                function(name)
            else:
                inside.chmod(0o700)
                shutil.rmtree(name, ignore_errors=True)

    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, onerror=retry)
