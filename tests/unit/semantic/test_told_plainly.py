"""What an auditor reads of real neighbours: texts, names of Rust, segments, callees of one name."""

from __future__ import annotations

import zipfile
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests import realfiles
from tests.layouts import builds
from tests.unit.semantic.made import LINUX, explained, member, told
from verifier.model import Difference
from verifier.semantic.demangle import demangled
from verifier.semantic.layout.explain import explain
from verifier.semantic.telling import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.model import Member

ORJSON = "orjson/orjson.cpython-311-x86_64-linux-gnu.so"


@cache
def orjson() -> Member:
    shipped, rebuilt = (member("orjson", each, ORJSON, LINUX) for each in ("3.10.7", "3.10.6"))
    return explained(shipped, rebuilt)


def test_what_is_not_listed_is_counted_and_not_named() -> None:
    listed = [Difference("function-changed", f"f{n}", "It changed.") for n in range(5)]
    more = Difference("function-changed", "more", "54 more functions differ.")
    said = sentence("elf", [*listed, more])
    assert said.startswith("59 functions changed: f0, f1, f2, …;")
    rest = Difference("function-changed", "more", "More functions are not listed.")
    assert sentence("elf", [*listed, rest]).startswith("6 functions changed: f0, f1, f2, …;")
    assert sentence("raw", [more]) == "54 functions changed."


def test_names_of_rust_have_no_escapes() -> None:
    found = told(orjson().differences, "function-")
    assert ("function-changed", "<alloc::string::String as core::fmt::Write>::write_str") in found
    assert not [where for _kind, where in found if "$" in where]
    said = found[("function-changed", "dumps")]
    assert "`call orjson::raise_dumps_exception_fixed` removed" in said


def test_a_callee_of_the_same_name_is_told_as_another_one() -> None:
    found = told(orjson().differences, "function-changed")
    said = found[("function-changed", "core::fmt::Formatter::write_fmt")]
    assert "do_reserve_and_handle` became another function of that name" in said


def test_segments_are_told_by_what_differs() -> None:
    fields = told(orjson().differences, "field")
    assert ("field", "segment 6 (PT_GNU_RELRO)") in fields
    assert not [said for said in fields.values() if "1685382482" in said]


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        (
            "_ZN42_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
            "<&T as core::fmt::Debug>::fmt",
        ),
        ("_ZN3foo10price$u24$5E", None),
    ],
)
def test_the_older_mangling_of_rust(mangled: str, name: str | None) -> None:
    assert demangled(mangled) == (name or mangled)


TEXTS = """
#include <string.h>
#include <stdio.h>
%(first)s
const char *const all[] = {"one of the texts", %(texts)s};
__attribute__((visibility("default"))) void copy(char *to) { memcpy(to, %(copied)s, 16); }
int main(int n, char **v) { copy(v[0]); return puts(all[n %% 2]); }
"""


def program(where: Path, **changes: str) -> bytes:
    plain = {"first": "", "texts": '"a longer text ends so"', "copied": '"0123456789ABCDEF"'}
    where.mkdir()
    (where / "a.c").write_text(TEXTS % (plain | changes))
    builds.run("gcc", "-O2", "-o", "a", "a.c", "-Wl,--build-id=none", where=where)
    return (where / "a").read_bytes()


def texts(shipped: bytes, rebuilt: bytes) -> set[tuple[str, str]]:
    return set(told(explained(shipped, rebuilt).differences, "string"))


def test_a_text_that_became_the_end_of_another_is_none(tmp_path: Path) -> None:
    """`ends so` is no text of its own where the linker finds it at the end of another."""
    rebuilt = program(tmp_path / "1")
    shipped = program(tmp_path / "2", texts='"a longer text ends so", "ends so", "new words"')
    assert texts(shipped, rebuilt) == {("string-added", "new words")}
    assert texts(rebuilt, shipped) == {("string-removed", "new words")}


def test_a_whole_text_is_told_though_its_beginning_was_there(tmp_path: Path) -> None:
    rebuilt = program(tmp_path / "1")
    longer = '"a longer text ends so, and goes on"'
    found = texts(program(tmp_path / "2", texts=longer), rebuilt)
    assert ("string-added", "a longer text ends so, and goes on") in found


@pytest.mark.parametrize("text", ["/bin/sh -c", "https://evil.example/x", "/etc/shadow"])
def test_what_looks_like_an_address_is_told_though_another_holds_it(
    tmp_path: Path, text: str
) -> None:
    longer = f'"{text} and more words"'
    rebuilt = program(tmp_path / "1", texts=longer)
    shipped = program(tmp_path / "2", texts=f'{longer}, "{text}"')
    assert ("string-added", text) in texts(shipped, rebuilt)


def test_constants_in_a_row_are_no_texts(tmp_path: Path) -> None:
    """Two constants of 16 bytes, which code copies, follow each other in two orders."""
    one, other = '.ascii "ARCH64_JUMP_SLOT"', '.ascii "R_AARCH64_JUMP_S"'
    head = '.section .rodata.mine,\\"a\\"\\n.balign 16\\n.byte 0'
    pool = f'__asm__("{head}\\n{{}}\\n{{}}\\n.byte 0\\n.text");'
    rows = [
        pool.format(*(each.replace('"', '\\"') for each in order))
        for order in ((one, other), (other, one))
    ]
    rebuilt, shipped = (
        program(tmp_path / str(number), first=row) for number, row in enumerate(rows)
    )
    found = told(explained(shipped, rebuilt).differences, "string-added")
    assert set(found) == {("string-added", "texts in pieces")}
    assert "made of pieces of 16 bytes that the other image holds too" in found.popitem()[1]


def test_a_wheel_of_c_plus_plus_tells_its_version_by_who_uses_it() -> None:
    images = []
    for version in ("1.4.8", "1.4.7"):
        path = realfiles.wheel("kiwisolver", version, "manylinux_2_17_x86_64")
        with zipfile.ZipFile(path) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith(".so")]
            images.append(memoryview(archive.read(name)))
    found = told(explain("elf", *images).differences, "object-changed")
    (((_kind, where), said),) = found.items()
    assert where.startswith("data used by (anonymous namespace)::kiwi_modexec(_object*) at +0x")
    assert said.endswith('The text "1.4.7" became "1.4.8".')
