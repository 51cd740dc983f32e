"""What a .buildinfo lists, and what of it an archive still has."""

from pathlib import Path

import pytest

from verifier import aside
from verifier.errors import ParseError
from verifier.rebuild.buildinfo import BuildInfo, drift, look_for, notes, read

TEXT = """Format: 1.0
Source: tree
Binary: tree
Architecture: amd64
Version: 2.1.0-1
Build-Path: /build/reproducible-path/tree-2.1.0
Installed-Build-Depends:
 base-files (= 12.4),
 gcc-12 (= 12.2.0-13),
 libc6:amd64 (= 2.36-8)
Environment:
 DEB_BUILD_OPTIONS="parallel=4 nocheck"
 LANG="C.UTF-8"
"""
SIGNED = (
    f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{TEXT}\n-----BEGIN PGP SIGNATURE-----\n"
)


@pytest.mark.parametrize("text", [TEXT, SIGNED], ids=["plain", "signed"])
def test_what_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tree.buildinfo"
    path.write_text(text)
    info = aside.ask(BuildInfo, read, path)
    assert (info.source, info.version) == ("tree", "2.1.0-1")
    assert info.path == "/build/reproducible-path/tree-2.1.0"
    assert dict(info.packages) == {"base-files": "12.4", "gcc-12": "12.2.0-13", "libc6": "2.36-8"}
    assert dict(info.variables)["DEB_BUILD_OPTIONS"] == "parallel=4 nocheck"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Source: tree\n", ""), "is no .buildinfo"),
        (("Installed-Build-Depends", "Depends"), "is no .buildinfo"),
        (("(= 12.4)", "(>= 12.4)"), "no package with a version"),
        (("base-files", "-oDir=x"), "no package with a version"),
        (("libc6:amd64", "gcc-12"), "lists a package in two versions"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "odd.buildinfo"
    path.write_text(TEXT.replace(*change))
    with pytest.raises(ParseError, match=said):
        read(path)
    with pytest.raises(ParseError, match="cannot be read"):
        read(tmp_path / "none")


def test_each_package_that_the_archive_lost_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tree.buildinfo"
    path.write_text(TEXT)
    info = read(path)
    found = look_for(info, {"base-files": {"12.4", "12.5"}, "gcc-12": {"12.2.0-14"}})
    assert found.exact == (("base-files", "12.4"),)
    assert (found.newer, found.gone) == (("gcc-12",), ("libc6",))
    makers = drift(info, "tree.buildinfo", {"base-files": "12.4", "gcc-12": "12.2.0-14"})
    assert [(each.tool, each.shipped, each.here) for each in makers] == [
        ("package gcc-12", "12.2.0-13", "12.2.0-14"),
        ("package libc6", "2.36-8", "nothing"),
    ]
    assert all(each.drifted and "snapshot" in each.advice for each in makers)
    assert notes(makers, 3, "tree.buildinfo") == (
        "1 of the 3 packages of tree.buildinfo were used in its version.",
        "gcc-12 12.2.0-13 is not in the archive any more; 12.2.0-14 was used instead.",
        "libc6 2.36-8 is not in the archive any more; nothing stands for it.",
    )
