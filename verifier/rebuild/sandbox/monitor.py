"""Watches a running step for what the kernel is not asked to bound, or cannot be by this user."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.rebuild.inputs import Recorder
    from verifier.rebuild.sandbox.cgroup import Group
    from verifier.spec import Limits

RECORD = "record"  # the limit of what a recording may take
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


_NO_FORK = re.compile(r"cannot fork|fork: .*(temporarily unavailable|retry)", re.IGNORECASE)


class Monitor:
    """`check` names the limit that a step has passed, or None."""

    def __init__(
        self,
        caps: Limits,
        group: Group,
        written: Iterable[Path],
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self._caps, self._group, self._written = caps, group, tuple(written)
        self._count = not (group.bounds("memory") and group.bounds("pids"))
        self._next_disk = 0.0

    def check(self, pid: int) -> str | None:
        """Look once; called about five times a second with the step's outermost process."""
        if event := self._group.event():
            return event
        if self._count:
            threads, memory = usage(pid)
            if threads > self._caps.processes and not self._group.bounds("pids"):
                return "processes"
            if memory > self._caps.memory and not self._group.bounds("memory"):
                return "memory"
        started = time.monotonic()
        if started >= self._next_disk:
            over = self._disk_over()
            recorded = self._recorder is not None and self._recorder.over()
            # A large tree takes long to walk: give the walk a tenth of the time at most.
            self._next_disk = time.monotonic() + 9 * (time.monotonic() - started)
            return "disk" if over else RECORD if recorded else None
        return None

    def check_last(self, said: str) -> str | None:
        """Look after a failure: the cause may lie between the last look and the end.

        Only what the step said tells that its user's own limit refused it a process.
        """
        if event := self._group.event():
            return event
        if self._disk_over():
            return "disk"
        return "processes" if _NO_FORK.search(said) else None

    def _disk_over(self) -> bool:
        return sum(occupied(path) for path in self._written) > self._caps.disk


def occupied(path: Path) -> int:
    """Bytes of disk under a directory, each file once for each of its names; links not followed."""
    total = 0
    waiting = [os.fsencode(path)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as listing:
            for entry in listing:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += found.st_blocks * 512
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(entry.path)
    return total


def usage(pid: int) -> tuple[int, int]:
    """Threads and resident bytes of a process and all below it.

    Orphans inside a pid namespace fall to its first process, which is below `pid` too.
    Pages that processes share are counted for each: an upper bound.
    """
    threads = memory = 0
    waiting = [pid]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        with contextlib.suppress(OSError, ValueError, IndexError):
            memory += int((process / "statm").read_text().split()[1]) * PAGE
            for task in (process / "task").iterdir():
                threads += 1
                waiting += map(int, (task / "children").read_text().split())
    return threads, memory
