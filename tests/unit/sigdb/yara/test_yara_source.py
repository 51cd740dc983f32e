"""Rules as text: one meaning however they are written, against the real compilers."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
import yara

from tests.support import HANG
from tests.unit.sigdb.yara import engines, restyle, ruleset
from tests.unit.sigdb.yara.test_yarc import mutants, shuffled
from verifier.errors import ParseError, VerifierError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import File, Record
from verifier.sigdb.difference import compare
from verifier.sigdb.yara_source import FAMILY
from verifier.sigdb.yarc import FAMILY as YARC

STRINGS = "rule a { strings: $a = %s condition: $a }"


def records(*texts: str, **options: tuple[str, ...]) -> list[Record]:
    return [
        record
        for number, text in enumerate(texts)
        for record in FAMILY.records(
            File(f"{number}.yar", f"{number}.yar", memoryview(text.encode("latin-1"))), options
        )
    ]


def changes(rebuilt: str, shipped: str) -> list[str]:
    return [item.where for item in compare(FAMILY, records(rebuilt), records(shipped))]


def test_the_family_is_known_by_ending_and_first_word() -> None:
    text = memoryview(b'/* c */ // d\n\nimport "pe"\nrule a { condition: true }')
    assert family_of("x.yar", text) == family_of("X.YARA", text) == "yara"
    assert family_of("x.txt", text) == ""
    for other in (b"", b"// a comment alone\n", b"ruleset = 1", b"<rule ", b"/* rule a "):
        assert family_of("x.yar", memoryview(other)) == ""
    assert named("yara") is FAMILY


def test_all_generated_rules_are_read_and_shuffled_files_are_equal() -> None:
    one = records(*(file.text() for file in engines.sources()))
    other = records(*(file.text() for file in shuffled(1)))
    names = {record.name for record in one}
    assert {rule.name for file in engines.sources() for rule in file.rules} <= names
    assert compare(FAMILY, one, other) == []


def test_files_written_otherwise_are_equal_and_compile_to_the_same() -> None:
    dice = random.Random(8)
    for file in engines.sources():
        text, other = file.text(), restyle.restyled(dice, file)
        assert changes(text, other) == []
        compiled = engines.rules(text), engines.rules(other)
        assert engines.changes(YARC, *compiled) == []


def test_one_changed_byte_is_exactly_that_rule() -> None:
    for file, other, where in mutants(9, 200):
        assert changes(file.text(), other.text()) == [where.partition(": ")[2]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (STRINGS % '"a\\x62" ascii', STRINGS % '"ab"'),
        (STRINGS % "{ 0a[2]bb [-] cc[3-] ~dD }", STRINGS % "{0A [ 2 - 2 ] BB [0-] CC[3-]~Dd}"),
        (STRINGS % '"ab" xor', STRINGS % '"ab" xor(0x0-255)'),
        (STRINGS % '"ab" base64 wide ascii', STRINGS % '"ab" ascii wide base64'),
        (STRINGS % "/a\\/b/is", STRINGS % "/a\\/b/s nocase"),
        ("rule a { condition: filesize<1KB }", "rule a{condition:filesize < 0x400}"),
        ("private global rule a { condition: true }", "global private rule a { condition: true }"),
        ("rule a { condition: true } rule b { condition: a }",
         "rule a { condition: true }// x\nrule b { condition: /* y **/ a }"),
    ],
)  # fmt: skip
def test_other_spellings_are_equal_and_compile_to_the_same(one: str, other: str) -> None:
    assert changes(one, other) == []
    assert engines.yarc(one, other) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (STRINGS % '"ab" xor', STRINGS % '"ab" xor(1-255)'),
        (STRINGS % '"ab" wide', STRINGS % '"ab" wide ascii'),
        (STRINGS % "{ 0A [2-3] BB }", STRINGS % "{ 0A [2-4] BB }"),
        (STRINGS % "{ 0A ?B BB }", STRINGS % "{ 0A ?C BB }"),
        (STRINGS % "/ab/", STRINGS % "/ab/s"),
        (STRINGS % "/a b/", STRINGS % "/a  b/"),
        (STRINGS % "/ab\\\\/", STRINGS % "/ab\\\\\\//"),
        (STRINGS % '"a b"', STRINGS % '"a  b"'),
        ('rule a { condition: "x" == "x y" }', 'rule a { condition: "x" == "x  y" }'),
        ("rule a { condition: 1 + 2 * 3 == 7 }", "rule a { condition: (1 + 2) * 3 == 7 }"),
    ],
)
def test_what_looks_alike_is_not_equal(one: str, other: str) -> None:
    assert changes(one, other) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "rule a { condition: true } /* rule b { condition: true }",
        "rule a { condition: true } / rule b { condition: true }",
        'rule a { condition: true } "rule b { condition: true }',
    ],
)
def test_what_the_compiler_passes_over_in_silence_is_an_error(text: str) -> None:
    assert [rule.identifier for rule in yara.compile(source=text)] == ["a"]
    with pytest.raises(ParseError):
        records(text)


@pytest.mark.parametrize(
    "text",
    [
        "rule a { condition: true } ;",
        "rule a { }",
        "rule { condition: true }",
        "rule a { condition: }",
        "rule a { condition: true",
        "rule all { condition: true }",
        "rule a { strings: condition: true }",
        "rule a { meta: condition: true }",
        "rule a { meta: b condition: true }",
        "x",
        "import pe",
        'include\n"x"',
        STRINGS % '"a',
        STRINGS % '""',
        STRINGS % '"\\q"',
        STRINGS % "{ }",
        STRINGS % "{ 0 1 }",
        STRINGS % "{ 01 [] 02 }",
        STRINGS % "{ 01 /* }",
        STRINGS % "/a",
        STRINGS % "/a\n/",
        STRINGS % '"a" ascii ascii',
        STRINGS % '"a" xor(',
        STRINGS % "{ 01 } wide",
        STRINGS % '"a" $a = "b"',
        "rule a { condition: 0x8000000000000000 }",
        "rule a { condition: true }\x0c",
        "\xef\xbb\xbfrule a { condition: true }",
        "rule a { condition: 1 rule b { condition: true } }",
    ],
)
def test_what_the_compiler_refuses_is_an_error(text: str) -> None:
    with pytest.raises(yara.Error):
        yara.compile(source=text)
    with pytest.raises(ParseError):
        records(text)


def test_a_nul_ends_a_text_for_the_compiler_and_is_an_error_here() -> None:
    with pytest.raises(ParseError, match="NUL"):
        records(STRINGS % '"abc\0def"')


def test_includes_and_imports_are_records_and_files_may_be_namespaces() -> None:
    text = 'import "pe" include "b/c.yar" rule a { condition: true }'
    found = records(text, "rule a { condition: true }", namespace=("file",))
    assert [(record.scope, record.name) for record in found] == [
        ("0.yar", "import pe"),
        ("0.yar", "include b/c.yar"),
        ("0.yar", "a"),
        ("1.yar", "a"),
    ]
    assert changes(text, 'import "pe" rule a { condition: true }') == ["include b/c.yar"]


def moved(rebuilt: dict[str, str], shipped: dict[str, str], *declared: str) -> list[str]:
    """Where two trees of files differ."""
    assert FAMILY.changes is not None
    sides = [
        [File(path, path, memoryview(text.encode())) for path, text in side.items()]
        for side in (rebuilt, shipped)
    ]
    options = {"namespace": declared} if declared else {}
    return [item.where for item in FAMILY.changes(*sides, options)]


def test_rules_may_move_between_files_unless_namespaces_matter() -> None:
    one, other = "rule a { condition: true } ", "rule b { condition: false } "
    three = "global rule c { condition: filesize > 1 } "
    assert moved({"x": one + other}, {"x": other, "y": one}) == []
    assert moved({"x": one + other, "z": three}, {"x": other, "y": one, "z": three}) == [
        "x: a",
        "y: a",
    ]
    assert moved({"x": one, "z": three}, {"x": three, "z": one}, "one") == []
    assert moved({"x": one, "y": other}, {"x": other, "y": one}, "file") != []


def test_rules_of_one_name_do_not_change_places() -> None:
    one, other = "rule a { condition: true }", "rule a { condition: false }"
    assert moved({"x": one, "y": other}, {"y": other, "x": one}) == []
    assert moved({"x": one, "y": other}, {"x": other, "y": one}) == ["x: a", "y: a"]


def test_a_change_is_placed_at_its_rule() -> None:
    text = "// first\nrule a { condition: true }\nprivate rule b { condition: true } "
    found = records(text)[1]
    start, length = found.place[1:]
    assert text[start : start + length] == "private rule b { condition: true }"


def test_hostile_texts_are_an_error_and_quick() -> None:
    dice = random.Random(11)
    base = ruleset.sources(12, 1, 30)[0].text()
    pieces = (
        "/*",
        '"',
        "{",
        "}",
        "/",
        "\\",
        "$",
        "[",
        "(",
        "//",
        "rule",
        "\n",
        "*/",
        "0x",
        "~",
        "?",
    )
    for _ in range(500):
        text = base
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(text))
            text = (
                text[:at]
                + dice.choice(pieces) * dice.choice((1, 2, 50))
                + text[at + dice.choice((0, 3)) :]
            )
        _quick(text)
    for bomb in (
        "/*" * 200_000,
        "/* *" * 200_000,
        '"' + "\\" * 400_001,
        "/" + "\\/" * 200_000,
        "{" * 300_000,
        STRINGS % ("{" + "(" * 300_000 + "}"),
        STRINGS % ("{ 01 " + "/*" * 200_000),
        "rule " * 200_000,
        "rule a { condition: " + "(" * 300_000,
        "9" * 400_000,
        "$" * 400_000,
        "a" * 400_000,
        STRINGS % ("{ [" + " " * 300_000),
        "rule a { condition: " + "1" * 400_000 + "}",
        STRINGS % ("{ 01 " + "/" * 300_000),
    ):
        _quick(bomb)


def _quick(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(VerifierError):
        records(text)
    FAMILY.accepts("x.yar", memoryview(text.encode("latin-1")))
    assert time.process_time() - started < HANG, text[:100]


REFERENCES = (
    "$a", "$ab", "#a > 1", "@a == 0", "!ab == 3", "any of them", "all of ($a*)", "1 of ($b*,$a)",
    "any of ($*)", "for all of them : ($ at 0)", "for any of ($a*) : (# > 0)", "true", "$_x",
    "for any i in (1..#b) : (@b[i] == 1)", "$b in (0..9)", "2 of ($b1,$b)", "any of ($c*)",
    "$zz", "for any of ($a) : (!0 == 1)", "any of ($_*)", "all of ($ab*)", "none of them",
)  # fmt: skip


def test_strings_are_named_as_the_compiler_wants_it() -> None:
    """It refuses a whole file for one rule that names too few strings, or too many."""
    dice = random.Random(3)
    taken = 0
    for _ in range(1_500):
        names = dice.sample(("$a", "$ab", "$_x", "$", "$b", "$b1", "$"), dice.randint(0, 5))
        strings = " ".join(f'{name} = "text{place}"' for place, name in enumerate(names))
        parts = dice.sample(REFERENCES, dice.randint(1, 4))
        text = f"rule r {{ {'strings: ' + strings if names else ''} condition: "
        text += dice.choice((" and ", " or ")).join(parts) + " }"
        compiles = True
        try:
            yara.compile(source=text)
        except yara.Error:
            compiles = False
        try:
            records(text)
        except ParseError:
            assert not compiles, text
        else:
            assert compiles, text
            taken += 1
    assert taken > 100


def test_strings_without_end_take_no_time_without_end() -> None:
    strings = " ".join(f'$ = "s{number}"' for number in range(50_000))
    wild = " or ".join(f"any of ($a{number}*)" for number in range(20_000))
    start = time.process_time()
    for text in (
        f"rule a {{ strings: {strings} condition: any of them }}",
        f'rule a {{ strings: $a = "x" condition: {wild} }}',
    ):
        with pytest.raises(ParseError):
            records(text)
    assert time.process_time() - start < HANG
