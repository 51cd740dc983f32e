"""No change of one reference, table entry or field passes for the same program."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.layouts import attacks, builds
from tests.layouts.editor import of_rich
from verifier.semantic.layout import encode, recheck
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from verifier.semantic.layout.explain import Explained

CASES = [(kind, attack.__name__) for kind in attacks.ATTACKS for attack in attacks.ATTACKS[kind]]
LAYOUTS = [(turned, bare) for turned in (False, True) for bare in (False, True)]


@cache
def honest(kind: str, turned: bool, bare: bool) -> tuple[bytes, Explained]:
    """The rebuilt image, and what is found of the honest pair."""
    which = builds.KINDS[kind]
    rebuilt = bytes(of_rich(which, turned=False, bare=bare).data)
    shipped = bytes(of_rich(which, turned=turned, bare=bare).data)
    return rebuilt, explain(builds.KINDS[kind].format, memoryview(shipped), memoryview(rebuilt))


@pytest.mark.parametrize("kind", list(builds.KINDS))
@pytest.mark.parametrize(("turned", "bare"), LAYOUTS)
def test_the_honest_pair_is_one_program(kind: str, turned: bool, bare: bool) -> None:
    rebuilt, found = honest(kind, turned, bare)
    assert found.finding.total, found.finding.faults
    shipped = bytes(of_rich(builds.KINDS[kind], turned=turned, bare=bare).data)
    fault, assumptions = judged(kind, shipped, rebuilt, found)
    assert not fault
    assert assumptions == len(found.finding.assumptions)


def judged(kind: str, shipped: bytes, rebuilt: bytes, found: Explained) -> tuple[str, int]:
    layout = {"format": builds.KINDS[kind].format, "map": encode.encode(found.extents)}
    return recheck.judge(layout, memoryview(shipped), memoryview(rebuilt), ())


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize(("turned", "bare"), LAYOUTS)
def test_an_attack_is_seen(kind: str, name: str, turned: bool, bare: bool) -> None:
    rebuilt, found = honest(kind, turned, bare)
    edit = of_rich(builds.KINDS[kind], turned=turned, bare=bare)
    before = bytes(edit.data)
    attacks.BY_NAME[name](edit)
    shipped = bytes(edit.data)
    assert shipped != before
    seen = explain(builds.KINDS[kind].format, memoryview(shipped), memoryview(rebuilt))
    assert not seen.finding.total, seen.finding.assumptions
    fault, _assumptions = judged(kind, shipped, rebuilt, found)
    assert fault
