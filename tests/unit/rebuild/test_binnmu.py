"""The changelog entry of a binary-only rebuild: what is taken for one, and what is not."""

from pathlib import Path

import pytest

from tests.unit.rebuild.test_buildinfo import TEXT
from verifier.errors import BuildError, ParseError
from verifier.rebuild import binnmu, buildinfo

ENTRY = """tree (2.1.0-1+b2) sid; urgency=low, binary-only=yes

  * Binary-only non-maintainer upload for amd64; no source changes.
  * Rebuild for another libc

 -- Build Daemon <buildd@example.org>  Mon, 19 Sep 2022 02:54:09 +0000
"""
FIELD = "Binary-Only-Changes:\n" + "".join(
    f" {line or '.'}\n" for line in ENTRY.removesuffix("\n").split("\n")
)


def test_a_buildinfo_of_a_rebuild_is_of_the_source_it_names(tmp_path: Path) -> None:
    path = tmp_path / "tree.buildinfo"
    text = TEXT.replace("Source: tree", "Source: tree (2.1.0-1)").replace(
        "2.1.0-1\n", "2.1.0-1+b2\n", 1
    )
    path.write_text(text.replace("Build-Path", FIELD + "Build-Path"))
    info = buildinfo.read(path)
    assert (info.source, info.version, info.entry) == ("tree", "2.1.0-1", ENTRY)
    assert binnmu.checked(info.entry, info.source, info.version, path.name) == ENTRY
    path.write_text(TEXT)
    assert buildinfo.read(path).entry == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        ("binary-only=yes", "binary-only=no", "no single changelog entry"),
        (", binary-only=yes", "", "no single changelog entry"),
        (" -- Build", " - Build", "no single changelog entry"),
        (ENTRY, ENTRY + "\n" + ENTRY, "no single changelog entry"),
        ("  * Rebuild", "x\n  * Rebuild", "no single changelog entry"),
        ("tree", "leaf", "is an entry of leaf 2.1.0-1[+]b2, and no rebuild of tree 2.1.0-1"),
        ("+b2", "", "is an entry of tree 2.1.0-1, and no rebuild"),
        ("2.1.0-1", "2.1.0-2", "is an entry of tree 2.1.0-2[+]b2"),
        (" for another", " for" + 65536 * "x", "no single changelog entry"),
    ],
)
def test_only_one_entry_of_this_source_is_taken(old: str, new: str, said: str) -> None:
    text = ENTRY.replace(old, new, 1) if old else ENTRY
    if not said:
        assert binnmu.checked(text, "tree", "2.1.0-1", "entry") == ENTRY
        return
    with pytest.raises(BuildError, match=said):
        binnmu.checked(text, "tree", "2.1.0-1", "entry")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="cannot be read"):
        binnmu.read(tmp_path / "none")
    (tmp_path / "large").write_bytes(bytes(1 << 17))
    with pytest.raises(ParseError, match="larger than"):
        binnmu.read(tmp_path / "large")
