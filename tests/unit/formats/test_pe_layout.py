"""Layouts of real images: they tile the file, and other parsers see the same parts."""

import zipfile

import lief
import pefile
import pytest

from tests import realfiles
from tests.cases import pe_files as files
from verifier import formats
from verifier.checks.pe import image_checksum
from verifier.formats.pe.headers import COFF, OPTIONAL
from verifier.formats.pe.meaning import imports
from verifier.formats.pe.symbols import exports

WHEELS = (
    ("markupsafe", "2.1.5", "win_amd64"),
    ("markupsafe", "2.1.5", "win32"),
    ("debugpy", "1.8.7", "win_amd64"),
    ("cffi", "1.17.1", "win_amd64"),
)


def _images() -> dict[str, bytes]:
    found = {name: files.signed_pair(name)[0] for name in ("shim", "fwupd", "gcdx64", "fallback")}
    found |= {name: pair[0] for name, pair in files.mingw().items()}
    for wheel in WHEELS:
        with zipfile.ZipFile(realfiles.wheel(*wheel)) as archive:
            for name in archive.namelist():
                if name.endswith((".pyd", ".dll", ".exe")):
                    found[f"{wheel[0]}-{wheel[2]}-{name.rpartition('/')[2]}"] = archive.read(name)
    for member in ("win32/win32api.pyd", "win32/perfmon.pyd"):
        found[member] = files.from_wheel("pywin32", "306", member)
    found["pythonnet"] = files.from_wheel(
        "pythonnet", "3.0.5", "pythonnet/runtime/Python.Runtime.dll", "any"
    )
    return found


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    return _images()


def test_spans_cover_each_byte_once(images: dict[str, bytes]) -> None:
    for name, data in images.items():
        spans = files.cut(data).spans
        at = 0
        for span in spans:
            assert span.offset == at, name
            assert span.length > 0
            at = span.end
        assert at == len(data)
        assert len({span.name for span in spans}) == len(spans)
        assert formats.sniff(memoryview(data)).name == "pe"


def test_pefile_sees_the_same(images: dict[str, bytes]) -> None:
    for name, data in images.items():
        other, layout = pefile.PE(data=data, fast_load=True), files.cut(data)
        image = layout.info
        for key, _ in OPTIONAL[image.magic]:
            places = {span.name: span for span in layout.spans}
            span = places[f"optional.{key}"]
            field = next(
                value
                for each, value in other.OPTIONAL_HEADER.__dict__.items()
                if each == key or (each, key) == ("Reserved1", "Win32VersionValue")
            )
            assert int.from_bytes(data[span.offset : span.end], "little") == field, (name, key)
        for key, _ in COFF:
            span = places[f"coff.{key}"]
            assert span.offset == other.FILE_HEADER.get_field_absolute_offset(key)
        directories = other.OPTIONAL_HEADER.DATA_DIRECTORY
        assert [(each.VirtualAddress, each.Size) for each in directories] == list(image.directories)
        for one, theirs in zip(image.sections, other.sections, strict=True):
            assert (one.address, one.virtual_size) == (
                theirs.VirtualAddress,
                theirs.Misc_VirtualSize,
            )
            assert (one.pointer, one.raw_size) == (theirs.PointerToRawData, theirs.SizeOfRawData)
        if len(data) < 500_000:
            assert image_checksum(memoryview(data), image, len(data)) == other.generate_checksum()


def test_pefile_sees_the_same_debug_entries_and_stamps(images: dict[str, bytes]) -> None:
    for data in images.values():
        other, layout = pefile.PE(data=data, fast_load=True), files.cut(data)
        other.parse_data_directories([0, 2, 6, 13])
        debug = [entry.struct for entry in getattr(other, "DIRECTORY_ENTRY_DEBUG", [])]
        assert [(each.kind, each.stamp) for each in layout.info.debug] == [
            (each.Type, each.TimeDateStamp) for each in debug
        ]
        places = {span.field: span for span in layout.spans}
        if hasattr(other, "DIRECTORY_ENTRY_EXPORT"):
            at = other.DIRECTORY_ENTRY_EXPORT.struct.get_field_absolute_offset("TimeDateStamp")
            assert places["export.TimeDateStamp"].offset == at
        stamps = []
        walk = (
            [other.DIRECTORY_ENTRY_RESOURCE] if hasattr(other, "DIRECTORY_ENTRY_RESOURCE") else []
        )
        while walk:
            directory = walk.pop()
            stamps.append(directory.struct.get_field_absolute_offset("TimeDateStamp"))
            walk += [each.directory for each in directory.entries if hasattr(each, "directory")]
        mine = [span.offset for span in layout.spans if span.field == "resource.TimeDateStamp"]
        assert mine == sorted(stamps)
        delayed = [each.struct for each in getattr(other, "DIRECTORY_ENTRY_DELAY_IMPORT", [])]
        mine = [span.offset for span in layout.spans if span.field == "delay-import.TimeDateStamp"]
        assert mine == [each.get_field_absolute_offset("dwTimeStamp") for each in delayed]


def test_lief_sees_the_same_imports_and_exports(images: dict[str, bytes]) -> None:
    for name, data in images.items():
        other, image = lief.PE.parse(list(data)), files.cut(data).info
        theirs = [
            f"{library.name}!{f'#{entry.ordinal}' if entry.is_ordinal else entry.name}"
            for library in [*other.imports, *other.delay_imports]
            for entry in library.entries
        ]
        assert sorted(imports(memoryview(data), image)) == sorted(theirs), name
        exported = other.get_export()
        if exported:
            names = {entry.name or f"#{entry.ordinal}": entry.address for entry in exported.entries}
            assert exports(memoryview(data), image) == names, name


def test_what_the_spans_of_shim_are_called() -> None:
    names = [span.name for span in files.cut(files.signed_pair("shim")[0]).spans]
    assert names[-4:] == [
        "coff-symbols",
        "coff-strings",
        "certificate.padding",
        "certificate.table",
    ]
    assert "section[.eh_frame].content" in names
    assert "section[.text].slack" in names
    names = [span.name for span in files.cut(files.microsoft_signed()).spans]
    for expected in ("rich.key", "codeview.GUID", "codeview.Path", "debug[codeview].Type"):
        assert expected in names
