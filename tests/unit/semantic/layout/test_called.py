"""Calls are told by the name of what is called: an import, a thunk, a symbol of either image."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from tests.layouts.builds import ELF, PE
from tests.unit.semantic.made import explained, member
from verifier.formats.pe import loadconfig
from verifier.formats.pe.layout import layout
from verifier.formats.pe.meaning import eager
from verifier.semantic.layout.called import imported, jump_slot
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

CFFI = "_cffi_backend.cp311-win_amd64.pyd"
SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
%(first)s
__attribute__((noinline)) static int inner_one(int n) { return n * 7 + rand(); }
__attribute__((noinline)) static int inner_two(int n) { return n * 9 + abs(rand()); }
EXPORT int outer(char *to, const char *from, int n) {
  if (n > 3) %(call)s;
  return %(inner)s(n) + inner_one(n + 1) + inner_two(n + 2);
}
"""
PLAIN = {"first": "", "call": "puts(from)", "inner": "inner_one"}
SHIFT = {"first": "EXPORT int early(int n) { return n * n - 3; }"}


def cffi(version: str) -> bytes:
    return member("cffi", version, CFFI, "win_amd64")


def image(where: Path, kind: Kind, *flags: str, bare: bool = False, **changes: str) -> memoryview:
    where.mkdir(exist_ok=True)
    (where / "a.c").write_text(SOURCE % (PLAIN | changes))
    options = ("-O2", "-shared", "-fvisibility=hidden", *kind.flags, *flags)
    builds.run(f"{kind.prefix}gcc", *options, "-o", "lib.dll", "a.c", where=where)
    if bare:
        builds.run(kind.strip, "lib.dll", where=where)
    return memoryview((where / "lib.dll").read_bytes())


def summary(shipped: memoryview, rebuilt: memoryview, kind: Kind) -> str:
    found = explain(kind.name, shipped, rebuilt)
    told = {each.where: each for each in found.differences if each.kind == "function-changed"}
    assert set(told) - {"__CTOR_LIST__"} == {"outer"}  # mingw's list of constructors has no type
    return told["outer"].summary


def test_calls_through_the_import_table_of_an_extension_of_msvc() -> None:
    """cffi 1.17 loads libraries by LoadLibraryEx, as its list of changes says."""
    found = explain("pe", memoryview(cffi("1.17.1")), memoryview(cffi("1.16.0")))
    said = next(each for each in found.differences if "load_library" in each.where)
    assert (
        "`call KERNEL32!LoadLibraryExW`, `call KERNEL32!LoadLibraryExA` in place of"
        " `call KERNEL32!LoadLibraryW`, `call KERNEL32!LoadLibraryA`" in said.summary
    )
    shown = "\n".join(each.detail for each in found.differences)
    assert "call qword ptr [.rdata" not in shown
    assert "__security_cookie" in shown


def test_another_slot_of_the_same_import_is_no_change_and_another_import_is() -> None:
    """Two slots of the import table exchanged in one call: told by both names."""
    data = cffi("1.17.1")
    view = layout(memoryview(data)).info
    slots = {name: at for at, name in eager(memoryview(data), view).items()}
    one, other = (slots[f"KERNEL32.dll!LoadLibraryEx{each}"] for each in "AW")
    text = next(each for each in view.sections if each.label == ".text")
    changed = bytearray(data)
    for at in range(text.pointer, text.pointer + text.content):
        place = text.address + at - text.pointer
        if data[at : at + 2] == b"\xff\x15" and (
            place + 6 + int.from_bytes(data[at + 2 : at + 6], "little", signed=True) == one
        ):
            changed[at + 2 : at + 6] = (other - place - 6).to_bytes(4, "little", signed=True)
            break
    (told,) = explain("pe", memoryview(bytes(changed)), memoryview(data)).differences
    assert "`call KERNEL32!LoadLibraryExA` became `call KERNEL32!LoadLibraryExW`" in told.summary


