"""A flipped byte is seen, or lies where a rule declared free bytes; the bench flips all of them."""

from __future__ import annotations

import random

import pytest

from tests import flips
from tests.support import compare_bytes
from verifier.model import Verdict

SAMPLES = 60


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    flips.fast_directory()


@pytest.mark.parametrize("subject", flips.SUBJECTS, ids=lambda subject: subject.name)
def test_flips_are_seen_or_free(subject: flips.Subject) -> None:
    made = subject.make()
    intact = compare_bytes(
        made.shipped, made.rebuilt, subject.policy, certificates=made.certificates
    )
    assert intact.verdict is Verdict.EQUIVALENT
    places = random.Random(subject.name).sample(
        range(len(made.shipped)), min(SAMPLES, len(made.shipped))
    )
    free = sorted(intact.free())
    found = flips.flip(made, subject.policy, [*places, *free[:: max(1, len(free) // 10)]])
    assert found.undetected == ()
