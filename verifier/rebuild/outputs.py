"""Take what a build produced out of its tree, trusting none of its names and links."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.model import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONAL = frozenset({"*.udeb"})  # few Debian packages make any


def collect(tree: Path, globs: Sequence[str], into: Path) -> tuple[Output, ...]:
    """Copy the regular files that the globs match, keeping their relative paths.

    Raises:
        BuildError: a glob matches nothing, or a match is reached through a link.
    """
    names: set[str] = set()
    for glob in globs:
        found = {path.relative_to(tree).as_posix() for path in tree.glob(glob) if _plain(path)}
        if not found and glob not in OPTIONAL:
            raise BuildError(f"The build made no file that matches the output {glob!r}.")
        names |= found
    return tuple(_copy(tree, name, into) for name in sorted(names))


def _plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _copy(tree: Path, name: str, into: Path) -> Output:
    """Copy one file, opening each part of its path without following links."""
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    descriptor = _open(tree, Path(name).parts)
    with os.fdopen(descriptor, "rb") as source, target.open("wb") as copy:
        mode = os.fstat(source.fileno()).st_mode
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
            copy.write(chunk)
    target.chmod(0o755 if mode & 0o100 else 0o644)  # never setuid, whatever the build set
    return Output(name, size, digest.hexdigest())


def _open(tree: Path, parts: Sequence[str]) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open(tree, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=here)
    except OSError as error:
        raise BuildError(
            f"The output {'/'.join(parts)!r} cannot be read plainly: {error.strerror}."
        ) from error
    finally:
        os.close(here)
