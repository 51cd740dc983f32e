"""Start-up: short commands beside a bare Typer program with two commands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import measure
from bench.table import Section, seconds

RUNS = 15
AIM = 1.2


def run() -> Section:
    """Ratios of medians; the bare program prints one line."""
    with tempfile.TemporaryDirectory() as work:
        same = Path(work) / "same"
        same.write_bytes(b"some bytes\n" * 100)
        commands = {
            "bare Typer, one command": [*measure.bare_typer(), "one"],
            "bare Typer, --help": [*measure.bare_typer(), "--help"],
            "verifier --help": measure.verifier("--help"),
            "verifier rules list": measure.verifier("rules", "list"),
            "verifier compare same same": measure.verifier("compare", same, same),
        }
        found = measure.alternating(commands, RUNS)
    section = Section(("command", "wall", "processor", "memory", "ratio of wall", "aim"))
    plain, helped = found["bare Typer, one command"], found["bare Typer, --help"]
    for name, cost in found.items():
        base = helped if name.endswith("--help") else plain
        aim = "" if name.startswith("bare") else f"{AIM}x"
        ratio = f"{cost.wall / base.wall:.2f}x"
        section.add(
            name,
            seconds(cost.wall),
            seconds(cost.processor),
            f"{cost.memory >> 20} MiB",
            ratio,
            aim,
        )
    section.notes.append(
        f"Medians of {RUNS} alternating runs. `--help` is held against the bare one's, "
        "everything else against its shortest command."
    )
    return section
