"""What a cache holds, and how much of it can go. Nothing that a run uses is ever removed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier.source.cache import in_use, take_away

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.source.cache import Cache

# What each entry is, by the pattern of its place. Locks are none: other runs may wait for them.
_KINDS = {
    "root": "roots/*",
    "archive": "sources/archives/*",
    "tree": "sources/trees/*",
    "commit": "sources/git/*",
    "debian-source": "sources/debian/*",
    "repository": "git/*",
    "package": "packages/*/*",
    "pypi": "pypi/*",
    "apt": "apt/*",
    "run": "runs/*",
    "scratch": "scratch/*",
}
SCRATCH_SECONDS = 3_600.0  # what is being made is locked, but for the moment of its beginning
KEPT = ("run",)  # results, which only their owner may call useless
DAY = 86_400.0


class Entry(NamedTuple):
    """One entry: `size` in bytes on disk, `used` when it was last used, in seconds since 1970."""

    kind: str
    path: Path
    size: int
    used: float
    busy: bool


class Pruned(NamedTuple):
    """What was removed, and what should have been but is in use."""

    removed: tuple[Entry, ...]
    busy: tuple[Entry, ...]


def listed(cache: Cache) -> tuple[Entry, ...]:
    """Every entry, least lately used first."""
    found = []
    for kind, pattern in _KINDS.items():
        for path in cache.directory.glob(pattern):
            try:
                used = path.lstat().st_mtime
            except OSError:
                continue  # another run removed it
            found.append(Entry(kind, path, _size(path), used, in_use(path)))
    return tuple(sorted(found, key=lambda entry: (entry.used, entry.path)))


def prune(
    cache: Cache,
    older_than: float | None = None,
    max_size: int | None = None,
    *,
    runs: bool = False,
    now: float | None = None,
) -> Pruned:
    """Remove what was not used for `older_than` days, then the oldest until `max_size` bytes.

    What killed runs left in scratch goes after an hour. Results of runs stay, unless `runs` says.
    """
    moment = time.time() if now is None else now
    entries = listed(cache)
    total = sum(entry.size for entry in entries)
    removed, busy = [], []
    for entry in entries:
        old = older_than is not None and moment - entry.used > older_than * DAY
        large = max_size is not None and total > max_size
        left = entry.kind == "scratch" and moment - entry.used > SCRATCH_SECONDS
        wanted = left if entry.kind == "scratch" else old or large
        if not wanted or (entry.kind in KEPT and not runs):
            continue
        if _remove(cache, entry.path):
            removed.append(entry)
            total -= entry.size
        else:
            busy.append(entry)
    return Pruned(tuple(removed), tuple(busy))


def _remove(cache: Cache, path: Path) -> bool:
    """Out of sight in one step, then gone: a run never sees half of an entry."""
    with cache.scratch() as scratch:
        return scratch != path and take_away(path, scratch / "gone")


def _size(path: Path) -> int:
    """Bytes on disk; a file that has two names there counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    waiting = [path]
    while waiting:
        here = waiting.pop()
        try:
            found = here.lstat()
            if here.is_dir() and not here.is_symlink():
                with os.scandir(here) as listing:
                    waiting += [here / entry.name for entry in listing]
        except OSError:
            continue
        if (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size
    return total
