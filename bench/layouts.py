"""Programs in two layouts: the whole command, and layout equivalence alone, beside objdump.

`BENCH_SHIFTED=1` adds a library of 108 MB in which everything moved, which takes ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from bench import inputs, measure
from bench.table import Section, seconds
from tests import realfiles
from tests.layouts import builds, twins
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 5
SHIFTED, REBASED = 1.5, 0.5  # seconds that the whole command may take
LARGE = "90 s on two cores, 4 GiB"
# A call more in one of the first functions, on the same line: all code after it moves.
_STORED = "  *pCurrent = wsdStat.nowValue[op];"
_SAID = 'sqlite3_log(op, "status %d of %d, before %lld", resetFlag, op, *pHighwater);'
_GROWN = (_STORED, f"  if( *pHighwater>op ) {_SAID} {_STORED}")


def run() -> Section:
    """SQLite with everything shifted, a DLL linked at two paths, a large library."""
    where = realfiles.made("layout-bench", "sqlite-2", _build)
    section = Section(
        ("pair", "command", "wall", "processor", "memory", "lines", "aim", "alone", "sha256sum",
         "of it", "objdump -d of both", "of it")
    )  # fmt: skip
    for name, kind, aim in (("shifted", "elf", f"{SHIFTED} s"), ("paths", "pe", f"{REBASED} s")):
        suffix = builds.KINDS[kind].suffix
        pair = [where / name / side / f"lib.{suffix}" for side in ("shipped", "rebuilt")]
        _row(section, name, kind, pair, aim, RUNS)
    _row(section, "libLLVM, one byte", "elf", list(inputs.library()), "2x sha256sum", 1)
    if os.environ.get("BENCH_SHIFTED"):
        made = inputs.shifted()
        for name in ("stripped", "symbols"):
            for other, said in (("plain", "a function more"), ("last", "one object moved")):
                pair = [made / side / f"{name}.so" for side in ("more", other)]
                _row(section, f"LLVM's archives, {name}, {said}", "elf", pair, LARGE, 1)
    return section


def _row(section: Section, name: str, kind: str, pair: list[Path], aim: str, runs: int) -> None:
    dump = f"{builds.KINDS[kind].prefix}objdump -d {pair[0]} {pair[1]} > /dev/null"
    ours = measure.verifier("compare", *pair, "--policy", "layout")
    hashed = ["sha256sum", *map(str, pair)]
    commands = {"ours": ours, "hashed": hashed, "dump": ["sh", "-c", dump]}
    found = measure.alternating(commands, runs)
    cost = found["ours"]
    said = subprocess.run(ours, capture_output=True, check=False).stdout.count(b"\n")
    alone = seconds(_alone(kind, pair)) if runs > 1 else ""
    section.add(
        *(name, "verifier compare --policy layout", seconds(cost.wall), seconds(cost.processor)),
        *(f"{cost.memory >> 20} MiB", said, aim, alone),
        *(seconds(found["hashed"].wall), f"{cost.wall / found['hashed'].wall:.2f}x"),
        *(seconds(found["dump"].wall), f"{cost.wall / found['dump'].wall:.2f}x"),
    )


def _alone(kind: str, pair: list[Path]) -> float:
    """The best of some runs in one process: what the interpreter's start does not hide."""
    which = builds.KINDS[kind]
    shipped, rebuilt = (memoryview(twins.unsummed(path.read_bytes(), which)) for path in pair)
    best = 1e9
    for _ in range(RUNS):
        begun = time.perf_counter()
        explain(kind, shipped, rebuilt)
        best = min(best, time.perf_counter() - begun)
    return best


def _build(out: Path) -> None:
    source = builds.amalgamation()
    text = source.read_text("utf-8")
    assert _GROWN[0] in text
    (out / "changed").mkdir()
    (out / "changed/sqlite3.c").write_text(text.replace(*_GROWN, 1))
    flags = ("-O2",)
    for side, file in (("rebuilt", source), ("shipped", out / "changed/sqlite3.c")):
        objects = builds.objects(builds.ELF, (file,), flags)
        path = out / "shifted" / side / "lib.so"
        builds.linked(builds.ELF, objects, path, "-Wl,--build-id=none", "-lm")
    objects = builds.objects(builds.PE, (source,), flags)
    for side in ("rebuilt", "shipped"):
        builds.linked(builds.PE, objects, out / "paths" / side / "lib.dll")
