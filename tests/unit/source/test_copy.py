"""What of a source reaches the build: what the audit saw, and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from verifier.errors import SourceError
from verifier.source import directory
from verifier.source.copy import copy_tree

if TYPE_CHECKING:
    from verifier.source.base import Source
    from verifier.spec import DirectorySource


def source(path: Path) -> Source:
    return directory.obtain(cast("DirectorySource", SimpleNamespace(path=path, kind="directory")))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    (top / "sub").mkdir(parents=True)
    (top / "sub/run").write_text("#!/bin/sh\n")
    (top / "sub/run").chmod(0o755)
    (top / "link").symlink_to("sub/run")
    return top


def test_extended_attributes_stay_behind(tree: Path, tmp_path: Path) -> None:
    """No digest covers them, and a build that reads them opens no file."""
    before = source(tree)
    for name in (".", "sub", "sub/run"):
        os.setxattr(tree / name, "user.payload", b"never audited")
    assert source(tree).entries == before.entries
    copy_tree(before, tmp_path / "copy")
    for name in (".", "sub", "sub/run"):
        assert not os.listxattr(tmp_path / "copy" / name)
    assert (tmp_path / "copy/sub/run").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "copy/link").readlink() == Path("sub/run")


def test_a_file_that_changed_is_not_built(tree: Path, tmp_path: Path) -> None:
    before = source(tree)
    (tree / "sub/run").chmod(0o4755)
    with pytest.raises(SourceError, match="changed between"):
        copy_tree(before, tmp_path / "copy")
