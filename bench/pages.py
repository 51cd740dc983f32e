"""The HTML report of 10,000 members: making it, its size, and opening it in Chromium."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.table import Section, seconds
from tests.pages import samples
from tests.pages.browser import opened

MEMBERS, SPANS = 10_000, 206_000
MAKE, OPEN, MEMORY = 10.0, 3.0, 1 << 30  # seconds, seconds, bytes

_PROGRAM = """
import sys, time
from pathlib import Path
from tests.pages import samples
from verifier.report import page
report = samples.large(int(sys.argv[2]), int(sys.argv[3]))
started = time.perf_counter(), time.process_time()
page.write(report, Path(sys.argv[1]))
took = time.perf_counter() - started[0], time.process_time() - started[1]
Path(sys.argv[1] + ".seconds").write_text(" ".join(map(str, took)))
"""


def run() -> Section:
    """A made report of many members, and one of a few with as many spans in one."""
    section = Section(
        (
            *("report", "made in", "processor", "memory", "page"),
            *("ready in", "filtered in", "rows in the page"),
        )
    )
    for members, spans in ((MEMBERS, SPANS), (3, SPANS)):
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "page.html"
            command = [sys.executable, "-c", _PROGRAM, str(path), str(members), str(spans)]
            cost = measure.run(command, cwd=Path(samples.__file__).parents[2])
            wall, processor = map(float, Path(f"{path}.seconds").read_text().split())
            ready, filtered, rows = _browse(path)
            size = path.stat().st_size
        section.add(
            f"{members:,} members, {spans:,} spans",
            *(
                seconds(wall),
                seconds(processor),
                f"{cost.memory >> 20} MiB",
                f"{size / 1e6:.1f} MB",
            ),
            *(seconds(ready), seconds(filtered), str(rows)),
        )
        section.kept = section.kept and processor < MAKE and cost.memory < MEMORY
    section.notes.append(f"Aims: made in {MAKE:.0f} s and 1 GiB, ready in {OPEN:.0f} s.")
    return section


def _browse(path: Path) -> tuple[float, float, int]:
    """Seconds until the page is ready and until a search is shown; rows of the tree that exist."""
    with opened(path) as view:
        started = time.perf_counter()
        view.open()
        ready = time.perf_counter() - started
        started = time.perf_counter()
        view.page.fill("#search", "folder-1/")
        view.page.evaluate("() => new Promise(requestAnimationFrame)")
        return ready, time.perf_counter() - started, view.page.locator("#rows .row").count()
