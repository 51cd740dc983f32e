"""Conditions of YARA-X: what numbers stand for, sets of patterns, and bounds that follow."""

from __future__ import annotations

import pytest

from tests.unit.sigdb.yara import engines
from tests.unit.sigdb.yara.test_yarx import changes, compiled
from verifier.errors import ParseError
from verifier.sigdb.base import File, Record
from verifier.sigdb.yarx import FAMILY
from verifier.sigdb.yarx.layout import read

STRINGS = '$a = "abcd" $b = "abce" $c = "wwww"'
# Rules before that share a pattern give the patterns of the next rule other numbers.
BEFORE = ("", 'rule y { strings: $a = "wwww" condition: $a } rule z { condition: true }')
SETS = (
    "any of them", "all of them", "1 of them", "2 of them", "3 of them", "4 of them",
    "not any of them", "none of them", "any of them or all of them", "50% of them",
    "$a and any of them and filesize > 3", "$a or $b or $c", "all of ($a, $c) or any of ($a, $b)",
    "filesize == 1 or (all of ($a, $c) and any of ($a, $b)) or filesize < 2",
    "for any i in (1..3) : (any of ($a, $b, $c) and filesize > i)",
    "2 of them and (for any of them : ($ at 100)) and #a > 2", "any of ($a, $c) and 2 of ($b, $c)",
    "for all of ($a, $c) : (# > 2) and any of them", "2 of them in (0..100)", "any of them at 7",
)  # fmt: skip


def rule(text: str, name: str = "x") -> Record:
    found = FAMILY.records(File("f", "f", memoryview(compiled(text))), engines.NO_OPTIONS)
    return next(record for record in found if record.name == name)


@pytest.mark.parametrize("condition", SETS)
def test_a_set_is_the_same_however_its_patterns_are_numbered(condition: str) -> None:
    text = f"rule x {{ strings: {STRINGS} condition: {condition} }} "
    bodies = {rule(before + text).body for before in BEFORE}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("any of them", "all of them"), ("2 of them", "all of them"), ("2 of them", "4 of them"),
        ("any of them", "none of them"), ("2 of ($a, $b) and $c", "2 of ($a, $c) and $b"),
        ("any of ($a, $b) and $c", "any of ($a, $c) and $b"), ("#a > 1", "#a > 2"),
        ("#a > 1", "#b > 1"), ("$a at 5", "$b at 5"), ("@a[1] > 2", "@b[1] > 2"),
        ("!a[1] > 2", "!c[1] > 2"), ("for any of ($a, $b) : (# > 1)", "for any of ($a) : (# > 1)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", BEFORE)
def test_another_set_is_another_condition(before: str, one: str, other: str) -> None:
    texts = [
        f"rule x {{ strings: {STRINGS} condition: ({condition}) or any of them }} "
        for condition in (one, other)
    ]
    found = changes(texts[0], before + texts[1])
    assert "default: x" in [item.where for item in found if "condition: " in item.summary]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('v contains "abc" or v contains "def" or v contains "ghi"', "def"),
        ('v == "abc" or v == "def" or v == "ghi"', "def"),
        ("v matches /a.c/ or v matches /d[ef]f/i or v matches /g.*i/s", "d[ef]f"),
        ('for any s in ("abc", "def") : ( s == v )', "def"),
        ('with s = "def" : ( v startswith s )', "def"),
        ("v matches /d[ef]f/i", "d[ef]f"),
    ],
)
def test_texts_and_expressions_are_told_apart_by_what_they_are(one: str, other: str) -> None:
    before = 'rule z { condition: v contains "other" or v matches /oth./ } '
    texts = [f"rule x {{ condition: {item} }} " for item in (one, one.replace(other, "zzzz"))]
    data = [
        compiled(text, v="") for text in (texts[0] + before, before + texts[0], texts[1] + before)
    ]
    assert data[0] != data[1]
    assert engines.changes(FAMILY, data[0], data[1]) == []
    for shipped in data[:2]:
        found = engines.changes(FAMILY, data[2], shipped)
        assert [item.where for item in found] == ["default: x"]


