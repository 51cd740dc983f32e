"""Load configuration, delayed imports, the header of .NET, the Rich header: field by field."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from tests.unit.semantic.made import explained, member, told
from verifier.errors import VerifierError
from verifier.formats.base import Side
from verifier.formats.pe import loadconfig, products, rich
from verifier.formats.pe.headers import DIRECTORY
from verifier.formats.pe.layout import layout
from verifier.semantic import pe_tables

if TYPE_CHECKING:
    from pathlib import Path

CFFI = "_cffi_backend.cp311-win_amd64.pyd"
PSUTIL = "psutil/_psutil_windows.pyd"
DELAYED = """
#include <stdio.h>
int far_call(int n);
int main(void) { return far_call(3) + puts("x"); }
"""
LATE = """
  .section .late,"dw"
  .long 1
  .rva library
  .long 0
  .rva slots
  .rva names
  .long 0, 0, 0
  .long 0, 0, 0, 0, 0, 0, 0, 0
library: .asciz "far.dll"
hint: .word 0
  .asciz "far_call"
  .balign 8
names: .rva hint
  .long 0
  .quad 0
slots: .quad 0, 0
  .text
  .globl far_call
far_call: jmp *slots(%rip)
"""
PREFIX = "x86_64-w64-mingw32-"


def cffi(version: str = "1.17.1") -> bytes:
    return member("cffi", version, CFFI, "win_amd64")


def side(data: bytes) -> Side:
    return Side(memoryview(data), layout(memoryview(data)))


def with_field(data: bytes, name: str, value: int) -> bytes:
    field = next(
        each for each in loadconfig.fields(memoryview(data), side(data).layout.info)
        if each.name == name
    )  # fmt: skip
    raw = value.to_bytes(field.size, "little")
    return data[: field.offset] + raw + data[field.offset + field.size :]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "GuardFlags",
            0x10500,
            (
                "Shipped 0x10500 (CF_INSTRUMENTED CF_FUNCTION_TABLE_PRESENT"
                " CF_LONGJUMP_TABLE_PRESENT), rebuilt 0x100 (CF_INSTRUMENTED)."
            ),
        ),
        (
            "GuardCFFunctionCount",
            12,
            "Shipped 12, rebuilt 0 functions that may be called through a pointer.",
        ),
        ("SecurityCookie", 0, "Only the rebuilt image has it."),
        ("GuardCFFunctionTable", 0x180001000, "Only the shipped image has it."),
        (
            "DependentLoadFlags",
            0x800,
            "Shipped 0x800 (SEARCH_SYSTEM32), rebuilt 0x0 (none).",
        ),
    ],
)
def test_one_field_of_the_load_configuration(name: str, value: int, said: str) -> None:
    data = cffi()
    found = explained(with_field(data, name, value), data)
    fields = told(found.differences, "field")
    assert fields[("field", f"load-config.{name}")] == said
    assert {where for _kind, where in fields} == {f"load-config.{name}"}


def test_a_place_that_moved_is_no_difference() -> None:
    data = cffi()
    other = with_field(data, "SecurityCookie", 0x180028010)
    assert list(pe_tables.differences(side(other), side(data))) == []


def test_neighbours_tell_fields_and_tools_although_all_else_moved() -> None:
    found = told(explained(cffi(), cffi("1.16.0")).differences, "field", "toolchain")
    assert found[("field", "optional.MinorLinkerVersion")] == "Shipped 41, rebuilt 29."
    assert found[("field", "load-config.Size")].startswith("Shipped 320 bytes, rebuilt 312")
    said = found[("toolchain", "rich")]
    assert "Utc1900_LTCG_C (4 objects)" in said
    assert "shipped build 34120, rebuilt build 30152" in said


def test_a_rich_header_names_tools_and_builds() -> None:
    pair = (member("psutil", each, PSUTIL, "win_amd64") for each in ("6.1.1", "6.1.0"))
    found = explained(*pair)
    assert told(found.differences, "toolchain") == {
        ("toolchain", "rich"): (
            "The Rich header differs: Utc1900_LTCG_C (16 objects), Export1400 (1 object),"
            " Cvtres1400 (1 object), Linker1400 (1 object): shipped build 30157, rebuilt build"
            " 30154."
        )
    }


def test_a_rich_header_with_a_wrong_key_is_no_matter_of_tools() -> None:
    data = member("psutil", "6.1.1", PSUTIL, "win_amd64")
    image = layout(memoryview(data)).info
    header = rich.find(memoryview(data), 0x40, image.nt)
    assert header is not None
    at = header.end - 12  # the count of the last entry
    (count,) = struct.unpack_from("<I", data, at - 0)
    changed = data[:at] + struct.pack("<I", count ^ 0x2) + data[at + 4 :]
    (difference,) = explained(changed, data).differences
    assert (difference.kind, difference.where) == ("field", "rich")
    assert "does not fit its entries" in difference.summary


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x104, "Utc1900_C"), (0x109, "Utc1900_LTCG_CPP"), (0x102, "Linker1400"),
        (0xFE, "Cvtpgd1900"), (0xDE, "Linker1200"), (0x93, "Implib900"), (0x95, "Masm900"),
        (0x9D, "Linker1000"),
        (0xAB, "Utc1600_CPP"), (0xB5, "AliasObj1010"), (1, "Import0"),
        (0x10E, "Utc1900_POGO_O_CPP"), (14, "tool 14"), (0x10F, "tool 271"),
    ],
)  # fmt: skip
def test_names_of_tools(number: int, name: str) -> None:
    """As github.com/kirschju/richheader and dishather/richprint list them."""
    assert products.name(number) == name


def _program(where: Path, *, delayed: bool) -> bytes:
    """A program that binds `far_call` late, as Microsoft's linker lays it out, or at start."""
    where.mkdir()
    (where / "far.def").write_text("LIBRARY far.dll\nEXPORTS\nfar_call\n")
    (where / "a.c").write_text(DELAYED)
    (where / "late.s").write_text(LATE)
    builds.run(f"{PREFIX}dlltool", "-d", "far.def", "-l", "far.a", "-D", "far.dll", where=where)
    options = ("-O1", "-Wl,--no-insert-timestamp", "-o", "a.exe", "a.c")
    builds.run(f"{PREFIX}gcc", *options, "late.s" if delayed else "far.a", where=where)
    data = (where / "a.exe").read_bytes()
    if not delayed:
        return data
    image = layout(memoryview(data)).info
    table = next(each for each in image.sections if each.label == ".late")
    at = image.table_end - 40 * len(image.sections) - 128 + 8 * DIRECTORY["delay-import"]
    return data[:at] + struct.pack("<II", table.address, 64) + data[at + 8 :]


