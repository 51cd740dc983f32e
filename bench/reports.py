"""Every form of a report of 10,000 members and 200,000 patches."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import measure
from bench.table import Section, megabytes, seconds

MEMBERS, PATCHES = 10_000, 20
AIM_SECONDS, AIM_BYTES = 10.0, 1 << 30
RENDER = """
import resource, sys, time
from pathlib import Path
from tests import reports
from verifier.report import forms, terminal
name, path = sys.argv[1], Path(sys.argv[2])
report = reports.large({members}, {patches})
started = time.perf_counter(), time.process_time()
if name == "terminal":
    shown = terminal.text(report, verbose=True)
    path.write_text(shown, "utf-8")
elif name != "nothing":
    forms.write(report, {{name: path}})
print(time.perf_counter() - started[0], time.process_time() - started[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def run() -> Section:
    """Each form in a process of its own; what the report itself needs is in the first row."""
    from verifier.report.forms import FORMS  # noqa: PLC0415 - what is measured imports it too

    section = Section(("form", "wall", "processor", "peak memory", "size", "aim"))
    with tempfile.TemporaryDirectory() as work:
        for name in ("nothing", "terminal", *FORMS):
            path = Path(work) / f"report.{name}"
            code = RENDER.format(members=MEMBERS, patches=PATCHES)
            wall, took, peak = measure.printed([sys.executable, "-c", code, name, str(path)])
            size = path.stat().st_size if path.exists() else 0
            label = "(the report in memory)" if name == "nothing" else name
            cells = (seconds(wall), seconds(took), megabytes(int(peak)), megabytes(size))
            section.add(label, *cells, "10 s, 1 GiB")
            section.kept = section.kept and took < AIM_SECONDS and peak < AIM_BYTES
        saved = Path(work) / "report.json"
        for command in (("show", saved, "--quiet"), ("diff", saved, saved)):
            cost = measure.run(measure.verifier(*command))
            size = saved.stat().st_size
            named = f"verifier {command[0]} (whole process)"
            figures = (seconds(cost.wall), seconds(cost.processor), megabytes(cost.memory))
            section.add(named, *figures, megabytes(size), "")
    section.notes.append(
        f"{MEMBERS:,} members, {MEMBERS * PATCHES:,} patches, {MEMBERS // 2:,} differences in a "
        "tenth of the members. The aim is held against the processor's seconds. The terminal's is "
        "`--verbose`, all of it."
    )
    return section
