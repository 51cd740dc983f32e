"""Each class of weakening, in rules as text and compiled; and what is none."""

from __future__ import annotations

import pytest

from tests.unit.sigdb.yara import engines
from tests.unit.sigdb.yara.test_yara_source import records
from verifier.sigdb.difference import compare
from verifier.sigdb.yara_source import FAMILY as YARA
from verifier.sigdb.yara_weakening import CLASSES

A = 'rule a { strings: $x = "abcd" $y = { 01 02 ?? 04 } condition: any of them }'
B = " rule b { condition: filesize > 3 }"
IMPORT = 'import "pe" '

WEAKER = [
    ("signature-removed", A + B, A),
    ("signature-removed", "private " + A + B, B),
    ("string-removed", A, 'rule a { strings: $x = "abcd" condition: any of them }'),
    ("string-removed", A, "rule a { strings: $y = { 01 02 ?? 04 } condition: any of them }"),
    ("string-changed", A, A.replace("abcd", "abcde")),
    ("string-changed", A, A.replace("??", "03")),
    ("string-changed", A, A.replace('"abcd"', '"abcd" fullword')),
    ("condition-changed", A, A.replace("any", "all")),
    ("condition-changed", B, B.replace(">", ">=")),
    ("made-private", B, B.replace("rule", "private rule")),
    ("made-private", A + B, A + B.replace("rule", "private rule")),
    ("global-added", A, A + "global rule g { condition: filesize > 9 }"),
    ("global-added", A, "global " + A),
    ("global-added", A, A + "global private rule g { condition: false }"),
    ("setting-changed", A, IMPORT + A),
    ("setting-changed", IMPORT + A, A),
]
HARMLESS = [
    (A + B, B + A),
    (A, A.replace("strings:", "/* any */ strings: // x\n")),
    (A, A.replace("{ 01 02", "{0102")),
]
META = [
    (A.replace("strings:", 'meta: v = 1 author = "x" strings:'), A),
    (A, A.replace("rule a", "rule a : tag")),
    (A, A.replace("strings:", "meta: v = true strings:")),
]


def both(rebuilt: str, shipped: str) -> list[list[tuple[str, str]]]:
    """(kind, class) of each change, from text and from compiled rules."""
    source = compare(YARA, records(rebuilt), records(shipped))
    return [
        [(change.kind, change.weakening) for change in found]
        for found in (source, engines.yarc(rebuilt, shipped))
    ]


@pytest.mark.parametrize(("weakening", "rebuilt", "shipped"), WEAKER)
def test_weaker(weakening: str, rebuilt: str, shipped: str) -> None:
    for found in both(rebuilt, shipped):
        assert found
        assert found[0][1] == weakening


@pytest.mark.parametrize(("rebuilt", "shipped"), HARMLESS)
def test_no_change_at_all(rebuilt: str, shipped: str) -> None:
    assert both(rebuilt, shipped) == [[], []]


@pytest.mark.parametrize(("rebuilt", "shipped"), META)
def test_a_change_of_meta_or_tags_alone_weakens_nothing(rebuilt: str, shipped: str) -> None:
    assert both(rebuilt, shipped) == [[("detection-changed", "")]] * 2


def test_additions_and_renamings_weaken_nothing() -> None:
    assert both(A, A + B) == [[("detection-added", "")]] * 2
    assert both(A + B, A + B.replace("rule b", "rule c")) == [[("detection-renamed", "")]] * 2
    assert (
        both(A, A + "private rule g { condition: filesize > 9 }") == [[("detection-added", "")]] * 2
    )


def test_what_is_changed_otherwise_is_a_class_of_its_own() -> None:
    """Atoms and counts follow from the strings; where they alone differ, someone made them."""
    data = bytearray(engines.rules(A))
    data[150 + 16 + 8] ^= 1  # the number of strings that must match before it is evaluated
    found = engines.changes(engines.YARC, engines.rules(A), bytes(data))
    assert [(change.kind, change.weakening) for change in found] == [
        ("detection-changed", "changed")
    ]


def test_a_rule_that_is_no_longer_global_or_private_is_a_change() -> None:
    """It may have kept matches from being reported, or may be what others refer to."""
    assert both("global " + B, B) == [[("detection-changed", "changed")]] * 2
    assert both("private " + B, B) == [[("detection-changed", "changed")]] * 2


def test_every_class_has_cases() -> None:
    assert {item[0] for item in WEAKER} | {"changed"} == set(CLASSES)
