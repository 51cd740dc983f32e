"""What recording inputs costs, and what a sandbox costs, on real projects; a second recorder.

`BENCH_SHIM=1` adds Debian's shim, whose build takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.fanotify import Watch
from bench.table import Section
from verifier import rebuild, source
from verifier.rebuild.inputs import recorder
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from verifier.rebuild import Build

SPECS = Path(__file__).resolve().parents[1] / "fixtures/specs"
TIMES = int(os.environ.get("BENCH_TIMES", "3"))
PROJECTS = {  # built by the host's own tools, so that a plain build has the same
    "tree": ["make -j2", "cp tree out"],
    "hello": ["./configure --quiet && make -j2", "cp hello out"],
}
PLAIN, CLOSED, TRACED = "plain", "sandboxed", "recorded"
BUILD_PATH = "/build/recorded-twice"


class Cost(NamedTuple):
    """Seconds: wall time of the steps, and processor time of reading their logs."""

    wall: float
    reading: float


def run() -> Section:
    section = Section(
        ("project", PLAIN, CLOSED, TRACED, "sandboxed ÷ plain",
         "recorded ÷ sandboxed", "read", "unaccounted", "log read in", "fanotify saw more"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-recording-", dir="/var/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        for name, steps in PROJECTS.items():
            _project(section, place / name, name, steps)
        for name in ("tree", *(("shim",) if os.environ.get("BENCH_SHIM") else ())):
            _debian(section, place / f"debian-{name}", name)
    section.notes.append(
        f"Medians of {TIMES} alternating builds (Debian packages: one of each), wall time of "
        "the steps. Reading the log is processor time after each step. `fanotify saw more`: "
        "names below the build path that a second recorder saw read or run and the record has "
        "not, of all such."
    )
    return section


def _project(section: Section, place: Path, name: str, steps: list[str]) -> None:
    tree = place / "source"
    _unpack(name, place, tree)
    costs: dict[str, list[Cost]] = {PLAIN: [], CLOSED: [], TRACED: []}
    for _ in range(TIMES):
        for way, taken in costs.items():
            taken.append(_build(_spec(place, steps, way), place)[1])
    with Watch(place) as watch:
        build, last = _build(_spec(place, steps, TRACED), place)
    costs[TRACED].append(last)
    middle = [_median(costs[way]) for way in (PLAIN, CLOSED, TRACED)]
    section.add(name, *_row(middle, build), _unseen(section, build, watch))


def _debian(section: Section, place: Path, name: str) -> None:
    place.mkdir()
    costs: list[Cost | None] = [None]
    for record in ("false", "true"):
        text = (SPECS / f"{name}.toml").read_text() + f"\n[inputs]\nrecord = {record}\n"
        (place / "spec.toml").write_text(text)
        build, cost = _build(place / "spec.toml", place)
        costs.append(cost)
    section.kept = section.kept and build.inputs is not None and not build.inputs.unaccounted
    section.add(f"{name} (Debian package)", *_row(costs, build), "")


def _unpack(name: str, place: Path, tree: Path) -> None:
    spec = load(SPECS / f"{name}.toml")
    got = source.obtain(spec, Cache.open())
    (dsc,) = (file.name for file in got.files if file.name.endswith(".dsc"))
    place.mkdir()
    command = ["dpkg-source", "--no-check", "-x", str(got.path / dsc), str(tree)]
    subprocess.run(command, check=True, capture_output=True)


def _spec(place: Path, steps: list[str], way: str) -> Path:
    kind = "host" if way == PLAIN else "bubblewrap"
    path = "" if way == PLAIN else f'build_path = "{BUILD_PATH}"'
    (place / "spec.toml").write_text(
        '[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "command"\n'
        f'steps = {json.dumps(steps)}\noutputs = ["out"]\n[sandbox]\nkind = "{kind}"\n{path}\n'
        f"[inputs]\nrecord = {str(way == TRACED).lower()}\n"
    )
    return place / "spec.toml"


def _build(path: Path, place: Path) -> tuple[Build, Cost]:
    spent = 0.0
    true = recorder.Recorder.finished

    def finished(self: recorder.Recorder, step: str, directory: str) -> None:
        nonlocal spent
        started = time.process_time()
        true(self, step, directory)
        spent += time.process_time() - started

    output = place / "output"
    shutil.rmtree(output, ignore_errors=True)
    spec, cache = load(path), Cache.open()
    got = source.obtain(spec, cache)
    recorder.Recorder.finished = finished  # type: ignore[method-assign]
    try:
        build = rebuild.rebuild(spec, got, cache, output)
    finally:
        recorder.Recorder.finished = true  # type: ignore[method-assign]
    wall = sum(step.seconds for step in build.steps if step.name != "tools")
    return build, Cost(wall, spent)


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


def _row(costs: list[Cost | None] | list[Cost], build: Build) -> list[str]:
    plain, closed, traced = costs
    assert build.inputs is not None
    assert traced is not None
    read = sum(item.files for item in build.inputs.classes)
    return [
        *(_shown(each) for each in costs),
        _ratio(closed, plain),
        _ratio(traced, closed),
        str(read),
        str(len(build.inputs.unaccounted)),
        f"{traced.reading:.2f} s",
    ]


def _shown(cost: Cost | None) -> str:
    return "" if cost is None else f"{cost.wall:.1f} s"


def _ratio(one: Cost | None, other: Cost | None) -> str:
    return "" if one is None or other is None else f"{one.wall / other.wall:.2f}x"


def _unseen(section: Section, build: Build, watch: Watch) -> str:
    """How many names below the build path fanotify has and the record has not, of how many."""
    assert build.record is not None
    record = json.loads((build.output_dir / build.record["file"]).read_text())
    known = {item["path"] for item in record["files"]}
    opened = {name for name in watch.names if name.startswith(f"{BUILD_PATH}/")}
    opened = {name for name in opened if not name.endswith(" (deleted)")}
    more = sorted(opened - known)
    section.kept = section.kept and not more
    if more:
        section.notes.append(f"Not in the record: {', '.join(more[:20])}")
    return f"{len(more)} of {len(opened)}"
