"""A map that is not the honest one is worth nothing, for honest images and for attacked ones."""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.layouts import attacks, builds, twins
from tests.layouts.editor import Editor, of_rich
from verifier.errors import ParseError
from verifier.semantic.layout import encode, proof
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.explain import LOADERS, explain
from verifier.semantic.layout.extent import Extent
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.x86 import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.semantic.layout.assembled import Assembled

Maps = list[Extent]


def image(kind: str, *, turned: bool, attack: str = "") -> Assembled:
    edit = of_rich(builds.KINDS[kind], turned=turned, bare=True)
    if attack:
        attacks.BY_NAME[attack](edit)
    return assemble(LOADERS[builds.KINDS[kind].format](memoryview(bytes(edit.data))), decode)


@cache
def honest(kind: str) -> tuple[Assembled, Assembled, tuple[Extent, ...]]:
    one, other = image(kind, turned=False), image(kind, turned=True)
    extents = Match(one, other).run()
    assert proof.check(one, other, extents).total
    return one, other, tuple(extents)


def _of(one: Assembled, extents: Maps, name: str) -> int:
    """The index of the longest extent in a section."""
    rows = [
        (each.length, index)
        for index, each in enumerate(extents)
        if (piece := one.piece_at(each.a)) and piece.name == name
    ]
    return max(rows)[1]


def _split(at: int, index: int, extents: Maps) -> Maps:
    a, b, length = extents[index]
    parts = [Extent(a, b, at), Extent(a + at, b + at, length - at)]
    return [*extents[:index], *parts, *extents[index + 1 :]]


def _code(one: Assembled, extents: Maps) -> int:
    return _of(one, extents, ".text")


