"""The cache: a directory outside the tree, shared by runs that may happen at the same time.

A thing is made in a scratch directory, then renamed into its place: what has its final name is
whole. Locks are `flock`ed files, so a killed run leaves none behind.
"""

from __future__ import annotations

import contextlib
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
        try:
            yield path
        finally:
            remove(path)


def publish(made: Path, final: Path) -> Path:
    """Rename `made` to `final`; when another run was first, keep its twin and drop ours."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(final)
    except OSError:
        if not final.exists():
            raise
        remove(made)
    return final


def remove(path: Path) -> None:
    """Remove a tree, even one whose directories a build made unwritable; never follow links."""

    def retry(function: object, name: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            Path(name).parent.chmod(0o700)
            if function in (os.rmdir, os.unlink):
                function(name)
            else:
                Path(name).chmod(0o700)
                shutil.rmtree(name, ignore_errors=True)

    shutil.rmtree(path, onerror=retry)
