"""Rules compiled by YARA-X: shuffled is equal, and one byte is exactly one rule."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import cache

import pytest

from tests.support import HANG
from tests.unit.sigdb.yara import engines, ruleset
from tests.unit.sigdb.yara.test_yarc import mutants, shuffled
from verifier.errors import LimitError, ParseError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import Change, Effect, File, Record
from verifier.sigdb.difference import compare
from verifier.sigdb.yarx import FAMILY, REST
from verifier.sigdb.yarx.layout import SIZE

SMALL = """
import "pe"
rule a : t { meta: n = 5 s = "x" b = true f = 2.5
    strings: $a = { 6A 40 ?? [2-4] 55 } $b = "hello" wide ascii nocase private $c = /ab+c[0-9]x/
             $d = { 11 22 33 44 [1-900] 55 66 77 } $e = "secret" xor $f = "secret" base64
    condition: ($a and #b > 2 or $c at 0) and pe.number_of_sections == 3 and any of them }
global private rule b { condition: filesize < 5MB }
"""


def compiled(text: str, **variables: object) -> bytes:
    return engines.yara_x_rules({"default": text}, **variables)


def records(data: bytes) -> list[tuple[str, str]]:
    found = FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS)
    return [(record.scope, record.name) for record in found if record.effect is Effect.DETECT]


def changes(rebuilt: str, shipped: str) -> list[Change]:
    return engines.changes(FAMILY, compiled(rebuilt), compiled(shipped))


@pytest.fixture(scope="module")
def whole() -> bytes:
    return engines.yara_x_rules(ruleset.by_namespace(list(engines.sources())))


def test_the_family_is_known_by_its_magic(whole: bytes) -> None:
    assert family_of("anything", memoryview(whole)) == "yarx"
    assert named("yarx") is FAMILY


def test_all_rules_are_found(whole: bytes) -> None:
    expected = {(file.namespace, rule.name) for file in engines.sources() for rule in file.rules}
    found = records(whole)
    assert set(found) == {*expected, ("", REST)}
    assert len(found) == len(expected) + 1 > 1000


@pytest.mark.parametrize("seed", [1, 2])
def test_files_in_another_order_are_equal(whole: bytes, seed: int) -> None:
    other = engines.yara_x_rules(ruleset.by_namespace(shuffled(seed)))
    assert other != whole
    started = time.process_time()
    assert engines.changes(FAMILY, whole, other) == []
    assert time.process_time() - started < HANG


def test_rules_in_another_order_are_equal() -> None:
    """Rules that ask for others come behind those, which the engine wants."""
    dice = random.Random(9)
    files = []
    for file in engines.sources():
        asking = [rule for rule in file.rules if f"F{file.name[4:-4]}_R" in rule.condition]
        free = [rule for rule in file.rules if rule not in asking]
        files.append(replace(file, rules=(*dice.sample(free, len(free)), *asking)))
    texts = [ruleset.by_namespace(list(order)) for order in (engines.sources(), files)]
    one, other = (engines.yara_x_rules(text) for text in texts)
    assert one != other
    assert engines.changes(FAMILY, one, other) == []


@cache
def alone(file: ruleset.Source) -> list[Record]:
    data = engines.yara_x_rules({file.namespace: file.text()})
    return list(FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS))


def test_one_changed_byte_is_exactly_that_rule() -> None:
    wrong = []
    for file, other, where in mutants(21, 200):
        found = compare(FAMILY, alone(file), alone(other))
        if [item.where for item in found] != [where] or not found[0].weakening:
            wrong.append((where, found))
    assert not wrong


def test_two_hundred_changes_at_once_are_exactly_those_rules(whole: bytes) -> None:
    dice = random.Random(4)
    files, expected = [], set()
    for file in shuffled(5):
        rules = list(file.rules)
        for index in dice.sample(range(len(rules)), 5):
            rule = ruleset.mutate(dice, rules[index])
            if rule is not None:
                rules[index] = rule
                expected.add(f"{file.namespace}: {rule.name}")
        files.append(replace(file, rules=tuple(rules)))
    found = engines.changes(FAMILY, whole, engines.yara_x_rules(ruleset.by_namespace(files)))
    assert {item.where for item in found} == expected
    assert len(expected) > 150


@pytest.mark.parametrize(
    ("before", "after", "weakening"),
    [
        ('"hello"', '"hallo"', "string-changed"),
        ('"hello" wide', '"hello"', "string-changed"),
        ("[1-900]", "[1-901]", "string-changed"),
        ("sections == 3", "sections == 4", "condition-changed"),
        ("$c at 0", "$c at 1", "condition-changed"),
        ("any of them", "all of them", "condition-changed"),
        ("rule a", "private rule a", "made-private"),
        ("rule a", "global rule a", "global-added"),
        ("n = 5", "n = 6", ""),
        (": t", ": u", ""),
    ],
)
def test_a_change_is_its_rule_and_nothing_else(before: str, after: str, weakening: str) -> None:
    found = changes(SMALL, SMALL.replace(before, after))
    assert [(item.where, item.weakening) for item in found] == [("default: a", weakening)]


def test_a_change_of_a_global_rule_is_not_one_of_those_it_silences() -> None:
    found = changes(SMALL, SMALL.replace("5MB", "4MB"))
    assert [(item.where, item.weakening) for item in found] == [("default: b", "condition-changed")]


def test_modules_and_rules_that_come_and_go_are_named() -> None:
    other = SMALL.replace('import "pe"', 'import "math"').replace(
        "pe.number_of_sections == 3", "math.abs(-1) == 1"
    )
    found = changes(SMALL, "global rule c { condition: false }" + other)
    assert {(item.where, item.weakening) for item in found} == {
        ("default: a", "condition-changed"),
        ("default: c", "global-added"),
        ("import pe", "setting-changed"),
        ("import math", "setting-changed"),
    }


def test_variables_are_named() -> None:
    text = 'rule a { condition: ext contains "x" and number > 3 }'
    one, other, third = (
        compiled(text, **values)
        for values in (
            {"ext": "abc", "number": 5}, {"number": 5, "ext": "abc"}, {"number": 6, "ext": "abc"},
        )
    )  # fmt: skip
    assert one != other
    assert engines.changes(FAMILY, one, other) == []
    assert [item.where for item in engines.changes(FAMILY, one, third)] == ["external number"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'import "math"',
        "rule a { condition: true } rule b { condition: false }",
        'rule a { condition: for any s in ("x", "y\\x00z", "") : ( ext contains s ) or flag }',
        'rule a { meta: e = "" z = "q\\x00r" strings: $a = "\\x00\\x00" condition: $a }',
        'rule a { strings: $a = "a" $b = { 00 } $c = /x|yz/ $d = /.{3}/ condition: any of them }',
        'rule abc { strings: $abc = "abc" condition: $abc and ext == "abc" }',
        "rule a { condition: with x = number : ( x > 3 ) and ext matches /a[bc]/ }",
        *(f'import "{name}"' for name in ("elf", "macho", "dotnet", "lnk", "vt", "cuckoo", "dex")),
    ],
)  # fmt: skip
def test_odd_rules_are_read(text: str) -> None:
    values = {"ext": "abc", "flag": True, "number": 5, "ratio": 2.5}
    data = compiled(text, **values)
    assert engines.changes(FAMILY, data, data) == []
    records(data)


def test_two_rules_of_one_name_are_refused() -> None:
    data = compiled("rule aa { condition: true } rule ab { condition: false }")
    assert data.count(b"\x02ab") == 1
    with pytest.raises(ParseError, match="one name"):
        records(data.replace(b"\x02ab", b"\x02aa"))


@pytest.mark.parametrize("said", ["format 13", "no file of rules"])
def test_other_formats_are_refused(said: str) -> None:
    data = compiled(SMALL)
    broken = data[:8] + b"\x0d" + data[9:] if "13" in said else b"YARA-Y" + data[6:]
    with pytest.raises(ParseError, match=said):
        records(broken)


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(LimitError):
        records(compiled(SMALL) + bytes(SIZE))
