"""An artifact that the audited source already holds is told, whatever way it could get there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from verifier import copied
from verifier.account import InputClass, Inputs
from verifier.rebuild import Build
from verifier.rebuild.model import Environment
from verifier.rebuild.shipped import Pair
from verifier.source import Source
from verifier.source.base import SourceFile

if TYPE_CHECKING:
    from pathlib import Path

BLOB, OTHER = b"\x7fELF blob\0", b"\x7fELF built\0"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def found(
    place: Path,
    shipped: bytes,
    rebuilt: bytes,
    *,
    audited: bytes = BLOB,
    at: str = "shipped",
    recorded: str = "",
) -> tuple[copied.Copy, ...]:
    """What is found of one artifact; `recorded` is the class of the audited file in a record."""
    tree, build = place / "tree", place / "build"
    for folder in (tree, build, (place / at).parent):
        folder.mkdir(parents=True, exist_ok=True)
    (place / at).write_bytes(shipped)
    (place / "rebuilt").write_bytes(rebuilt)
    files = () if recorded else (SourceFile("lib/x.bin", len(audited), sha256(audited)),)
    kind = "debian" if recorded else "directory"
    source = Source(tree, kind, "a tree", "0" * 64, "", files)
    record = None
    if recorded:
        each = {"class": recorded, "path": "/build/lib/x.bin", "sha256": sha256(audited)}
        (build / "inputs.json").write_text(json.dumps({"files": [each]}))
        record = {"file": "inputs.json", "sha256": ""}
    made = Build(
        *("command", {}, None, Environment((), {}, {}), (), (), build, build / "log", None, 1.0),
        record=record,
    )
    pair = Pair("tool", place / at, place / "rebuilt", place / at)
    return copied.find(source, made, [pair])


def test_what_was_built_is_no_copy(tmp_path: Path) -> None:
    assert found(tmp_path, OTHER, OTHER) == ()
    assert found(tmp_path, OTHER, OTHER, recorded="source") == ()


@pytest.mark.parametrize(
    ("shipped", "rebuilt", "side"), [(BLOB, BLOB, "shipped"), (OTHER, BLOB, "rebuilt")]
)
def test_a_file_of_the_source_is_named_on_either_side(
    tmp_path: Path, shipped: bytes, rebuilt: bytes, side: str
) -> None:
    """A signed copy has other bytes than the blob; the file that was "built" has the same."""
    (copy,) = found(tmp_path, shipped, rebuilt)
    assert (copy.artifact, copy.sha256, copy.text) == ("tool", sha256(BLOB), False)
    assert f"the {side} file is a file of the audited source, lib/x.bin" in copy.reason


def test_a_tree_that_the_build_unpacks_is_known_by_the_record(tmp_path: Path) -> None:
    (copy,) = found(tmp_path, BLOB, OTHER, recorded="source")
    assert "/build/lib/x.bin" in copy.reason
    assert found(tmp_path, BLOB, OTHER, recorded="produced") == ()


def test_a_shipped_file_within_the_tree_is_named_by_its_place(tmp_path: Path) -> None:
    (copy,) = found(tmp_path, OTHER, OTHER, at="tree/.git/tool")
    assert copy.reason.startswith("the shipped file lies in the audited tree")
    (tmp_path / "link").symlink_to(tmp_path / "tree", target_is_directory=True)
    assert found(tmp_path, OTHER, OTHER, at="link/.git/tool") == (copy,)
    assert found(tmp_path, OTHER, OTHER, at="tree.git/tool") == ()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", True),
        ("rule é { }\r\n\t".encode(), True),
        (b"nul \0", False),
        (b"\xff\xfe", False),
        (b"cut \xc3", False),
        (b"\x1b[2Jhidden", False),
        (b"x" * (1 << 20) + b"\0", False),
        (b"x" * ((1 << 20) - 1) + "é".encode(), True),
    ],
)
def test_texts_and_blobs(tmp_path: Path, data: bytes, text: bool) -> None:
    (copy,) = found(tmp_path, data, data, audited=data)
    assert copy.text is text


def test_the_report_has_a_word_on_it(tmp_path: Path) -> None:
    copies = found(tmp_path, BLOB, BLOB)
    inputs = Inputs("strace", (InputClass("source", 1, 5),))
    assert copied.told(inputs, ()) is inputs
    assert copied.told(None, ()) is None
    told = copied.told(inputs, copies)
    assert told is not None
    assert [(each.path, each.sha256) for each in told.events] == [("tool", sha256(BLOB))]
    bare = copied.told(None, copies)
    assert bare is not None
    assert (len(bare.events), len(bare.problems)) == (1, 1)
