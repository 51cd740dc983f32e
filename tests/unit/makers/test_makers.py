"""What real files say of their makers, and hostile ones that say nothing."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests import realfiles
from tests.unit.semantic.test_golang_rust import shfmt
from verifier import formats, makers
from verifier.formats.base import Layout, Side
from verifier.makers.advice import advice
from verifier.makers.comment import named
from verifier.model import Difference, Settings
from verifier.pair import Pairing, files
from verifier.run import compare
from verifier.semantic import telling

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "int twice(int n) { return 2 * n; }\nint main(void) { return twice(0); }\n"


def _side(data: bytes) -> Side:
    view = memoryview(data)
    return Side(view, formats.sniff(view).layout(view))


def _text(data: bytes) -> Side:
    return Side(memoryview(data), Layout("raw", len(data), ()))


def _said(path: str, one: Side, other: Side) -> dict[str, tuple[str, str]]:
    name = one.layout.format
    return {
        each.tool: (each.shipped, each.here) for each in makers.compared(path, name, one, other)
    }


def _built(where: Path, compiler: str, *flags: str) -> bytes:
    where.mkdir()
    (where / "twice.c").write_text(SOURCE)
    command = [compiler, *flags, "-o", "made", "twice.c"]
    subprocess.run(command, cwd=where, check=True)
    made = where / "made"
    return (made if made.exists() else where / "made.exe").read_bytes()


def test_flags_and_version_of_a_compiler(tmp_path: Path) -> None:
    one = _side(_built(tmp_path / "a", "gcc", "-O2", "-g"))
    other = _side(_built(tmp_path / "b", "gcc", "-O1", "-g", "-gz=zlib"))
    said = _said("t", one, other)
    flags = said["flags of GNU C17"]
    assert "-O2" in flags[0]
    assert "-O1" in flags[1]
    assert said["GNU C17"][0] == said["GNU C17"][1]
    assert said["GCC"][0].startswith(said["GNU C17"][0])


def test_a_shipped_revision_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    data = _built(tmp_path / "a", "gcc", "-O2")
    version = _said("t", _side(data), _side(data))["GCC"][0]
    revision, vendor = version.split(", ")[-1].split(" (")
    older = revision.rsplit("-", 1)[0] + "-1"
    swapped = f"({vendor[:-1]} {older}".encode().ljust(len(f"({vendor[:-1]} {revision}"), b"x")
    shipped = data.replace(f"({vendor[:-1]} {revision}".encode(), swapped)
    (maker,) = [e for e in makers.compared("t", "elf", _side(shipped), _side(data)) if e.drifted]
    assert maker.tool == "GCC"
    assert older in maker.shipped
    assert maker.here == version


def test_the_c_library_of_a_stripped_program(tmp_path: Path) -> None:
    """Debian built patch 2.7.6-7 in 2021, and stripped it of what names its compiler."""
    old = _side((realfiles.extracted("patch") / "usr/bin/patch").read_bytes())
    new = _side(_built(tmp_path / "new", "gcc", "-s"))
    assert _said("patch", old, new)["C library"] == ("glibc before 2.34", "glibc 2.34 or later")
    assert _said("patch", old, old)["C library"][1] == "glibc before 2.34"
    library = _side(_built(tmp_path / "library", "gcc", "-s", "-shared"))
    static = _side(_built(tmp_path / "static", "gcc", "-s", "-static"))
    assert "C library" not in _said("patch", library, static)


def test_the_linker_of_a_windows_program(tmp_path: Path) -> None:
    data = _built(tmp_path / "a", "x86_64-w64-mingw32-gcc", "-s")
    image = formats.sniff(memoryview(data)).layout(memoryview(data)).info
    at = image.nt + 24 + 2
    old = data[:at] + bytes([14, 36]) + data[at + 2 :]
    said = _said("t.exe", _side(old), _side(data))
    assert said["linker"][0] == "14.36"
    assert said["linker"][1].startswith("2.")
    assert said["/Brepro"] == ("no", "no")
    assert "win32" in said["GCC"][0] or "posix" in said["GCC"][0]


def test_microsofts_tools_by_the_rich_header() -> None:
    wheel = realfiles.wheel("pywin32", "306", "win_amd64")
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("win32api.pyd"))
        data = archive.read(name)
    said = _said(name, _side(data), _side(data))
    assert said["linker"][0].startswith("14.")
    assert int(said["Visual Studio build"][0]) > 20_000
    assert "/" in said["Rich header"][0]


def test_the_back_end_of_a_wheel() -> None:
    one, other = (
        _text(f"Wheel-Version: 1.0\nGenerator: bdist_wheel ({v})\n".encode())
        for v in ("0.37.1", "0.40.0")
    )
    path = "x-1-py3-none-any.whl!/x-1.dist-info/WHEEL"
    found = makers.compared(path, "raw", one, other)
    assert [(each.tool, each.shipped, each.here) for each in found if each.drifted] == [
        ("wheel generator", "bdist_wheel (0.37.1)", "bdist_wheel (0.40.0)")
    ]
    assert "pip install wheel==0.37.1" in found[1].advice
    assert not makers.compared("x/WHEEL.txt", "raw", one, other)


BUILDINFO = (
    "Format: 1.0\nBuild-Date: Mon, 26 Dec 2022 16:30:00 +0000\nInstalled-Build-Depends:\n"
    " autoconf (= 2.71-3),\n gcc-12 (= {}),\n debhelper (= 13.11.4)\n"
)


def test_the_packages_of_a_buildinfo() -> None:
    sides = [_text(BUILDINFO.format(v).encode()) for v in ("12.2.0-10", "12.2.0-14+deb12u1")]
    found = makers.compared("hello_2.10-3_amd64.buildinfo", "raw", *sides)
    assert [each.tool for each in found] == ["Build-Date", "package gcc-12"]
    assert found[1].advice.startswith("build.packages takes gcc-12=12.2.0-10")


def test_debhelper_in_the_triggers_of_a_package() -> None:
    line = "# Triggers added by dh_makeshlibs/{}\nactivate-noawait ldconfig\n"
    sides = [_text(line.format(v).encode()) for v in ("13.11.1", "13.11.4")]
    (maker,) = makers.compared("control.tar.xz!/triggers", "raw", *sides)
    assert maker[:4] == ("debhelper", "control.tar.xz!/triggers", "13.11.1", "13.11.4")
    assert not makers.compared("data.tar.xz!/usr/share/doc/triggers", "raw", *sides)


def test_makers_come_with_a_report_once_however_many_files_say_so(tmp_path: Path) -> None:
    pairs = []
    for number in range(3):
        one = _built(tmp_path / f"a{number}", "gcc", "-O2", "-g", f"-DN={number}")
        other = _built(tmp_path / f"b{number}", "gcc", "-O1", "-g", f"-DN={number}")
        for side, data in (("shipped", one), ("rebuilt", other)):
            (tmp_path / side).mkdir(exist_ok=True)
            (tmp_path / side / f"t{number}").write_bytes(data)
        name = f"t{number}"
        pairs.append(files(name, tmp_path / "shipped" / name, tmp_path / "rebuilt" / name, name))
    report = compare(Pairing(tuple(pairs), ()), Settings(), 1).report
    first = report.makers[0]
    assert first.drifted
    assert first.tool == "flags of GNU C17" or first.member == "t0 and 2 more"
    assert sum(1 for each in report.makers if each.tool == "GCC") == 1


@pytest.mark.parametrize("cut", [".debug_info", ".debug_abbrev", ".debug_str"])
def test_hostile_debug_information_says_so_and_ends(tmp_path: Path, cut: str) -> None:
    data = _built(tmp_path / "a", "gcc", "-O1", "-g")
    side = _side(data)
    section = side.layout.info.section(cut)
    for fill in (b"\xff", b"\0", b"\x80"):
        broken = bytearray(data)
        broken[section.offset : section.offset + section.size] = fill * section.size
        said = _said("t", _side(bytes(broken)), side)
        assert said["GCC"][0] == said["GCC"][1]
        if cut == ".debug_info" and fill != b"\0":
            assert said["producer"][0].startswith(makers.UNREADABLE)


def test_names_of_compilers() -> None:
    assert named("GCC: (Debian 12.2.0-14+deb12u1) 12.2.0") == ("GCC", "12.2.0-14+deb12u1 (Debian)")
    assert named("GCC: (GNU) 12-win32") == ("GCC", "12-win32 (GNU)")
    assert named("Debian clang version 14.0.6") == ("clang", "14.0.6")
    assert named("rustc version 1.63.0 (4b91a6ea7)") == ("rustc", "1.63.0 (4b91a6ea7)")
    assert named("Linker: Debian LLD 14.0.6") == ("LLD", "14.0.6")
    assert named("something else 1.0") == ("tool", "something else 1.0")
    assert "package/gcc-12/12.2.0-10/" in advice("GCC", "12.2.0-10 (Debian)")
    assert "launchpad" in advice("GCC", "11.4.0-1ubuntu1 (Ubuntu)")
    assert "GOTOOLCHAIN=go1.21.6" in advice("Go", "go1.21.6")


def test_many_functions_under_another_compiler_are_said_once() -> None:
    found = [Difference("function-changed", f"f{n}", "It changed.") for n in range(800)]
    drift = Difference("toolchain", ".comment", "Shipped GCC 12, rebuilt GCC 13.")
    ordered = telling.ranked([*found, drift])
    assert ordered[0] is drift
    said = telling.sentence("elf", ordered)
    assert said.startswith(".comment: Shipped GCC 12, rebuilt GCC 13; 800 functions changed, as")
    assert telling.sentence("elf", found).startswith("800 functions changed: f0, f1, f2, …")
    urgent = Difference("import-added", "execve", "It is new.")
    assert telling.ranked([drift, urgent])[0] is urgent


@pytest.mark.parametrize("windows", [False, True])
def test_go_says_its_version_and_settings(windows: bool) -> None:
    one, other = (_side(shfmt(version, windows=windows)) for version in ("4.2.0", "4.1.0"))
    found = {each.tool: each for each in makers.compared("shfmt", one.layout.format, one, other)}
    assert found["Go"][2:4] == ("go1.27.1", "go1.27.0")
    assert "GOTOOLCHAIN=go1.27.1" in found["Go"].advice
    assert found["Go setting vcs.revision"].drifted
    assert not found["Go setting GOARCH"].drifted


def test_rust_says_its_compiler_by_the_paths_of_its_library(tmp_path: Path) -> None:
    (tmp_path / "p.c").write_text(
        "#include <stdio.h>\nint main(void) "
        '{ return puts("/rustc/4b91a6ea7258a947e59c6522cd5898e7c0a6a88f/library/core/src/x.rs"); }'
    )
    subprocess.run(["gcc", "-o", "p", "p.c"], cwd=tmp_path, check=True)
    data = (tmp_path / "p").read_bytes()
    said = _said("p", _side(data), _side(data.replace(b"4b91a6ea", b"00000000")))
    assert said["Rust library"][0].startswith("4b91a6ea7258")
    assert said["Rust library"][1].startswith("00000000725")
