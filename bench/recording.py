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
from typing import TYPE_CHECKING

from bench.fanotify import Watch
from bench.table import Section
from verifier import rebuild, source
from verifier.rebuild.inputs import recorder
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from verifier.rebuild import Build

SPECS = Path(__file__).resolve().parents[1] / "fixtures/specs"
TIMES = 3
PROJECTS = {  # built by the host's own tools, so that a plain build has the same
    "tree": ["make -j2", "cp tree out"],
    "hello": ["./configure --quiet && make -j2", "cp hello out"],
}
PLAIN, CLOSED, TRACED = "plain", "sandboxed", "sandboxed, recorded"
BUILD_PATH = "/build/recorded-twice"


def run() -> Section:
    section = Section(
        ("project", PLAIN, CLOSED, TRACED, "sandboxed ÷ plain", "recorded ÷ sandboxed",
         "read", "unaccounted", "log read in", "fanotify saw more"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        for name, steps in PROJECTS.items():
            _project(section, place / name, name, steps)
        for name in ("tree", *(("shim",) if os.environ.get("BENCH_SHIM") else ())):
            _debian(section, place / f"debian-{name}", name)
    section.notes.append(
        f"Medians of {TIMES} alternating builds (Debian packages: of one), wall time of the steps. "
        "`fanotify saw more`: names below the build path that a second recorder saw and the record "
        "has not, out of all that it saw there."
    )
    return section


def _project(section: Section, place: Path, name: str, steps: list[str]) -> None:
    tree = place / "source"
    _unpack(name, place, tree)
    seconds: dict[str, list[float]] = {PLAIN: [], CLOSED: [], TRACED: []}
    for _ in range(TIMES):
        for way, taken in seconds.items():
            build, _ = _build(_spec(place, steps, way), place)
            taken.append(_seconds(build))
    with Watch(place) as watch:
        build, reading = _build(_spec(place, steps, TRACED), place)
    middle = [statistics.median(seconds[way]) for way in (PLAIN, CLOSED, TRACED)]
    section.add(name, *_row(middle, build, reading), _unseen(section, build, watch))


def _debian(section: Section, place: Path, name: str) -> None:
    place.mkdir()
    seconds = [0.0]
    for record in ("false", "true"):
        text = (SPECS / f"{name}.toml").read_text() + f"\n[inputs]\nrecord = {record}\n"
        (place / "spec.toml").write_text(text)
        build, reading = _build(place / "spec.toml", place)
        seconds.append(_seconds(build))
    section.kept = section.kept and build.inputs is not None and not build.inputs.unaccounted
    section.add(f"{name} (Debian package)", *_row(seconds, build, reading), "")


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


def _build(path: Path, place: Path) -> tuple[Build, float]:
    """One build, and how long reading its recording took."""
    spent = 0.0
    true = recorder.Recorder.finished

    def finished(self: recorder.Recorder, step: str, directory: str) -> None:
        nonlocal spent
        started = time.perf_counter()
        true(self, step, directory)
        spent += time.perf_counter() - started

    output = place / "output"
    shutil.rmtree(output, ignore_errors=True)
    spec, cache = load(path), Cache.open()
    recorder.Recorder.finished = finished  # type: ignore[method-assign]
    try:
        return rebuild.rebuild(spec, source.obtain(spec, cache), cache, output), spent
    finally:
        recorder.Recorder.finished = true  # type: ignore[method-assign]


def _seconds(build: Build) -> float:
    return sum(step.seconds for step in build.steps if step.name != "tools")


def _row(seconds: list[float], build: Build, reading: float) -> list[str]:
    plain, closed, traced = seconds
    assert build.inputs is not None
    read = sum(item.files for item in build.inputs.classes)
    return [
        f"{plain:.1f} s" if plain else "",
        f"{closed:.1f} s",
        f"{traced:.1f} s",
        f"{closed / plain:.2f}x" if plain else "",
        f"{traced / closed:.2f}x",
        str(read),
        str(len(build.inputs.unaccounted)),
        f"{reading:.2f} s",
    ]


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
