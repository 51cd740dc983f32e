"""Random pairs of databases: what clamscan tells apart, we tell apart, and say that it weakens."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.clamav.engine import changes, scan_all
from tests.unit.sigdb.clamav.mutation import SAMPLES, pairs
from verifier.errors import VerifierError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sigdb.clamav.engine import Database

FEW, MANY = 40, 4_000  # pairs
_PUA = "--detect-pua"


def _told_apart(where: Path, one: Database, two: Database) -> str:
    """What the family has missed; "" where it agrees with the engine, or refuses."""
    try:
        found = changes(one, two)
    except VerifierError:
        return ""
    for number, option in enumerate(((), (_PUA,))):
        before = scan_all(where / f"{number}-before", one, SAMPLES, *option)
        after = scan_all(where / f"{number}-after", two, SAMPLES, *option)
        if before is None:
            continue
        if after is None:
            return "the engine refuses it"
        if before != after and not found:
            return f"no change told, but {before} became {after}"
        lost = [name for name in SAMPLES if before[name] and not after[name]]
        if lost and not any(change.weakening for change in found):
            return f"no weakening told, but {lost} are caught no longer"
    return ""


def _all_agree(where: Path, seed: int, count: int) -> None:
    missed = {
        str((one, two)): fault
        for number, (one, two) in enumerate(pairs(random.Random(seed), count))
        if (fault := _told_apart(where / str(number), one, two))
    }
    assert missed == {}


def test_what_the_engine_tells_apart_is_told(tmp_path: Path) -> None:
    _all_agree(tmp_path, 1, FEW)


@pytest.mark.exhaustive
def test_what_the_engine_tells_apart_is_told_thousands_of_times(tmp_path: Path) -> None:
    _all_agree(tmp_path, 2, MANY)
