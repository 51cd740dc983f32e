"""One DLL linked for two addresses is one program; with any other change it is not."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests import realfiles
from tests.layouts import builds
from verifier import run
from verifier.errors import VerifierError
from verifier.formats.pe.layout import layout
from verifier.model import Settings, Verdict
from verifier.pair import pair_paths
from verifier.semantic.layout import encode, rebased, recheck

if TYPE_CHECKING:
    from pathlib import Path

BASES = (0x2_4000_0000, 0x3_1234_0000)
KINDS = {"64": ("x86_64-w64-mingw32-", BASES), "32": ("i686-w64-mingw32-", (0x400000, 0x6A0000))}
SOURCE = """
static int one(int n) { return n + 1; }
static int two(int n) { return n * 2; }
static int (*const table[])(int) = {one, two};
const char *names[] = {"first", "second"};
__declspec(dllexport) int call(int n) { return table[n & 1](n); }
__declspec(dllexport) const char *name(int n) { return names[n & 1]; }
"""


@cache
def files(kind: str) -> tuple[Path, Path]:
    """(rebuilt, shipped): without debug information, which the loader does not rebase."""

    def make(where: Path) -> None:
        prefix, bases = KINDS[kind]
        (where / "a.c").write_text(SOURCE)
        for number, base in enumerate(bases):
            (where / str(number)).mkdir()
            out = f"{number}/lib.dll"
            at = f"-Wl,--image-base,{base:#x}"
            flags = ("-O2", "-shared", "-s", at, "-Wl,--no-insert-timestamp", "-o", out)
            builds.run(f"{prefix}gcc", *flags, "a.c", where=where)

    made = realfiles.made("rebased", f"{kind}-2", make)
    return made / "0/lib.dll", made / "1/lib.dll"


def contents(kind: str) -> tuple[bytearray, bytearray]:
    """(rebuilt, shipped) without checksums, which a rule of their own settles."""
    found = [bytearray(path.read_bytes()) for path in files(kind)]
    for data in found:
        at = layout(memoryview(data)).info.nt + 88
        data[at : at + 4] = bytes(4)
    return found[0], found[1]


def same(rebuilt: bytearray, shipped: bytearray) -> bool:
    try:
        return rebased.find(memoryview(shipped), memoryview(rebuilt), [], []) is not None
    except VerifierError:
        return False


@pytest.mark.parametrize("kind", list(KINDS))
def test_another_base_is_the_same_program(kind: str) -> None:
    rebuilt, shipped = contents(kind)
    found = rebased.find(memoryview(shipped), memoryview(rebuilt), [], [])
    assert found is not None
    assert not found.assumptions
    entry = {"format": "pe", "map": encode.encode(found.extents)}
    assert recheck.judge(entry, memoryview(shipped), memoryview(rebuilt), ()) == ("", 0)
    moved = [each._replace(b=each.b + 16) for each in found.extents]
    wrong = {"format": "pe", "map": encode.encode(moved)}
    assert recheck.judge(wrong, memoryview(shipped), memoryview(rebuilt), ())[0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_other_byte_may_differ(kind: str) -> None:
    rebuilt, shipped = contents(kind)
    image = layout(memoryview(shipped)).info
    base = range(image.nt + 48, image.nt + 56) if kind == "64" else range(0)
    base = base or range(image.nt + 52, image.nt + 56)
    for at in range(0, len(shipped), 43):
        if at not in base:
            shipped[at] ^= 0x10
            assert not same(rebuilt, shipped), hex(at)
            shipped[at] ^= 0x10
    for at in base:
        shipped[at] ^= 0x10
        assert not same(rebuilt, shipped)
        shipped[at] ^= 0x10
    assert same(rebuilt, shipped)


def _relocation(data: bytearray, *, at: int = 0) -> int:
    """The offset of an entry of the table of base relocations."""
    image = layout(memoryview(data)).info
    start = image.offset_of(*image.directory("relocation"))
    assert start is not None
    return int(start) + 8 + 2 * at


def test_what_no_relocation_names_must_be_equal() -> None:
    """A word that both tables leave out is not rebased by any loader."""
    rebuilt, shipped = contents("64")
    for data in (rebuilt, shipped):
        struct.pack_into("<H", data, _relocation(data), 0)
    assert not same(rebuilt, shipped)


def test_a_table_that_rebases_itself_or_a_word_twice_is_not_decided() -> None:
    for page, entry in ((None, 1), (True, 0)):
        rebuilt, shipped = contents("64")
        for data in (rebuilt, shipped):
            at = _relocation(data)
            if page:
                image = layout(memoryview(data)).info
                struct.pack_into("<I", data, at - 8, image.directory("relocation")[0] & ~0xFFF)
            else:
                data[at + 2 * entry : at + 2 * entry + 2] = data[at : at + 2]
        assert not same(rebuilt, shipped)


def test_relocations_that_are_stripped_are_none() -> None:
    rebuilt, shipped = contents("64")
    for data in (rebuilt, shipped):
        data[layout(memoryview(data)).info.nt + 22] |= 1
    assert not same(rebuilt, shipped)


@pytest.mark.parametrize("base", [0x2_4000_1000, 0x4000_0000, 0, 0x7FFF_FFFF_0000])
def test_a_base_that_no_loader_takes_or_that_weakens_randomisation(base: int) -> None:
    rebuilt, shipped = contents("64")
    distance = base - layout(memoryview(shipped)).info.optional["ImageBase"]
    image = layout(memoryview(shipped)).info
    for at in rebased._places(memoryview(shipped), image):
        value = int.from_bytes(shipped[at : at + 8], "little") + distance
        shipped[at : at + 8] = (value % (1 << 64)).to_bytes(8, "little")
    struct.pack_into("<Q", shipped, image.nt + 48, base)
    assert not same(rebuilt, shipped)


def test_the_whole_command_proves_it_under_the_standard_policy() -> None:
    rebuilt, shipped = files("64")
    report = run.compare(pair_paths(shipped, rebuilt), Settings(), 1).report
    assert report.verdict is Verdict.EQUIVALENT
    assert {patch.rule for patch in report.members[0].patches} <= {"image.layout", "pe.checksum"}
