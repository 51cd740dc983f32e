"""PE: protections, resources, certificates, texts; and what must stay unsaid."""

import struct
from pathlib import Path

import pytest

from tests.cases import pe_files as files
from tests.support import compare_bytes
from tests.unit.semantic.made import explained, member, told
from verifier.errors import ParseError
from verifier.semantic.versioninfo import version_texts

WINDOWS = "win_amd64"


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0x20, "HIGHENTROPYVA (64-bit address layout)"),
        (0x40, "DYNAMICBASE (random base address)"),
        (0x80, "FORCE_INTEGRITY (signature demanded)"),
        (0x100, "NXCOMPAT (no execution of data)"),
        (0x4000, "GUARD_CF (control flow guard)"),
    ],
)
def test_a_flag_of_the_header_is_one_difference(bit: int, name: str) -> None:
    base = files.microsoft()
    value = int.from_bytes(files.value(base, "optional.DllCharacteristics"), "little")
    other = files.put(base, {"optional.DllCharacteristics": struct.pack("<H", value ^ bit)})
    found = told(compare_bytes(other, base).differences, "hardening")
    said = ("no", "yes") if value & bit else ("yes", "no")
    assert found == {("hardening", name): f"Shipped {said[0]}, rebuilt {said[1]}."}


def test_what_an_old_and_a_new_linker_protect() -> None:
    found = told(_launchers().differences, "hardening")
    assert set(found) == {
        ("hardening", "CFG instrumentation"),
        ("hardening", "DYNAMICBASE (random base address)"),
        ("hardening", "NXCOMPAT (no execution of data)"),
        ("hardening", "relocations kept"),
    }


def test_what_starts_programs_comes_before_the_runtime() -> None:
    imports = [item for item in _launchers().differences if item.kind.startswith("import")]
    assert imports[0].where == "api-ms-win-crt-process-l1-1-0.dll!_execv"
    assert {item.where for item in imports[1:4]} == {
        "KERNEL32.dll!GetProcAddress",
        "KERNEL32.dll!LoadLibraryA",
        "KERNEL32.dll!VirtualAlloc",
    }


def _launchers():
    shipped, rebuilt = (
        member("setuptools", version, "setuptools/cli.exe", "any")
        for version in ("75.0.0", "65.0.0")
    )
    return explained(shipped, rebuilt)


@pytest.mark.parametrize(
    ("path", "imported"),
    [
        ("win32/win32api.pyd", {"KERNEL32.dll!GetSystemPowerStatus"}),
        ("win32/pythonservice.exe", set()),
    ],
)
def test_pywin32_306_after_305(path: str, imported: set[str]) -> None:
    """Two real pairs: the version resource by its keys, the imports, and no other resource."""
    found = explained(*(member("pywin32", version, path, WINDOWS) for version in ("306", "305")))
    resources = told(found.differences, "resource")
    assert list(resources) == [("resource-changed", "version/1/0")]
    said = resources[("resource-changed", "version/1/0")]
    assert 'fixed FileVersion "3.11.306.0" instead of "3.11.305.0"' in said
    assert 'ProductVersion "3.11.306.0" instead of "3.11.305.0"' in said
    own = {where for _kind, where in told(found.differences, "import-added")}
    assert {where for where in own if not where.startswith("VCRUNTIME")} == imported
    assert "1 resource changed: version/1/0" in found.summary
    functions = told(found.differences, "function-changed").values()
    way = "`call KERNEL32!IsProcessorFeaturePresent` by its slot in place of a stub, or back"
    assert any(way in each for each in functions)
    assert not any("another function of that name" in each for each in functions)


def test_texts_that_are_imports_or_moved_are_not_told() -> None:
    found = explained(
        *(member("pywin32", version, "win32/win32api.pyd", WINDOWS) for version in ("306", "305"))
    )
    texts = {where for _kind, where in told(found.differences, "string")}
    assert "BatteryLifePercent" in texts
    assert not texts & {"GetSystemPowerStatus", "__CxxFrameHandler4", ".rdata$voltmd"}
    assert not any(item == "win32api" for item in texts)


