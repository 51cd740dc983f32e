"""Rules compiled by YARA-X: read as far as they can be, and never equal unless bit for bit."""

from __future__ import annotations

import contextlib
import io
import random
import time
from functools import cache

import pytest
import yara_x

from tests.unit.sigdb.yara import engines, ruleset
from tests.unit.sigdb.yara.test_yarc import mutants
from verifier.errors import LimitError, ParseError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import Change, Effect, File
from verifier.sigdb.yarx import FAMILY, REST, SIZE

SMALL = """
import "pe"
rule a : t { meta: n = 5 s = "x" b = true f = 2.5
    strings: $a = { 6A 40 ?? [2-4] 55 } $b = "hello" wide ascii nocase private $c = /ab+c[0-9]x/
             $d = { 11 22 33 44 [1-900] 55 66 77 } $e = "secret" xor $f = "secret" base64
    condition: ($a and #b > 2 or $c at 0) and pe.number_of_sections == 3 and any of them }
global private rule b { condition: filesize < 5MB }
"""


@cache
def compiled(text: str, namespace: str = "default") -> bytes:
    compiler = yara_x.Compiler(relaxed_re_syntax=True)
    compiler.new_namespace(namespace)
    compiler.add_source(text.replace("entrypoint", "filesize"))  # which YARA-X has no longer
    out = io.BytesIO()
    compiler.build().serialize_into(out)
    return out.getvalue()


@cache
def small() -> bytes:
    return compiled(SMALL)


def records(data: bytes) -> list[tuple[str, str]]:
    found = FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS)
    return [(record.scope, record.name) for record in found if record.effect is Effect.DETECT]


def changes(rebuilt: str, shipped: str) -> list[Change]:
    return engines.changes(FAMILY, compiled(rebuilt), compiled(shipped))


def test_the_family_is_known_by_its_magic() -> None:
    assert family_of("anything", memoryview(small())) == "yarx"
    assert named("yarx") is FAMILY


def test_all_rules_are_found() -> None:
    count = 0
    for file in engines.sources():
        data = compiled(file.text(), file.namespace)
        expected = [(file.namespace, rule.name) for rule in file.rules]
        assert records(data) == [*expected, ("", REST)]
        again = compiled.__wrapped__(file.text(), file.namespace)
        assert again == data  # so that a rebuild settles what only the engine understands
        assert engines.changes(FAMILY, data, data) == []
        count += len(expected)
    assert count > 1000


def test_no_change_goes_unnoticed_and_most_name_the_rule() -> None:
    """REST speaks of what is shared: the automaton, and where numbers shift."""
    named_rules = exact = 0
    for file, other, where in mutants(21, 200):
        before, after = (compiled(item.text(), item.namespace) for item in (file, other))
        found = engines.changes(FAMILY, before, after)
        places = {item.where for item in found}
        assert found[0].weakening
        assert places <= {REST, where}
        named_rules += where in places
        exact += places == {where}
    assert named_rules >= 184
    assert exact >= 123


def test_what_is_known_of_a_rule_is_said() -> None:
    found = changes(SMALL, SMALL.replace('"hello"', '"hallo"'))
    assert [(item.where, item.weakening) for item in found] == [
        ("default: a", "string-changed"),
        (REST, "changed"),
    ]
    found = changes(SMALL, SMALL.replace("sections == 3", "sections == 4"))
    assert [(item.where, item.weakening) for item in found] == [("default: a", "condition-changed")]
    found = changes(SMALL, SMALL.replace("rule a", "private rule a"))
    assert ("default: a", "made-private") in [(item.where, item.weakening) for item in found]


def test_where_numbers_shift_no_condition_is_blamed() -> None:
    other = SMALL.replace('import "pe"', 'import "math"').replace(
        "pe.number_of_sections == 3", "math.abs(-1) == 1"
    )
    found = changes(SMALL, "global rule c { condition: false }" + other)
    assert {(item.where, item.weakening) for item in found} == {
        (REST, "changed"),
        ("default: c", "global-added"),
        ("import pe", "setting-changed"),
        ("import math", "setting-changed"),
    }


def test_two_rules_of_one_name_are_refused() -> None:
    data = compiled("rule aa { condition: true } rule ab { condition: false }")
    assert data.count(b"\x02ab") == 1
    with pytest.raises(ParseError, match="one name"):
        records(data.replace(b"\x02ab", b"\x02aa"))


def test_no_flipped_byte_is_equal() -> None:
    data = small()
    dice = random.Random(5)
    places = [*range(600), *(dice.randrange(len(data)) for _ in range(400))]
    for at in places:
        other = bytearray(data)
        other[at] ^= 1 << at % 8
        with contextlib.suppress(ParseError):
            assert engines.changes(FAMILY, data, bytes(other))


def test_hostile_files_are_an_error_and_quick() -> None:
    data = compiled(ruleset.sources(3, 1, 20)[0].text())
    dice = random.Random(6)
    for number in range(500):
        other = bytearray(data)
        for _ in range(3):
            at = dice.randrange(3000 if number % 2 else len(data))
            other[at] = dice.choice((0, 1, 250, 251, 252, 253, 254, 255))
        if number % 5 == 0:
            del other[dice.randrange(len(other)) :]
        started = time.process_time()
        with contextlib.suppress(ParseError, LimitError):
            records(bytes(other))
        assert time.process_time() - started < 1


@pytest.mark.parametrize("said", ["format 13", "no file of rules"])
def test_other_formats_are_refused(said: str) -> None:
    data = small()
    broken = data[:8] + b"\x0d" + data[9:] if "13" in said else b"YARA-Y" + data[6:]
    with pytest.raises(ParseError, match=said):
        records(broken)


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(LimitError):
        records(small() + bytes(SIZE))
