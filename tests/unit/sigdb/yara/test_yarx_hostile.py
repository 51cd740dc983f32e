"""Files of YARA-X that were changed or broken on purpose: noticed, and never slow."""

from __future__ import annotations

import contextlib
import random
import time
from functools import cache

import pytest

from tests.support import HANG
from tests.unit.sigdb.yara import engines, ruleset
from tests.unit.sigdb.yara.test_yarx import records
from verifier.errors import LimitError, ParseError
from verifier.sigdb import wasm
from verifier.sigdb.base import File, Record
from verifier.sigdb.wasm import Instruction, Signature
from verifier.sigdb.yarx import FAMILY, automaton
from verifier.sigdb.yarx.flow import Flow, Kind
from verifier.sigdb.yarx.implied import Implied, Reader
from verifier.sigdb.yarx.layout import Compiled, read
from verifier.sigdb.yarx.regex import Code
from verifier.sigdb.yarx.sets import reduced
from verifier.sigdb.yarx.steps import Question
from verifier.sigdb.yarx.variables import fields

TEXT = """
import "math" import "time"
rule z { strings: $m = "MZ" $r = /q[rs]t/ condition: $m at 0 and $r }
global private rule b { strings: $x = "secret" condition: filesize > 5 or #x < 3 }
rule a : t { meta: n = 5 s = "x" b = true f = 2.5
    strings: $a = { 6A 40 ?? [2-4] 55 } $b = "hello" wide ascii nocase private $c = /ab+c[0-9]x/
             $d = { 11 22 33 44 [1-900] 55 66 77 } $e = "secret" xor $f = "secret" base64
             $g = "MZ" $h = /(foo|bar){2,3}baz$/
    condition: ($a and #b > 2 or $c at 0) and math.abs(-3) == 3 and any of them and (z or b)
        and 2 of ($a, $b, $g) and for any i in (1..#a) : (@a[i] > 7) and ext contains "foo"
        and (v matches /a.c/ or v matches /x[yz]/i or v matches /f.*o/s)
        and (v contains "abc" or v contains "def" or v contains "ghi") }
rule c { condition: a and for any s in ("x", "yy") : (s == v) }
"""


@cache
def data() -> bytes:
    return engines.yara_x_rules({"default": TEXT}, ext="foo", v="bar", n=3)


@cache
def layout() -> Compiled:
    return read(memoryview(data()))


def all_records(raw: bytes) -> set[Record]:
    return set(FAMILY.records(File("x", "x", memoryview(raw)), engines.NO_OPTIONS))


def test_no_flipped_byte_is_equal() -> None:
    """Of the automaton and its filter, which are compared with what they must be, some bytes."""
    dice = random.Random(5)
    known = all_records(data())
    start = data().index(layout().automaton)
    outside = [*range(start), *range(start + len(layout().automaton), len(data()))]
    inside = range(start, start + len(layout().automaton))
    unnoticed = []
    for at in (*dice.sample(outside, 1000), *dice.sample(inside, 200)):
        other = bytearray(data())
        other[at] ^= 1 << dice.randrange(8)
        with contextlib.suppress(ParseError, LimitError):
            if all_records(bytes(other)) == known:
                unnoticed.append(at)
    assert unnoticed == []


def test_no_flipped_byte_of_an_automaton_passes() -> None:
    atoms = [atom.data for atom in layout().atoms]
    raw = layout().automaton
    automaton.check(raw, atoms)
    dice = random.Random(6)
    for at in dice.sample(range(len(raw)), 600):
        other = bytearray(raw)
        other[at] ^= 1 << dice.randrange(8)
        with pytest.raises(ParseError):
            automaton.check(bytes(other), atoms)


