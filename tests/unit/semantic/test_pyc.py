"""Compiled Python: real neighbours, lines alone, every constant, broken ones; nothing runs."""

import dis
import importlib.util
import marshal as stdlib_marshal
import random
import struct
import sys
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import compare_bytes
from tests.unit.semantic.made import explained, member, told
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats import magic, pyc, sniff
from verifier.model import Verdict
from verifier.semantic import marshal

VERSION = sys.version_info[:2]


def compiled(source: str, *, mtime: int = 1_700_000_000, name: str = "module.py") -> bytes:
    """What `py_compile` writes, with that time of the source."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    header = struct.pack("<III", 0, mtime, len(source.encode()) & 0xFFFFFFFF)
    return importlib.util.MAGIC_NUMBER + header + stdlib_marshal.dumps(code)


def from_wheel(name: str, version: str, path: str) -> bytes:
    return compiled(member(name, version, path, "any").decode("utf-8"), name=path)


def test_six_1_16_after_1_15() -> None:
    found = explained(*(from_wheel("six", each, "six.py") for each in ("1.16.0", "1.15.0")))
    assert set(told(found.differences, "import", "function")) == {
        ("import-added", "importlib.util"),
        ("function-added", "_SixMetaPathImporter.create_module"),
        ("function-added", "_SixMetaPathImporter.exec_module"),
        ("function-added", "_SixMetaPathImporter.find_spec"),
        ("function-changed", "<module>"),
        ("function-changed", "_SixMetaPathImporter"),
    }
    said = told(found.differences, "function-changed")[("function-changed", "<module>")]
    assert 'Constants added: "1.16.0", a tuple of "spec_from_loader"' in said
    assert found.summary.startswith("1 import added: importlib.util; 3 functions added: ")
    assert "81 functions" in {item.where for item in found.differences}


def test_distlib_0_3_8_after_0_3_7() -> None:
    path = "distlib/__init__.py"
    found = explained(*(from_wheel("distlib", each, path) for each in ("0.3.8", "0.3.7")))
    said = told(found.differences, "function")
    assert set(said) == {("function-changed", "<module>")}
    assert '"0.3.8"' in said[("function-changed", "<module>")]


def test_lines_alone_are_told_apart() -> None:
    source = "def f(x):\n    return x + 1\n\ndef g(x):\n    return f(x) * 2\n"
    found = explained(compiled("\n" + source), compiled(source))
    assert not told(found.differences, "function", "import")
    said = told(found.differences, "debug-lines")
    assert said == {
        ("debug-lines", "3 functions"): "Only line numbers or the file's name differ in "
        "<module>, f, g."
    }


@pytest.mark.parametrize(
    ("one", "other", "where", "said"),
    [
        ("x = 1", "x = 2", "<module>", "Constants added: 1; constants removed: 2."),
        ("x = 1", "x = 1.0", "<module>", "Constants added: "),
        ("x = 0.0", "x = -0.0", "<module>", "onstants"),
        ("x = 1 << 70", "x = 1 << 71", "<module>", "0x400000000000000000"),
        ("x = (1, 'a')", "x = (1, 'b')", "<module>", 'a tuple of 1, "a"'),
        ("x = y in {1, 2}", "x = y in {1, 3}", "<module>", "a frozenset of "),
        ("def f(a): return a", "def f(b): return b", "f", "Other local variables."),
        ("def f(a): return a < 1", "def f(a): return a > 1", "f", "Other instructions."),
        ("def f(a, /): pass", "def f(*, a): pass", "f", "arguments"),
        ("u = 'https://e.example'", "u = ''", "<module>", '"https://e.example"'),
    ],
)
def test_what_changed_in_a_function(one: str, other: str, where: str, said: str) -> None:
    found = told(explained(compiled(one), compiled(other)).differences, "function", "import")
    assert list(found) == [("function-changed", where)]
    assert said in found[("function-changed", where)]


def test_an_import_inside_a_function_leads() -> None:
    found = explained(
        compiled("def f():\n    import os, json\n    return os.system('x')\n"),
        compiled("def f():\n    import json\n    return None\n"),
    )
    assert found.differences[0].kind == "import-added"
    assert found.differences[0].where == "os"


def test_the_time_of_the_source_is_settled_and_nothing_else() -> None:
    base = compiled("x = 1\n")
    for at in range(len(base)):
        other = base[:at] + bytes([base[at] ^ 1]) + base[at + 1 :]
        verdict = compare_bytes(other, base).verdict
        assert verdict is (Verdict.EQUIVALENT if 8 <= at < 12 else Verdict.DIFFERENT), at


def test_a_module_that_ignores_its_source_is_told() -> None:
    base = bytearray(compiled("x = 1\n"))
    base[4] = 1
    checked = bytearray(base)
    checked[4] = 3
    found = told(explained(bytes(base), bytes(checked)).differences, "field")
    assert "never checked against its source" in found[("field", "pyc.flags")]


def test_what_is_no_module_is_none() -> None:
    base = compiled("x = 1\n")
    assert sniff(memoryview(base)).name == "pyc"
    for other in (base[:16], b"\xa7\r\r\n text", base[:16] + b"(" + base[17:], b""):
        assert not magic.pyc(memoryview(other))
    assert pyc.version(memoryview(base)) == VERSION


def _same(value: marshal.Value, code: CodeType) -> None:
    """Our view of a code object beside Python's own."""
    assert value.text("name") == code.co_name
    assert value.field("code").held == code.co_code or VERSION >= (3, 13)
    assert [item.held for item in value.items("names")] == list(code.co_names)
    assert value.field("stacksize").held == code.co_stacksize
    constants = value.items("consts")
    assert len(constants) == len(code.co_consts)
    for one, other in zip(constants, code.co_consts, strict=True):
        if isinstance(other, CodeType):
            _same(one, other)
        elif isinstance(other, str | bytes | int) and not isinstance(other, bool):
            assert one.held == other


