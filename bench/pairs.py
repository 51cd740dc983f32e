"""Single pairs: the verifier beside sha256sum, a bare Typer program and diffoscope."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

from bench import inputs, measure
from bench.table import Section, megabytes, seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS = 7
CAP = 600.0  # seconds for diffoscope
PAIRS: dict[str, tuple[Callable[[], tuple[Path, Path]], str]] = {
    "shim, signed by Microsoft": (lambda: inputs.signed("shim"), "1.5x Typer"),
    "GRUB, signed by Debian": (lambda: inputs.signed("gcdx64"), "2x Typer"),
    "kernel module, another key": (inputs.module, "1.5x Typer"),
    "libLLVM, one byte changed": (inputs.library, "2x sha256sum, < 400 MiB"),
}


def run() -> Section:
    """One row a pair; diffoscope runs once."""
    section = Section(
        ("pair", "MiB", "wall", "processor", "memory", "Typer", "sha256sum", "of Typer",
         "of sha256sum", "aim", "diffoscope", "times faster")
    )  # fmt: skip
    for name, (make, aim) in PAIRS.items():
        shipped, rebuilt = make()
        found = measure.alternating(
            {
                "verifier": measure.verifier("compare", shipped, rebuilt),
                "typer": [*measure.bare_typer(), "one"],
                "sha256sum": ["sha256sum", str(shipped), str(rebuilt)],
            },
            RUNS,
        )
        ours, typer, hashed = found["verifier"], found["typer"], found["sha256sum"]
        peer, factor = _diffoscope(shipped, rebuilt, ours.wall)
        section.add(
            *(name, f"{shipped.stat().st_size / 2**20:.1f}", seconds(ours.wall)),
            *(seconds(ours.processor), megabytes(ours.memory), seconds(typer.wall)),
            *(seconds(hashed.wall), f"{ours.wall / typer.wall:.2f}x"),
            *(f"{ours.wall / hashed.wall:.2f}x", aim, peer, factor),
        )
    section.notes.append(
        f"Medians of {RUNS} alternating runs, files in the page cache. Memory: private pages of "
        f"all processes at the peak. diffoscope: one run, stopped after {CAP:.0f} s; `absent` "
        "where it is not installed (`pip install diffoscope` in an environment of its own)."
    )
    return section


def _diffoscope(shipped: Path, rebuilt: Path, ours: float) -> tuple[str, str]:
    program = shutil.which("diffoscope")
    if program is None:
        return "absent", ""
    with tempfile.TemporaryDirectory() as work:
        command = [program, "--text", f"{work}/out", str(shipped), str(rebuilt)]
        cost = measure.run(command, timeout=CAP)
    stopped = "> " if cost.status == -9 else ""
    shown = f"{stopped}{seconds(cost.wall)}, {megabytes(cost.memory)}"
    return shown, f"{stopped}{cost.wall / ours:.0f}x"