def dropped(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    return [*extents[:index], *extents[index + 1 :]]


def cut_in_a_function(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    start = extents[index].a
    inside = next(
        at for at in one.instructions.tolist() if at > start and at not in set(one.starts.tolist())
    )
    return _split(inside - start, index, extents)


def cut_in_a_list(one: Assembled, extents: Maps) -> Maps:
    names = {piece.name for piece in one.program.pieces}
    name = ".init_array" if ".init_array" in names else ".CRT"
    return _split(8, _of(one, extents, name), extents)


def exchanged(_one: Assembled, extents: Maps) -> Maps:
    one, other = extents[1], extents[2]
    length = min(one.length, other.length)
    return [
        extents[0],
        Extent(one.a, other.b, length),
        Extent(other.a, one.b, length),
        *extents[3:],
    ]


def overlapping(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    a, b, length = extents[index]
    return [*extents, Extent(a, b, length // 2)]


def twice_in_the_other(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    first = next(each for each in extents if each.a != extents[index].a)
    return [*extents, Extent(first.a, extents[index].b, 1)]


def shifted(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    a, b, length = extents[index]
    return [*extents[:index], Extent(a, b + 1, length - 1), *extents[index + 1 :]]


def in_another_section(one: Assembled, extents: Maps) -> Maps:
    index, other = _code(one, extents), _of(one, extents, ".data")
    a, _b, length = extents[index]
    return [*extents[:index], Extent(a, extents[other].b, length), *extents[index + 1 :]]


def longer_than_its_section(one: Assembled, extents: Maps) -> Maps:
    index = _code(one, extents)
    a, b, length = extents[index]
    return [*extents[:index], Extent(a, b, length + (1 << 40)), *extents[index + 1 :]]


def empty(_one: Assembled, extents: Maps) -> Maps:
    return [*extents, Extent(extents[0].a, extents[0].b, 0)]


def negative(_one: Assembled, extents: Maps) -> Maps:
    return [*extents, Extent(extents[0].a + 8, extents[0].b + 8, -8)]


def beyond_all_numbers(_one: Assembled, extents: Maps) -> Maps:
    return [*extents, Extent(1 << 80, 1 << 80, 1 << 80)]


def beyond_all_addresses(_one: Assembled, extents: Maps) -> Maps:
    return [*extents, Extent(-(1 << 62), 1 << 62, (1 << 63) - 1)]


def nothing(_one: Assembled, _extents: Maps) -> Maps:
    return []


ALTERED: tuple[Callable[[Assembled, Maps], Maps], ...] = (
    *(dropped, cut_in_a_function, cut_in_a_list, exchanged, overlapping, twice_in_the_other),
    *(shifted, in_another_section, longer_than_its_section, empty, negative),
    *(beyond_all_numbers, beyond_all_addresses, nothing),
)


@pytest.mark.parametrize("kind", list(builds.KINDS))
@pytest.mark.parametrize("alter", ALTERED)
def test_an_altered_map_does_not_hold(kind: str, alter: Callable[[Assembled, Maps], Maps]) -> None:
    one, other, extents = honest(kind)
    altered = alter(one, list(extents))
    assert altered != list(extents)
    try:
        read = encode.decode(encode.encode(altered))
    except ParseError:
        return
    assert not proof.check(one, other, read).total


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, each.__name__) for kind in attacks.ATTACKS for each in attacks.ATTACKS[kind]],
)
def test_no_altered_map_excuses_an_attack(kind: str, name: str) -> None:
    one, _other, extents = honest(kind)
    attacked = image(kind, turned=True, attack=name)
    if attacked.doubts:
        return
    chance = random.Random(name)
    for start in (list(extents), Match(one, attacked).run()):
        for _ in range(4):
            assert not proof.check(one, attacked, _shaken(one, attacked, start, chance)).total


def _shaken(one: Assembled, other: Assembled, extents: Maps, chance: random.Random) -> Maps:
    """Splits at starts of functions and at words, shrunk and lengthened ends, moved tails."""
    found: Maps = []
    targets = sorted({*one.starts.tolist(), *one.slots.target.tolist()})
    wanted = sorted({*other.starts.tolist(), *other.slots.target.tolist()})
    for a, b, length in extents:
        cuts = [at - a for at in targets if a < at < a + length]
        edges = sorted({0, length, *(chance.sample(cuts, min(len(cuts), 2)))})
        for first, last in itertools.pairwise(edges):
            move = chance.random() < 0.1
            there = chance.choice(wanted) if move else b + first
            change = chance.choice((0, 0, 0, 0, 0, -1, 1, -4))
            found.append(Extent(a + first, there, max(last - first + change, 1)))
    return found


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("kind", list(builds.KINDS))
def test_a_table_of_distances_that_stayed_is_seen(kind: str, bare: bool) -> None:
    """Distances that nothing declares stay, while the functions that they lead to moved."""
    which = builds.KINDS[kind]
    one = of_rich(which, turned=False, bare=bare, table=True)
    other = of_rich(which, turned=True, bare=bare, table=True)
    place = one.offset(one.symbol("hidden_table"))
    other.write(other.symbol("hidden_table"), bytes(one.data[place : place + 8]))
    found = explain(
        builds.KINDS[kind].format, memoryview(bytes(other.data)), memoryview(bytes(one.data))
    )
    assert not found.finding.total


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("part", ["landing pad", "action", "type", "length"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_changed_exception_table_is_seen(part: str, bare: bool, turned: bool) -> None:
    twin = twins.twin("elf-cpp" + "-stripped" * bare)
    path = twin.shipped if turned else twin.rebuilt
    named = twins.twin("elf-cpp")
    edit = Editor(twin.kind, path, named.shipped if turned else named.rebuilt)
    _change(edit, _table_of_go(edit), part)
    found = explain("elf", memoryview(bytes(edit.data)), memoryview(twin.contents()[0]))
    assert not found.finding.total


def _table_of_go(edit: Editor) -> int:
    """The exception table of `go`, by its unwind entry."""
    section = edit.sections[".eh_frame"]
    at, start = section.offset, section.virtual_address
    while length := int.from_bytes(edit.data[at : at + 4], "little"):
        place = start + at - section.offset + 8
        if edit.word(place - 4, 4) and edit.word(place, 4) + place == edit.symbol("go"):
            assert edit.data[at + 16] == 4
            return edit.word(place + 9, 4) + place + 9
        at += 4 + length
    raise AssertionError


def _change(edit: Editor, table: int, part: str) -> None:
    at = edit.offset(table)
    assert edit.data[at] == 0xFF
    assert edit.data[at + 1] == 0x9B
    cursor = at + 2
    while edit.data[cursor] & 0x80:
        cursor += 1
    types = int.from_bytes([edit.data[at + 2] & 127], "little")
    types |= (edit.data[at + 3] & 127) << 7 if edit.data[at + 2] & 128 else 0
    end = cursor + 1 + types
    sites = cursor + 2
    while edit.data[sites] & 0x80:
        sites += 1
    first = sites + 1  # start, length, landing pad, action: one byte or two each
    fields = []
    while len(fields) < 8:
        fields.append(first)
        while edit.data[first] & 0x80:
            first += 1
        first += 1
    place = {"length": fields[1], "landing pad": fields[6], "action": fields[7], "type": end - 4}
    edit.data[place[part]] ^= 1
