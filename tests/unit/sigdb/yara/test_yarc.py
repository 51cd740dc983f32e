"""Rules compiled by libyara: shuffled is equal, and one byte is exactly one rule."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
import yara

from tests.support import HANG
from tests.unit.sigdb.yara import engines, ruleset
from verifier.errors import LimitError, ParseError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import Effect, File, Record
from verifier.sigdb.difference import compare
from verifier.sigdb.yarc import FAMILY, arena

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """
import "pe"
private rule a : t1 t2 {
    meta: author = "x" n = 5 b = true
    strings: $a = { 6A 40 ?? [2-4] 55 } $b = "hello" wide ascii nocase $c = /ab+c[0-9]{2,7}x/
             $d = "abc" $e = { 11 22 33 44 [1-400] 55 66 77 }
    condition: ($a and #b > 2 or $c at 0) and pe.number_of_sections == 3 and 2 of ($d, $e)
}
global rule b { strings: $ = "zabcd" condition: a and 1 of them or "abc" matches /x.y/ }
"""


def records(data: bytes) -> list[tuple[str, str]]:
    found = FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS)
    return [(record.scope, record.name) for record in found if record.effect is Effect.DETECT]


@pytest.fixture(scope="module")
def whole() -> bytes:
    return engines.libyara(ruleset.by_namespace(list(engines.sources())))


def shuffled(seed: int) -> list[ruleset.Source]:
    files = list(engines.sources())
    random.Random(seed).shuffle(files)
    return files


def test_the_family_is_known_by_its_magic(whole: bytes) -> None:
    assert family_of("anything", memoryview(whole)) == "yarc"
    assert named("yarc") is FAMILY
    assert family_of("x.yarc", memoryview(b"YARA, a text of 200 bytes" * 8)) == ""


def test_all_rules_are_found_as_the_engine_lists_them(whole: bytes) -> None:
    texts = ruleset.by_namespace(list(engines.sources()))
    expected = {(space, rule.identifier) for space in texts for rule in _listed(texts[space])}
    assert len(expected) >= 1000
    assert set(records(whole)) == expected


def _listed(text: str) -> list[yara.Rule]:
    return list(yara.compile(source=text))


def test_files_in_another_order_are_equal(whole: bytes) -> None:
    other = engines.libyara(ruleset.by_namespace(shuffled(1)))
    assert other != whole
    started = time.process_time()
    assert engines.changes(FAMILY, whole, other) == []
    assert time.process_time() - started < HANG


def test_files_in_another_order_are_equal_for_libyara_4_2(tmp_path: Path) -> None:
    one = engines.yarac(tmp_path, ruleset.by_namespace(list(engines.sources())))
    other = engines.yarac(tmp_path, ruleset.by_namespace(shuffled(2)))
    assert one[4] == 0x13
    assert one != other
    assert engines.changes(FAMILY, one, other) == []


def mutants(seed: int, count: int) -> list[tuple[ruleset.Source, ruleset.Source, str]]:
    """(file, the file with one thing changed, where that is)."""
    dice = random.Random(seed)
    found = []
    while len(found) < count:
        file = dice.choice(engines.sources())
        index = dice.randrange(len(file.rules))
        rule = ruleset.mutate(dice, file.rules[index])
        if rule is None:
            continue
        rules = (*file.rules[:index], rule, *file.rules[index + 1 :])
        found.append((file, replace(file, rules=rules), f"{file.namespace}: {rule.name}"))
    return found


@cache
def compiled(file: ruleset.Source) -> list[Record]:
    data = engines.libyara({file.namespace: file.text()})
    return list(FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS))


def test_one_changed_byte_is_exactly_that_rule() -> None:
    wrong = []
    for file, other, where in mutants(3, 200):
        found = compare(FAMILY, compiled(file), compiled(other))
        if [item.where for item in found] != [where] or not found[0].weakening:
            wrong.append((where, found))
    assert not wrong


def test_two_hundred_changes_at_once_are_exactly_those_rules(whole: bytes) -> None:
    dice = random.Random(4)
    files, expected = [], set()
    for file in engines.sources():
        rules = list(file.rules)
        for index in dice.sample(range(len(rules)), 5):
            rule = ruleset.mutate(dice, rules[index])
            if rule is not None:
                rules[index] = rule
                expected.add(f"{file.namespace}: {rule.name}")
        files.append(replace(file, rules=tuple(rules)))
    found = engines.changes(FAMILY, whole, engines.libyara(ruleset.by_namespace(files)))
    assert {item.where for item in found} == expected
    assert len(expected) > 150


def test_changes_are_found_in_files_of_libyara_4_2(tmp_path: Path) -> None:
    for file, other, where in mutants(5, 20):
        before, after = (
            engines.yarac(tmp_path, {item.namespace: item.text()}) for item in (file, other)
        )
        assert [item.where for item in engines.changes(FAMILY, before, after)] == [where]


@pytest.mark.parametrize("version", [19, 21])
def test_no_flipped_byte_is_equal(version: int, tmp_path: Path) -> None:
    data = engines.rules(SMALL) if version == 21 else engines.yarac(tmp_path, {"default": SMALL})
    assert data[4] == version
    unnoticed = []
    for at in range(len(data)):
        other = bytearray(data)
        other[at] ^= 1 << at % 8 if at % 3 else 0xFF
        try:
            found = engines.changes(FAMILY, data, bytes(other))
        except (ParseError, LimitError):
            continue
        if not found:
            unnoticed.append(at)
    assert unnoticed == []


def test_hostile_files_are_an_error_and_quick() -> None:
    data = engines.rules(SMALL)
    dice = random.Random(6)
    odd = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 56, 150)
    for number in range(1000):
        other = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(other) - 4) & ~1
            other[at : at + 4] = dice.choice(odd).to_bytes(4, "little")
        if number % 5 == 0:
            del other[dice.randrange(len(other)) :]
        started = time.process_time()
        with contextlib.suppress(ParseError, LimitError):
            engines.changes(FAMILY, data, bytes(other))
        assert time.process_time() - started < HANG


def test_a_loop_of_matches_is_an_error() -> None:
    data = bytearray(engines.rules('rule a { strings: $ = "abcdabcd" condition: any of them }'))
    start = 150 + sum(int.from_bytes(data[14 + 12 * n : 18 + 12 * n], "little") for n in range(10))
    data[start + 24 : start + 32] = b"\x0a\0\0\0\0\0\0\0"  # the next match is itself
    with pytest.raises(ParseError, match="order"):
        records(bytes(data))


def test_files_that_are_too_large_or_of_another_version_are_refused() -> None:
    data = engines.rules(SMALL)
    with pytest.raises(ParseError, match="format 22"):
        records(data[:4] + b"\x16" + data[5:])
    with pytest.raises(LimitError):
        records(data + bytes(arena.SIZE))


@pytest.mark.parametrize(
    "text",
    [
        "",
        'import "math"',
        "rule a { condition: true }",
        'rule a { condition: for any s in ("x", "y\\x00z", "") : ( ext contains s ) or flag }',
        'rule a { meta: e = "" z = "q\\x00r" strings: $a = "\\x00\\x00" condition: $a }',
        'rule a { strings: $a = "a" $b = { 00 } $c = /x|/ $d = /.{3}/ condition: any of them }',
        'rule abc { strings: $abc = "abc" condition: $abc and ext == "abc" }',
    ],
)
def test_odd_rules_are_read(text: str, tmp_path: Path) -> None:
    values = {"ext": "abc", "flag": True, "number": 5, "ratio": 2.5}
    data = engines.rules(text, externals=values)
    assert engines.changes(FAMILY, data, data) == []
    changed = engines.rules(text, externals={**values, "number": 6})
    assert [item.where for item in engines.changes(FAMILY, data, changed)] == ["external number"]
