"""One program in two layouts: equivalent, with a proof that `verifier check` judges again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.layouts import twins
from verifier.semantic.layout import encode, recheck
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

# Of some pairs nothing but addresses, ids and debug data differs: no cut in data is assumed.
CERTAIN = ("elf-aligned", "elf-pages", "pe-based-stripped")
RULED = ("elf-build-id", "elf-build-id-stripped")  # a rule of its own settles it, no map


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verifier", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [name for name in twins.names() if name not in RULED])
def test_two_layouts_are_one_program_to_both_decoders(name: str) -> None:
    twin = twins.twin(name)
    rebuilt, shipped = map(memoryview, twin.contents())
    found = explain(twin.kind.format, shipped, rebuilt)
    assert found.finding.total, found.finding.faults
    assert not found.differences
    if name.startswith(CERTAIN):
        assert not found.finding.assumptions
    layout = {"format": twin.kind.format, "map": encode.encode(found.extents)}
    fault, assumptions = recheck.judge(layout, shipped, rebuilt, ())
    assert (fault, assumptions) == ("", len(found.finding.assumptions))


@pytest.mark.parametrize("name", twins.names())
def test_two_layouts_are_equivalent(name: str, tmp_path: Path) -> None:
    twin = twins.twin(name)
    proof, report = tmp_path / "proof.json", tmp_path / "report.json"
    policy = ("--policy", "layout", "--proof", proof, "--json", report)
    done = run("compare", twin.shipped, twin.rebuilt, *policy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(report.read_text())["verdict"] == "equivalent"
    checked = run("check", proof, twin.shipped, twin.rebuilt)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_map_that_rests_on_assumptions_is_refused_by_default() -> None:
    twin = twins.twin("elf-order-stripped")
    assert run("compare", twin.shipped, twin.rebuilt).returncode == 1
