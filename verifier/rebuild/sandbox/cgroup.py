"""A control group around one step, where this user may make one: true bounds on memory and pids.

Without one the monitor counts instead, five times a second.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.spec import Limits

BASE = Path("/sys/fs/cgroup")
_JOIN = 'for g in $1; do echo 0 >"$g/cgroup.procs" || exit 125; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class Group:
    """The directories of one group: one under cgroup v2, up to two under v1, or none."""

    directories: tuple[Path, ...] = ()

    def join(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line that enters the group, then becomes `argv`."""
        if not self.directories:
            return tuple(argv)
        names = " ".join(str(path) for path in self.directories)
        return ("sh", "-c", _JOIN, "sh", names, *argv)

    def bounds(self, resource: str) -> bool:
        """Whether "memory" or "pids" is bounded by the group itself."""
        return any(
            (path / f"{resource}.max").exists() or (path / f"{resource}.limit_in_bytes").exists()
            for path in self.directories
        )

    def event(self) -> str | None:
        """The limit that was met, if one was: "memory" or "processes"."""
        for path in self.directories:
            for file in ("memory.events", "memory.oom_control"):
                if _counter(path / file, "oom_kill"):
                    return "memory"
            if _counter(path / "pids.events", "max"):
                return "processes"
        return None


@contextlib.contextmanager
def open_group(caps: Limits) -> Iterator[Group]:
    """A group with these limits, removed afterwards; an empty one where it cannot be had."""
    made: list[Path] = []
    name = f"verifier-{os.getpid()}-{time.monotonic_ns()}"
    for parent, files in _places(caps):
        directory = parent / name
        try:
            directory.mkdir()
            made.append(directory)
            for file, value in files.items():
                if (directory / file).exists():
                    (directory / file).write_text(value)
        except OSError:
            if directory in made:
                made.remove(directory)
                _remove(directory)
    try:
        yield Group(tuple(made))
    finally:
        for directory in made:
            _remove(directory)


def _places(caps: Limits) -> Iterator[tuple[Path, dict[str, str]]]:
    pids = str(caps.processes)
    if (BASE / "cgroup.controllers").exists():
        enabled = _read(BASE / "cgroup.subtree_control").split()
        if "memory" in enabled and "pids" in enabled:
            files = {"memory.max": str(caps.memory), "memory.swap.max": "0", "pids.max": pids}
            yield BASE, {**files, "memory.oom.group": "1"}
        return
    own = _read(Path("/proc/self/cgroup"))
    for controller, files in (
        ("memory", {"memory.limit_in_bytes": str(caps.memory)}),
        ("pids", {"pids.max": pids}),
    ):
        path = re.search(rf"^\d+:(?:\S+,)?{controller}(?:,\S+)?:/(\S*)$", own, re.MULTILINE)
        if path and (parent := BASE / controller / path[1]).is_dir():
            yield parent, files


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _counter(path: Path, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", _read(path), re.MULTILINE)
    return int(found[1]) if found else 0


def _remove(directory: Path) -> None:
    """Remove a group; its killed processes may take a moment to leave it."""
    for _ in range(50):
        try:
            directory.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return