@pytest.mark.parametrize("flags", [(), ("-fno-plt",)], ids=["plt", "got"])
@pytest.mark.parametrize("bare", [False, True], ids=["symbols", "stripped"])
def test_calls_of_another_library_in_elf(
    tmp_path: Path, flags: tuple[str, ...], bare: bool
) -> None:
    options = ("-Wl,--build-id=none", *flags)
    rebuilt = image(tmp_path / "1", ELF, *options)
    call = "strcpy(to, from)"
    shipped = image(tmp_path / "2", ELF, *options, bare=bare, call=call, **SHIFT)
    end = "" if flags else "@plt"
    assert f"`call puts{end}` became `call strcpy{end}`" in summary(shipped, rebuilt, ELF)


@pytest.mark.parametrize("kind", [ELF, PE], ids=["elf", "pe"])
def test_a_stripped_image_takes_names_from_the_rebuild(tmp_path: Path, kind: Kind) -> None:
    flags = ("-Wl,--build-id=none",) if kind is ELF else ("-Wl,--no-insert-timestamp",)
    rebuilt = image(tmp_path / "1", kind, *flags)
    shipped = image(tmp_path / "2", kind, *flags, bare=True, inner="inner_two", **SHIFT)
    said = summary(shipped, rebuilt, kind)
    assert "inner_two" in said
    assert "+0x" not in said


def test_a_thunk_of_a_stripped_dll_is_named_by_what_it_leads_to(tmp_path: Path) -> None:
    rebuilt = image(tmp_path / "1", PE, bare=True)
    shipped = image(tmp_path / "2", PE, bare=True, call="strcpy(to, from)", **SHIFT)
    said = summary(shipped, rebuilt, PE)
    assert "!puts` became `" in said
    assert "!strcpy`" in said


def test_only_addresses_that_moved_are_no_other_call(tmp_path: Path) -> None:
    """A stripped library in which one number changed, and everything behind it moved."""
    rebuilt = image(tmp_path / "1", ELF, bare=True)
    shipped = image(tmp_path / "2", ELF, bare=True, **SHIFT)
    shutil.rmtree(tmp_path / "2")
    found = explain("elf", shipped, rebuilt)
    assert [each for each in found.differences if each.kind == "function-changed"] == []
    shipped = image(tmp_path / "2", ELF, bare=True, inner="3 * inner_one", **SHIFT)
    assert "call" not in summary(shipped, rebuilt, ELF)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("KERNEL32.dll!CreateFileW (hint 203)", "KERNEL32!CreateFileW"),
        ("libffi-8.dll!ffi_call (hint 1)", "libffi-8!ffi_call"),
        ("winspool.drv!#12", "winspool.drv!#12"),
        ("7:memcpy@GLIBC_2.14/True", "memcpy"),
        ("6:_ZN3foo3barEv@/False", "foo::bar()"),
    ],
)
def test_the_name_of_a_slot(symbol: str, name: str) -> None:
    assert imported(symbol) == name


def test_code_that_jumps_through_a_slot() -> None:
    assert jump_slot(b"\xff\x25\x10\x00\x00\x00", 0x1000, wide=True) == 0x1016
    assert jump_slot(b"\xf3\x0f\x1e\xfa\xff\x25\xf0\xff\xff\xff", 0x1000, wide=True) == 0xFFA
    assert jump_slot(b"\xff\x25\x10\x20\x40\x00", 0, wide=False, base=0x400000) == 0x2010
    assert jump_slot(b"\xff\x25\x10", 0, wide=True) is None
    assert jump_slot(b"\x90\xff\x25\x10\x00\x00\x00", 0, wide=True) is None


def test_the_load_configuration_names_what_it_leads_to() -> None:
    data = memoryview(cffi("1.17.1"))
    values = loadconfig.values(data, layout(data).info)
    assert values["Size"] == 0x140
    assert values["GuardFlags"] == 0x100
    assert list(values)[-1] == "GuardMemcpyFunctionPointer"


def test_what_differs_is_told_before_where_it_was_seen() -> None:
    """The summary of the pair, as people read it first."""
    found = explained(cffi("1.17.1"), cffi("1.16.0"))
    assert found.summary.startswith("2 imports added: KERNEL32.dll!LoadLibraryExA")
    assert not [each for each in found.differences if each.kind == "section-order"]
