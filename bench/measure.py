"""Whole processes, measured from outside: wall time, processor time, memory."""

from __future__ import annotations

import compileall
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

VERIFIER = shutil.which("verifier", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
SAMPLE = 0.02  # seconds between looks at the memory of a running tree


class Cost(NamedTuple):
    """What one run took; `memory` is the sum over its processes, at its peak, in bytes.

    Memory is proportional set size: pages shared by several processes count
    once. It is looked at every 20 ms, and is at least the peak of the largest
    process.
    """

    wall: float
    processor: float
    memory: int
    status: int


def run(command: list[str], *, timeout: float = 600.0, cwd: Path | None = None) -> Cost:
    """Run once; output goes nowhere. A run that is stopped has status -9."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    watch = _Watch(process.pid)
    stop = threading.Timer(timeout, lambda: os.killpg(process.pid, 9))
    stop.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    stop.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = sum(after[:2]) - sum(before[:2])  # workers included: their parent waits for them
    return Cost(wall, spent, max(watch.peak(), usage.ru_maxrss * 1024), process.returncode)


def printed(command: list[str], *, timeout: float = 600.0) -> list[float]:
    """The numbers that a program prints of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout)
    return [float(word) for word in done.stdout.split()]


def alternating(
    commands: dict[str, list[str]], times: int, *, timeout: float = 600.0
) -> dict[str, Cost]:
    """Medians of `times` runs of each command, taken in turns so that noise meets all alike."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            found[name].append(run(command, timeout=timeout))
    return {name: _median(costs) for name, costs in found.items()}


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.processor for cost in costs),
        max(cost.memory for cost in costs),
        costs[-1].status,
    )


class _Watch:
    """Looks at the memory of a process and its descendants, in a thread."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peak(self) -> int:
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while Path(f"/proc/{self._pid}/stat").exists():
            sizes = [_proportional(pid) for pid in _tree(self._pid)]
            self._peak = max(self._peak, sum(sizes))
            time.sleep(SAMPLE)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in found:
        try:
            text = Path(f"/proc/{task}/task/{task}/children").read_text()
        except OSError:
            continue
        found.extend(map(int, text.split()))
    return found


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    # Mapped files are page cache that the system takes back at will: private memory counts.
    keys = ("Pss_Anon:", "Pss_Shmem:")
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(keys))


TYPER = '''import typer
app = typer.Typer()
@app.command()
def one(name: str = "x") -> None:
    """The first of two commands."""
    typer.echo(name)
@app.command()
def two(number: int = 1) -> None:
    """The second of two commands."""
    typer.echo(number)
app()
'''


def bare_typer() -> list[str]:
    """The command line of a program with two commands and nothing else."""
    path = Path(tempfile.gettempdir()) / "bench-bare-typer.py"
    path.write_text(TYPER)
    return [sys.executable, str(path)]


@cache
def _compiled() -> None:
    """Byte code of the package, as pip leaves it: under PYTHONDONTWRITEBYTECODE none is kept."""
    found = importlib.util.find_spec("verifier")
    assert found, "install the verifier into this environment first"
    for package in found.submodule_search_locations or ():
        compileall.compile_dir(package, quiet=1)


def verifier(*arguments: str | Path) -> list[str]:
    """The command line of the verifier, whose byte code is there as after any installation."""
    assert VERIFIER, "install the verifier into this environment first"
    _compiled()
    return [VERIFIER, *map(str, arguments)]
