"""Changed data is told by the names of its objects, though all of it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from verifier.semantic.layout import assembled, elf, x86
from verifier.semantic.layout.explain import explain
from verifier.semantic.layout.listing import string_at

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
%(first)s
static int one(int n) { return n + 3; }
static int two(int n) { return n * 5; }
int numbers[6] = {%(numbers)s};
char words[] = "%(words)s";
const char *names[] = {"alpha", "beta"};
int (*table[])(int) = {%(table)s};
int call(int n) { return table[n & 1](n) + numbers[n %% 6]; }
"""
PLAIN = {"first": "", "numbers": "1, 2, 3, 4, 5, 6", "words": "some words", "table": "one, two"}
SHIFT = {"first": "int early[40] = {1}; int more(int n) { return early[n % 40]; }"}
FLAGS = ("-O1", "-fPIC", "-shared", "-nostdlib", "-Wl,--build-id=none", "-Wl,-e,call")


def image(where: Path, **changes: str) -> memoryview:
    where.mkdir()
    (where / "a.c").write_text(SOURCE % (PLAIN | SHIFT | changes))
    builds.run("gcc", *FLAGS, "-o", "lib.so", "a.c", where=where)
    return memoryview((where / "lib.so").read_bytes())


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("numbers", {"numbers": "1, 2, 3, 9, 5, 6"}, "1 of 24 bytes differ, from offset 0xc"),
        ("words", {"words": "same words"}, 'The text "some words" became "same words".'),
        ("table", {"table": "two, one"}, "leads to two, not to one."),
        ("words", {"words": "some more"}, "It takes 10 bytes in the shipped image, 11"),
    ],
)
@pytest.mark.parametrize("first", [PLAIN["first"], SHIFT["first"]])
def test_the_object_that_changed_is_named(
    tmp_path: Path, name: str, changes: dict[str, str], said: str, first: str
) -> None:
    rebuilt = image(tmp_path / "rebuilt", first=PLAIN["first"])
    shipped = image(tmp_path / "shipped", first=first, **changes)
    found = explain("elf", shipped, rebuilt)
    told = [each for each in found.differences if each.kind == "object-changed"]
    assert [each.where for each in told] == [name]
    assert said in told[0].summary
    assert not found.finding.total


def test_data_that_moved_alone_is_not_told(tmp_path: Path) -> None:
    rebuilt = image(tmp_path / "rebuilt", first=PLAIN["first"])
    found = explain("elf", image(tmp_path / "shipped"), rebuilt)
    assert [each.kind for each in found.differences] == ["function-added"]


STRIPPED = """
#include <stdio.h>
#include <math.h>
%(first)s
static const unsigned short small[8] = {%(small)s};
static const double weights[4] = {%(weights)s};
__attribute__((noinline, visibility("default"))) double weigh(int n) { return weights[n & 3] * n; }
__attribute__((visibility("default"))) int choose(int n) { puts("%(text)s"); return small[n & 7]; }
"""
AS_IT_WAS = {"first": "", "small": "5, 6, 7, 8, 9, 10, 11, 12", "weights": "1.5, 2.5, 3.5, 4.5",
             "text": "the first choice"}  # fmt: skip


def stripped(where: Path, kind: builds.Kind, **changes: str) -> memoryview:
    where.mkdir()
    (where / "a.c").write_text(STRIPPED % (AS_IT_WAS | changes))
    flags = ("-O1", "-shared", *kind.flags)
    builds.run(f"{kind.prefix}gcc", *flags, "-o", "lib.dll", "a.c", where=where)
    builds.run(kind.strip, "lib.dll", where=where)
    return memoryview((where / "lib.dll").read_bytes())


@pytest.mark.parametrize(
    ("user", "changes", "said"),
    [
        ("choose", {"small": "5, 6, 7, 8, 9, 10, 99, 12"}, "1 of 16 bytes differ"),
        ("weigh", {"weights": "1.5, 2.5, 3.25, 4.5"}, "of 32 bytes differ, from offset 0x16"),
        ("choose", {"text": "the other choice"}, 'text "the first choice" became "the other'),
    ],
)
@pytest.mark.parametrize("first", ["", "int early(int n) { return n * 11 - 4; }"])
def test_data_without_a_symbol_is_told_by_who_uses_it(
    tmp_path: Path, user: str, changes: dict[str, str], said: str, first: str
) -> None:
    rebuilt = stripped(tmp_path / "rebuilt", builds.ELF)
    shipped = stripped(tmp_path / "shipped", builds.ELF, first=first, **changes)
    found = explain("elf", shipped, rebuilt)
    (told,) = [each for each in found.differences if each.kind == "object-changed"]
    assert told.where.startswith(f"data used by {user} at +0x")
    assert said in told.summary
    assert not found.finding.total


def test_data_without_a_symbol_that_moved_alone_is_not_told(tmp_path: Path) -> None:
    rebuilt = stripped(tmp_path / "rebuilt", builds.ELF)
    shipped = stripped(tmp_path / "shipped", builds.ELF, first="int early(int n) { return n + 2; }")
    found = explain("elf", shipped, rebuilt)
    assert [each.kind for each in found.differences] == ["function-added"]


def _far(where: Path, at: int) -> assembled.Assembled:
    """A library whose only function stands `at` bytes into its code, and a pointer to it."""
    where.mkdir()
    code = f'__asm__(".globl far\\n.org {at}\\nfar: ret\\n");'
    (where / "a.c").write_text(f"{code} void far(void); void (*const held)(void) = far;")
    builds.run("gcc", *FLAGS[:-1], "-Wl,-Bsymbolic,-e,far", "-o", "lib.so", "a.c", where=where)
    raw = memoryview((where / "lib.so").read_bytes())
    return assembled.assemble(elf.load(raw), x86.decode)


def test_a_pointer_is_no_text_even_if_its_bytes_are_letters(tmp_path: Path) -> None:
    first = _far(tmp_path / "first", 0x300000)
    base = next(at for at, names in first.program.names.items() if "far" in names) - 0x300000
    image = _far(tmp_path / "second", 0x313041 - base)
    (held,) = [at for at, names in image.program.names.items() if "held" in names]
    piece = image.piece_at(held)
    assert piece is not None
    assert piece.data is not None
    assert bytes(piece.data[held - piece.address :][:4]) == b"A01\0"
    assert string_at(image, held) == ""
