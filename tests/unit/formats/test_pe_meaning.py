"""Differences are named as people name them: imports, exports, symbols, flags."""

import struct
from pathlib import Path

import pytest

from tests.cases import pe_files as files
from tests.support import compare_bytes

CALLS = "#include <windows.h>\nint main(void) {{ {} return 0; }}\n"
EXPORTS = "__declspec(dllexport) int one(void) {{ return 1; }}\n{}\n"


def _built(tmp_path: Path, kind: str, source: str, *options: str) -> bytes:
    return files.compile_mingw(tmp_path, "x86_64", kind, source, ["-g", *options])


def test_an_added_import(tmp_path: Path) -> None:
    one = _built(tmp_path, "exe", CALLS.format('DeleteFileA("x");'))
    other = _built(tmp_path, "exe", CALLS.format(""))
    added = {(item.kind, item.where) for item in compare_bytes(one, other).differences}
    assert ("import-added", "KERNEL32.dll!DeleteFileA") in added
    removed = {(item.kind, item.where) for item in compare_bytes(other, one).differences}
    assert ("import-removed", "KERNEL32.dll!DeleteFileA") in removed


def test_an_added_export(tmp_path: Path) -> None:
    extra = "__declspec(dllexport) int two(void) { return 2; }"
    one = _built(tmp_path, "dll", EXPORTS.format(extra), "-shared")
    other = _built(tmp_path, "dll", EXPORTS.format(""), "-shared")
    found = {(item.kind, item.where) for item in compare_bytes(one, other).differences}
    assert ("export-added", "two") in found


def test_a_changed_function_is_named(tmp_path: Path) -> None:
    one = _built(tmp_path, "dll", EXPORTS.format(""), "-shared")
    other = _built(tmp_path, "dll", EXPORTS.format("").replace("return 1", "return 7"), "-shared")
    found = {item.where for item in compare_bytes(one, other).differences}
    assert "one" in found
    assert not any(place.startswith("section") for place in found)


def test_an_added_section(tmp_path: Path) -> None:
    extra = '__attribute__((section(".extra"))) int here = 1;'
    one = _built(tmp_path, "dll", EXPORTS.format(extra), "-shared")
    other = _built(tmp_path, "dll", EXPORTS.format(""), "-shared")
    found = {(item.kind, item.where) for item in compare_bytes(one, other).differences}
    assert ("section-added", ".extra") in found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optional.DllCharacteristics", 0x0120, "Shipped 0x120 (HIGH_ENTROPY_VA NX_COMPAT)"),
        ("coff.Machine", 0xAA64, "Shipped 0xaa64 (ARM64)"),
        ("section[.text].Characteristics", 0xE0000020, "(CODE EXECUTE READ WRITE)"),
        ("optional.Subsystem", 10, "Shipped 0xa (EFI application)"),
        ("directory.tls", 0x1000, "Shipped 0x1000 of 0 bytes"),
    ],
)
def test_a_header_field_is_decoded(name: str, value: int, said: str) -> None:
    base = files.microsoft()
    size = len(files.value(base, name))
    shipped = files.put(base, {name: value.to_bytes(size, "little")})
    found = next(item for item in compare_bytes(shipped, base).differences if item.where == name)
    assert found.kind == "field"
    assert said in found.summary


def test_a_changed_version_resource_is_read() -> None:
    base = files.from_wheel("pywin32", "306", "win32/win32api.pyd")
    old, new = "FileVersion".encode("utf-16-le"), "FakeVersion".encode("utf-16-le")
    assert base.count(old) >= 1
    found = compare_bytes(files.fixed(base.replace(old, new)), base).differences
    change = next(item for item in found if item.kind == "resource-changed")
    assert change.where.startswith("version/1/")
    assert "FakeVersion" in change.summary


def test_a_changed_manifest_is_named() -> None:
    base = files.from_wheel("markupsafe", "2.1.5", "markupsafe/_speedups.cp311-win_amd64.pyd")
    shipped = files.fixed(base.replace(b"</assembly>", b"</assemblX>"))
    found = {(item.kind, item.where) for item in compare_bytes(shipped, base).differences}
    assert any(kind == "resource-changed" and "manifest/2/" in where for kind, where in found)


def test_a_rich_header_with_another_key_is_none() -> None:
    base = files.microsoft()
    key = struct.unpack("<I", files.value(base, "rich.key"))[0]
    shipped = files.put(base, {"rich.key": struct.pack("<I", key ^ 0x100)})
    found = compare_bytes(shipped, base).differences
    # Without its key nothing of it can be read: it is a stub that holds other bytes.
    assert {"stub+0x40", "rich.key"} <= {item.where for item in found}