BOUNDS = (
    "filesize < 5 and (100 > filesize and filesize >= 3)", "10 <= filesize", "0x5a4d == uint16(0)",
    "uint16(0) == 0x5a4d and uint8(2) == 3 and uint8(5) == 1", "int16(0) == -2",
    "filesize > 2 and uint32be(0) == 0x11223344 and 7 == uint8(4)", "$m at 0", "$m at 0 and z",
    "uint32(0) == -1 and int8(0) == -1", "uint16be(0) == 0x4d5a and filesize < 1KB + 5", "z",
    "uint16(0) == 1 and uint16(0) == 2", "filesize < 5 and filesize > 10 and z",
    "int16be(0) == -2 and int32be(2) == -5 and int32(6) == -4 and int8(10) == -3",
    "for any i in (1..2) : (i == 3) and filesize < 9",
)  # fmt: skip


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("form", ["$r and {}", "{} and $r", "filesize != 12 and $r and ({})"])
def test_bounds_that_follow_from_conditions_are_left_out(bounds: str, form: str) -> None:
    more = '$m = "MZ"' if "$m" in bounds else ""
    text = (
        "rule z { condition: filesize < 800 and uint8(0) == 0x4d } "
        f"rule x {{ strings: $r = /a[bc]d/ {more} condition: {form.format(bounds)} }}"
    )
    compiled_ = read(memoryview(compiled(text)))
    assert compiled_.sizes or compiled_.heads  # what is left out is there
    assert "in files" not in rule(text).value("string $r")


def test_bounds_of_global_rules_are_left_out_wherever_these_stand() -> None:
    text = "rule x { strings: $r = /a[bc]d/ condition: $r } "
    limit = "global rule g { condition: filesize < 100 and uint16(0) == 0x5a4d } "
    data = [compiled(text + limit), compiled(limit + text)]
    assert [bool(read(memoryview(item)).sizes) for item in data] == [False, True]
    assert engines.changes(FAMILY, *data) == []


def test_bounds_that_do_not_follow_are_a_change() -> None:
    data = compiled("rule x { strings: $r = /a[bc]d/ condition: $r and filesize < 100 }")
    entry = b"\x01\x00\x00\x02\xfb\xc8\x00"  # one entry: pattern 0, from any, to 100 excluded
    entry = entry if entry in data else b"\x01\x00\x00\x02\xc8"
    assert data.count(entry) == 1
    narrow, wide = (data.replace(entry, entry.replace(b"\xc8", end)) for end in (b"\xc6", b"\xca"))
    assert [item.where for item in engines.changes(FAMILY, data, narrow)] == ["default: x"]
    assert engines.changes(FAMILY, data, wide) == []  # the condition is false for more than 99


def test_which_rules_a_global_rule_silences_is_told() -> None:
    limit, one, two = (
        "global rule g { condition: filesize < 100 }",
        "rule x { condition: true }",
        "rule y { condition: true }",
    )
    other = ("b", "rule b { condition: true }")
    files = [
        engines.yara_x_rules([("a", limit + one), other, ("a", two)]),
        engines.yara_x_rules([("a", limit + two), other, ("a", one)]),
        engines.yara_x_rules([("a", one), other, ("a", two)]),
        engines.yara_x_rules([("a", one + two), other]),
    ]
    found = engines.changes(FAMILY, files[0], files[1])
    assert [(item.where, item.weakening) for item in found] == [("parts of a", "setting-changed")]
    assert engines.changes(FAMILY, files[2], files[3]) == []  # nobody is silenced


@pytest.mark.parametrize(
    ("code", "other", "said"),
    [
        ("41 00 41 01 42 01 10", "41 00 41 02 42 01 10", "range of patterns of other rules"),
        ("41 01 71 41 00 76", "41 04 71 41 02 76", "comes later"),
        ("41 02 10", "41 01 10", "a pattern of another rule|not reported"),
    ],
)
def test_conditions_that_reach_into_other_rules_are_refused(
    code: str, other: str, said: str
) -> None:
    data = compiled(
        'rule a { strings: $a = "abcd" $b = "efgh" condition: any of them } '
        'rule b { strings: $c = "ijkl" condition: a and $c } rule c { condition: true }'
    )
    assert bytes.fromhex(code) in data
    with pytest.raises(ParseError, match=said):
        engines.changes(FAMILY, data, data.replace(bytes.fromhex(code), bytes.fromhex(other)))


def test_texts_that_change_places_are_both_rules() -> None:
    data = compiled(
        'rule a { condition: v == "abcd" } rule b { condition: v == "efgh" } '
        'rule c { condition: v contains "ijkl" }', v="",
    )  # fmt: skip
    other = data.replace(b"abcd", b"....").replace(b"efgh", b"abcd").replace(b"....", b"efgh")
    found = engines.changes(FAMILY, data, other)
    assert [item.where for item in found] == ["default: a", "default: b"]


def test_a_number_of_a_set_that_only_the_scan_tells_is_read() -> None:
    texts = [
        f"rule x {{ strings: {STRINGS} condition: (#a * {number}) of them }}" for number in (2, 3)
    ]
    assert "patterns ($a $b $c)" in rule(texts[0]).value("condition")
    assert [item.where for item in changes(*texts)] == ["default: x"]