def test_wide_texts_are_read(tmp_path: Path) -> None:
    source = '#include <windows.h>\nint main(void) {{ return MessageBoxW(0, L"{}", L"x", 0); }}\n'
    with_address, without = (
        files.compile_mingw(tmp_path, "x86_64", "exe", source.format(said), ["-s"])
        for said in ("https://evil.example/a", "nothing of interest here")
    )
    found = told(explained(with_address, without).differences, "string-added")
    assert "address" in found[("string-added", "https://evil.example/a")]


def test_a_manifest_that_asks_for_more_rights() -> None:
    base = member("setuptools", "75.0.0", "setuptools/cli-64.exe", "any")
    old, new = b"level='asInvoker'", b"level='highestAv'"
    assert base.count(old) == 1
    found = told(explained(base.replace(old, new), base).differences, "resource-changed")
    ((_kind, where), said) = next(iter(found.items()))
    assert where.startswith("manifest/")
    assert said.startswith("It asks for other rights (execution level): ")
    assert "highestAv" in said


def test_an_icon_is_told_by_its_digest() -> None:
    base = member("pywin32", "306", "pythonwin/Pythonwin.exe", WINDOWS)
    at = base.index(b"\x28\0\0\0\x20\0\0\0\x40\0\0\0")  # BITMAPINFOHEADER of an icon of 32 x 32
    other = base[: at + 60] + bytes([base[at + 60] ^ 0xFF]) + base[at + 61 :]
    found = told(explained(other, base).differences, "resource-changed")
    ((_kind, where), said) = next(iter(found.items()))
    assert where.startswith("icon/")
    assert "SHA-256" in said


def test_a_vendor_certificate_of_shim_is_named() -> None:
    shim = files.debian("shim-unsigned", "usr/lib/shim/shimx64.efi")
    from verifier.formats.pe.layout import layout  # noqa: PLC0415

    section = next(
        item
        for item in layout(memoryview(shim)).info.sections
        if item.label in {".vendor_cert", "vendor_c"}
    )
    size, _deny, offset, _deny_at = struct.unpack_from("<IIII", shim, section.pointer)
    assert size > 100
    at = section.pointer + offset
    gone = shim[:at] + bytes(size) + shim[at + size :]
    found = told(explained(gone, shim).differences, "certificate")
    ((kind, where), said) = next(iter(found.items()))
    assert kind == "certificate-removed"
    assert "Debian" in where
    assert "in shim's vendor certificates" in said
    assert shim.count(b"EFI_SECURE_BOOT_DB_GUID")
    other = shim.replace(b"EFI_SECURE_BOOT_DB_GUID", b"EFI_SECURE_BOOT_DB_GUIX")
    assert not told(explained(other, shim).differences, "certificate")


def test_certificates_of_a_signature_are_named() -> None:
    signed = files.microsoft_signed()
    other = files.put(files.microsoft(), {"optional.MajorImageVersion": b"\7"})
    found = told(explained(signed, files.own_signed(other)).differences, "certificate")
    assert ("certificate-removed", "CN=Test") in found
    added = {where for kind, where in found if kind == "certificate-added"}
    assert any("Microsoft" in where for where in added)
    broken = bytearray(signed)
    broken[0x500] ^= 1
    assert not told(explained(bytes(broken), signed).differences, "certificate")


def test_version_information_cut_short_is_refused() -> None:
    base = member("pywin32", "306", "win32/win32api.pyd", WINDOWS)
    at = base.index("VS_VERSION_INFO".encode("utf-16-le")) - 6
    raw = base[at : at + int.from_bytes(base[at : at + 2], "little")]
    texts = version_texts(raw)
    assert texts["FileVersion"] == "3.11.306.0"
    with pytest.raises(ParseError):
        version_texts(raw[: len(raw) // 2])
