"""Hostile files: no exception, no hang, no false verdict. `python -m bench hostile` runs 20,000."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.hostile import corpus, judge

if TYPE_CHECKING:
    from pathlib import Path

MUTANTS = 1_400


def _faults(numbers: list[int]) -> list[judge.Judgement]:
    return [found for found in judge.judged(corpus.make, numbers) if found.fault]


def test_monsters_and_bombs() -> None:
    assert not _faults(list(range(corpus.BUILT)))


@pytest.mark.parametrize("part", range(4))
def test_mutants(part: int) -> None:
    first = corpus.BUILT + part * MUTANTS // 4
    assert not _faults(list(range(first, first + MUTANTS // 4)))


def test_the_corpus_is_the_same_everywhere() -> None:
    assert corpus.make(corpus.BUILT + 7) == corpus.make(corpus.BUILT + 7)


@pytest.mark.parametrize("number", corpus.for_the_command_line())
def test_the_command_line_survives(number: int, tmp_path: Path) -> None:
    item = corpus.make(number)
    for name, data in (("shipped", item.shipped), ("rebuilt", item.rebuilt)):
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "verifier", "compare", "--jobs", "1", "shipped", "rebuilt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in {1, 3}, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "internal-error" not in done.stdout
    assert "Unexpected" not in done.stdout
    assert "\x1b" not in done.stdout
