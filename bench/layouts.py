"""Programs in two layouts: the whole command, and layout equivalence alone, beside objdump."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench import measure
from bench.table import Section, seconds
from tests import realfiles
from tests.layouts import builds, twins
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 5
SHIFTED, REBASED = 1.5, 0.5  # seconds that the whole command may take
_TURNED = ("if( zLeft==0 ){", "if( zLeft==(char*)8 ){")


def run() -> Section:
    """SQLite with a function changed near its start, and a DLL linked at two paths."""
    where = realfiles.made("layout-bench", "sqlite-1", _build)
    section = Section(("pair", "command", "wall", "memory", "aim", "alone", "objdump -d of both"))
    for name, kind, aim in (("shifted", "elf", SHIFTED), ("paths", "pe", REBASED)):
        suffix = builds.KINDS[kind].suffix
        pair = [where / name / side / f"lib.{suffix}" for side in ("shipped", "rebuilt")]
        dump = f"{builds.KINDS[kind].prefix}objdump -d {pair[0]} {pair[1]} > /dev/null"
        command = measure.verifier("compare", *pair, "--policy", "layout", "--quiet")
        found = measure.alternating({"ours": command, "dump": ["sh", "-c", dump]}, RUNS)
        cost, other = found["ours"], found["dump"]
        section.add(
            *(name, "verifier compare --policy layout", seconds(cost.wall)),
            *(f"{cost.memory >> 20} MiB", f"{aim} s", seconds(_alone(kind, pair))),
            seconds(other.wall),
        )
    return section


def _alone(kind: str, pair: list[Path]) -> float:
    """The best of some runs in one process: what the interpreter's start does not hide."""
    which = builds.KINDS[kind]
    data = [memoryview(twins.unsummed(path.read_bytes(), which)) for path in pair]
    best = 1e9
    for _ in range(RUNS):
        begun = time.perf_counter()
        explain(kind, *data)
        best = min(best, time.perf_counter() - begun)
    return best


def _build(out: Path) -> None:
    source = builds.amalgamation()
    text = source.read_text("utf-8")
    assert _TURNED[0] in text
    (out / "changed").mkdir()
    (out / "changed/sqlite3.c").write_text(text.replace(*_TURNED, 1))
    flags = ("-O2",)
    for side, file in (("rebuilt", source), ("shipped", out / "changed/sqlite3.c")):
        objects = builds.objects(builds.ELF, (file,), flags)
        path = out / "shifted" / side / "lib.so"
        builds.linked(builds.ELF, objects, path, "-Wl,--build-id=none", "-lm")
    objects = builds.objects(builds.PE, (source,), flags)
    for side in ("rebuilt", "shipped"):
        builds.linked(builds.PE, objects, out / "paths" / side / "lib.dll")