@pytest.mark.parametrize("module", [dis, random, importlib.util])
def test_real_modules_are_read_as_python_reads_them(module: ModuleType) -> None:
    source = Path(str(module.__file__)).read_text("utf-8")
    code = compile(source, "module.py", "exec", dont_inherit=True)
    _same(marshal.load(memoryview(stdlib_marshal.dumps(code)), VERSION), code)


_PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(),
    st.binary(), st.just(...),
)  # fmt: skip
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(_PLAIN) | st.lists(inner),
    max_leaves=20,
)


@given(_VALUES, _VALUES)
def test_values_are_equal_where_their_bytes_are(one: object, other: object) -> None:
    raws = [stdlib_marshal.dumps(each, 2) for each in (one, other)]  # version 2: no references
    digests = [marshal.load(memoryview(raw), VERSION).digest for raw in raws]
    assert (digests[0] == digests[1]) == (_canonical(one) == _canonical(other))


def _canonical(value: object) -> str:
    if isinstance(value, frozenset):
        return f"frozenset{sorted(_canonical(item) for item in value)}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}{[_canonical(item) for item in value]}"
    if isinstance(value, float | complex):
        return stdlib_marshal.dumps(value, 2).hex()
    return f"{type(value).__name__} {value!r}"


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(raw: bytes) -> None:
    try:
        marshal.load(memoryview(raw), VERSION)
    except VerifierError:
        return


@pytest.mark.parametrize("version", [(3, 7), (3, 8), (3, 10), (3, 11), (3, 12)])
def test_broken_modules_raise_nothing_else(version: tuple[int, int]) -> None:
    raw = compiled("def f(a, *b, c=1):\n    return [a, (1, 2.5, 'x', b'y', 1j)]\n")[16:]
    chance = random.Random(1)
    for _ in range(400):
        broken = bytearray(raw)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(raw))] = chance.randrange(256)
        try:
            marshal.load(memoryview(broken), version)
        except VerifierError:
            continue


def test_what_nests_or_repeats_without_end_is_refused() -> None:
    with pytest.raises(LimitError):
        marshal.load(memoryview(b")\1" * 200 + b"N"), VERSION)
    with pytest.raises(ParseError, match="does not exist yet"):
        marshal.load(memoryview(b"\xa9\1r\0\0\0\0"), VERSION)
    # Each tuple holds the one before twice: 2 to the power of 60 leaves, read in no time.
    layers = [b"\xa9\2NN", *(b"\xa9\2" + 2 * struct.pack("<cI", b"r", n) for n in range(59))]
    found = marshal.load(memoryview(struct.pack("<cI", b"(", 60) + b"".join(layers)), VERSION)
    assert len(found.held) == 60
