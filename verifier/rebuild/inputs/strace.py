"""strace around a step: its command line, and its logs as one stream in the order of time.

strace stands outside the sandbox, so that a build can neither reach the log nor leave the
recording: every process below it is followed, whatever it is linked with. Its own filter stops
the traced calls alone; the sandbox's filter holds beside it, since the stricter answer counts.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError
from verifier.rebuild.inputs.calls import TALKS, TRACED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXT = 256  # bytes of each argument of a command in the log; paths are always whole

# Only failed calls end like this: a result's path has its ">" escaped.
_FAILED = re.compile(r"\) += -1 E[A-Z0-9]+ \([^<>\"]*\)$")
_KEPT = tuple(f"{name}(" for name in TALKS)


class Line(NamedTuple):
    """One line of a log: `time` in seconds as strace wrote it, the process, and the call."""

    time: str
    pid: int
    text: str


def around(argv: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The command line that runs `argv` with one log a process in `directory`, which exists.

    strace dies with the verifier, and bubblewrap with strace.
    """
    return (
        *("setpriv", "--pdeathsig", "KILL"),
        *("strace", "-ff", "-A", "--seccomp-bpf", "-qq", "-y", "--decode-pids=pidns"),
        *("--absolute-timestamps=format:unix,precision:ns", "-s", str(TEXT), "-e", "signal=none"),
        # A call that this architecture lacks is none to miss.
        *("-e", "trace=" + ",".join(f"?{name}" for name in TRACED)),
        *("-o", f"{directory}/t", "--", *argv),
    )


def lines(directory: Path, most: int = limits.RECORD_BYTES) -> list[Line]:
    """All lines of successful calls, and of network attempts, ordered by time.

    Raises:
        LimitError: the logs are larger than `most` bytes.
    """
    found: list[Line] = []
    room = most
    with os.scandir(directory) as listing:
        for entry in listing:
            room -= entry.stat().st_size
            if room < 0:
                raise LimitError(f"The record of a build's inputs is larger than {most} bytes.")
            pid = int(entry.name.removeprefix("t."))
            found += _of(entry.path, pid)
    found.sort(key=lambda line: line.time)  # stable: within a process, the order of its log
    return found


def _of(path: str, pid: int) -> list[Line]:
    with open(path, encoding="ascii", errors="backslashreplace", newline="\n") as file:  # noqa: PTH123 - speed
        found = []
        for raw in file:
            time, _, text = raw.rstrip("\n").partition(" ")
            if text.endswith(")") and _FAILED.search(text) and not text.startswith(_KEPT):
                continue
            found.append(Line(time, pid, text))
        return found
