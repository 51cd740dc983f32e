"""Tampered archives: each tamper is caught at its place, and no two hide one another."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.cases.archive_tampers import BASES, TAMPERS
from tests.support import Tree, compare_bytes
from verifier.model import Verdict


def compared(kind: str, shipped: bytes) -> Tree:
    return compare_bytes(shipped, BASES[kind](1))


def places(found: Tree) -> str:
    own = [f"{place}\n" for place in found.where()]
    return "".join(own) + "".join(
        f"{member.path}\n" for member in found.members if member.verdict is Verdict.DIFFERENT
    )


@pytest.mark.parametrize("kind", BASES)
def test_an_untampered_pair_is_equivalent(kind: str) -> None:
    found = compared(kind, BASES[kind](0))
    assert found.verdict is Verdict.EQUIVALENT, found.differences


@pytest.mark.parametrize("name", TAMPERS)
def test_a_tamper_is_caught_at_its_place(name: str) -> None:
    kind, change, where = TAMPERS[name]
    found = compared(kind, change(BASES[kind](0)))
    assert found.verdict is Verdict.DIFFERENT
    assert where in places(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [pair for pair in combinations(TAMPERS, 2) if TAMPERS[pair[0]][0] == TAMPERS[pair[1]][0]],
)
def test_no_two_tampers_hide_one_another(one: str, other: str) -> None:
    kind, first, where = TAMPERS[one]
    _, second, also = TAMPERS[other]
    found = compared(kind, second(first(BASES[kind](0))))
    assert found.verdict is Verdict.DIFFERENT
    assert where in places(found)
    assert also in places(found)