def test_an_import_that_is_bound_later(tmp_path: Path) -> None:
    late, early = (_program(tmp_path / str(each), delayed=each) for each in (True, False))
    for pair, said in (
        ((late, early), "Delayed in the shipped image, bound at start in the rebuilt one."),
        ((early, late), "Bound at start in the shipped image, delayed in the rebuilt one."),
    ):
        found = told(explained(*pair).differences, "delay-import-changed")
        assert found == {("delay-import-changed", "far.dll!far_call"): said}
    assert not told(explained(late, early).differences, "function-changed")  # main calls the same


def test_the_header_of_dotnet() -> None:
    data = member("pythonnet", "3.0.5", "pythonnet/runtime/Python.Runtime.dll", "any")
    image = layout(memoryview(data)).info
    at = image.offset_of(image.directory("clr")[0], 72)
    assert at is not None
    changed = data[: at + 16] + struct.pack("<I", 11) + data[at + 20 :]
    found = told(explained(changed, data).differences, "field")
    assert found[("field", "clr.Flags")] == (
        "Shipped 0xb (ILONLY 32BITREQUIRED STRONGNAMESIGNED), rebuilt 0x9 (ILONLY"
        " STRONGNAMESIGNED)."
    )


@pytest.mark.parametrize("seed", range(40))
def test_broken_configurations_are_read_or_refused(seed: int) -> None:
    """Sizes, counts and addresses that lead nowhere: no crash, and no silence of the whole."""
    data = cffi()
    image = side(data).layout.info
    fields = loadconfig.fields(memoryview(data), image)
    each = fields[seed % len(fields)]
    value = (0xFFFFFFFFFFFFFFFF >> seed) & (256**each.size - 1)
    changed = with_field(data, each.name, value)
    try:
        list(pe_tables.differences(side(changed), side(data)))
    except VerifierError:
        return
    assert loadconfig.fields(memoryview(changed), side(changed).layout.info) or each.name == "Size"