@pytest.mark.parametrize(
    "text",
    ['"a"', '"ab" wide', "{ 01 02 03 04 } $b = { 02 03 } $c = { 03 }", '"aaaa" $b = "aaab" nocase'],
)
def test_an_automaton_finds_its_atoms_and_no_others(text: str) -> None:
    raw = engines.yara_x_rules({"x": f"rule a {{ strings: $a = {text} condition: any of them }}"})
    found = read(memoryview(raw))
    atoms = [atom.data for atom in found.atoms]
    automaton.check(found.automaton, atoms)
    for other in ([*atoms, b"zz"], atoms[1:], [b"zz", *atoms[1:]], [b"q" + atoms[0], *atoms[1:]]):
        with pytest.raises(ParseError):
            automaton.check(found.automaton, other)


def test_hostile_files_are_an_error_and_quick() -> None:
    source = ruleset.sources(3, 1, 20)[0]
    base = engines.yara_x_rules({source.namespace: source.text()})
    dice = random.Random(6)
    for number in range(300):
        other = bytearray(base)
        for _ in range(3):
            at = dice.randrange(20_000 if number % 2 else len(base))
            other[at] = dice.choice((0, 1, 250, 251, 252, 253, 254, 255))
        if number % 5 == 0:
            del other[dice.randrange(len(other)) :]
        started = time.process_time()
        with contextlib.suppress(ParseError, LimitError):
            records(bytes(other))
        assert time.process_time() - started < HANG


def test_code_that_is_neither_kind_of_code_is_refused_quickly() -> None:
    started = time.process_time()
    for code in (b"\0" * 200_000, b"\xaa\xaa" * 100_000, b"\x07\xff\xff" * 100_000, b"\xaa\x7f"):
        with pytest.raises(ParseError):
            Code(code, set())
    assert time.process_time() - started < HANG


@pytest.mark.parametrize(
    "code",
    [
        b"\xaa\x04\xf0\xff\xff\xff\xaa\x00",  # a jump to before its start
        b"a\xaa\x00\xaa\x04\xfd\xff\xff\xff\xaa\x00",  # a jump into the program before
        b"\xaa\x04\x40\x00\x00\x00\xaa\x00",  # a jump behind the end
        b"\xaa\x09\x05\x00",  # a class that is cut short
    ],
)
def test_jumps_out_of_a_program_are_refused(code: bytes) -> None:
    with pytest.raises(ParseError):
        Code(code, set())


def test_programs_are_told_apart() -> None:
    code = Code(b"ab\xaa\xaa\xaa\x00" + b"\x01\x02\x00xy\x00" + b"c\xaa\x00", {6})
    assert [code.find(at) for at in (0, 4, 6, 12)] == [(0, 0), (0, 4), (1, 0), (2, 0)]
    assert [code.text(number) for number in range(3)] == ["6162aaaaaa00", "010200787900", "63aa00"]
    assert code.unused() == ""
    with pytest.raises(ParseError):
        code.find(3)  # inside an instruction


def test_structures_in_structures_without_end_are_refused() -> None:
    nested = b"\x01\x01a\x00" + b"\x0d\x01\x01a\x00" * 5000
    with pytest.raises(LimitError):
        fields(nested)


@pytest.mark.parametrize("depth", [10, 100_000])
@pytest.mark.parametrize("between", [[], [(wasm.I32_CONST, 0), (wasm.CALL, 0), (wasm.BR_IF, 0)]])
def test_blocks_in_blocks_are_quick(depth: int, between: list[Instruction]) -> None:
    """Each of them could be a set of patterns, or conditions that must all hold."""
    opened = [(wasm.BLOCK, -1), (wasm.BLOCK, -64), *between]
    closed = [(wasm.BR, 1), (wasm.END,), (wasm.I32_CONST, 0), (wasm.END,)]
    body: list[Instruction] = [
        *opened * depth,
        (wasm.I32_CONST, 0),
        (wasm.CALL, 0),
        *closed * depth,
    ]
    started = time.process_time()
    signature = Signature(b"\x7f", b"\x7f")
    kinds = Flow([signature], [[Kind.PATTERN]], []).read(body)
    steps = reduced(body, kinds, {0: "$a"}, 0, ())
    assert (steps == [Question("1", ("$a",))]) == (not between)
    assert Reader({}, [], {0: b"MZ"}).read(steps) == Implied()
    assert time.process_time() - started < HANG
