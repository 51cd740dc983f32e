"""Random single changes of sixteen libraries: none of them passes for the same program."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.layouts import twins
from tests.layouts.random_changes import Mutator
from verifier.errors import VerifierError
from verifier.semantic.layout import proof
from verifier.semantic.layout.assembled import Assembled, assemble
from verifier.semantic.layout.explain import LOADERS
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.remembering import Remembering
from verifier.semantic.layout.x86 import decode

if TYPE_CHECKING:
    from verifier.semantic.layout.extent import Extent

NAMES = [
    name
    for name in twins.names()
    if name.startswith(("elf-order", "elf-cpp", "elf-shuffled", "pe-order", "pe-cpp", "pe32-"))
    and "based" not in name
]
FEW, MANY = 6, 50


@cache
def prepared(name: str) -> tuple[Assembled, Mutator, tuple[Extent, ...]]:
    """The rebuilt image, changes of the shipped one, and their honest map."""
    twin = twins.twin(name)
    rebuilt, shipped = twin.contents()
    one = assemble(LOADERS[twin.kind.format](memoryview(rebuilt)), decode)
    mutator = Mutator(twin.kind.format, shipped)
    extents = Match(one, mutator.image).run()
    assert proof.check(one, mutator.image, extents).total
    return one, mutator, tuple(extents)


def seen(name: str, seed: int) -> None:
    """A change must be a fault: with the map that is found of it, and with the honest one."""
    one, mutator, extents = prepared(name)
    kind = twins.twin(name).kind.format
    changed, what = mutator.change(seed)
    try:
        other = assemble(LOADERS[kind](memoryview(changed)), decode)
    except VerifierError:
        return
    for found in (extents, Match(one, other).run()):
        assert not proof.check(one, other, found).total, f"{name}: {what}"


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("name", NAMES)
def test_a_random_change_is_seen(name: str, seed: int) -> None:
    seen(name, seed)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_many_random_changes_are_seen(name: str) -> None:
    for seed in range(FEW, FEW + MANY):
        seen(name, seed)


def test_there_are_sixteen_libraries_and_five_hundred_changes() -> None:
    assert len(NAMES) == 16
    assert len(NAMES) * MANY >= 500


@pytest.mark.parametrize("name", NAMES)
def test_an_image_read_after_another_is_read_as_if_it_were_alone(name: str) -> None:
    _one, mutator, _extents = prepared(name)
    kind = twins.twin(name).kind.format
    together = Remembering()
    assemble(LOADERS[kind](memoryview(mutator.data)), together)
    for seed in range(3):
        program = LOADERS[kind](memoryview(mutator.change(seed)[0]))
        for piece in program.pieces:
            if piece.code and piece.data is not None:
                what = bytes(piece.data), piece.address, program.machine, program.starts.tolist()
                mine, alone = together(*what), decode(*what)
                assert mine.starts.tolist() == alone.starts.tolist()
                assert mine.flows.tolist() == alone.flows.tolist()
                assert sorted(mine.rows.tolist()) == sorted(alone.rows.tolist())
                assert sorted(mine.bad) == sorted(alone.bad)
                assert sorted(mine.indirect) == sorted(alone.indirect)
