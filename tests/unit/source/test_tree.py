"""SWHIDs are git's ids."""

import os
import subprocess
from pathlib import Path

import pytest

from verifier.errors import SourceError
from verifier.source.tree import content_swhid, scan


def git(where: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": "/none"}
    done = subprocess.run(
        ["git", *arguments], cwd=where, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    (root / "a.b").mkdir()  # sorts before "a/" though after "a"
    (root / "a" / "run.sh").write_text("#!/bin/sh\n")
    (root / "a" / "run.sh").chmod(0o755)
    (root / "a.b" / "empty").touch()
    (root / "a-b").write_text("dash")
    (root / "link").symlink_to("a/run.sh")
    (root / "é").write_bytes(bytes(range(256)))
    return root


def test_a_directory_has_gits_tree_id(tree: Path) -> None:
    before = scan(tree)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    assert before.swhid == f"swh:1:dir:{git(tree, 'write-tree')}"
    assert scan(tree) == before  # .git itself is left out


def test_a_file_has_gits_blob_id(tree: Path) -> None:
    assert content_swhid(tree / "é") == f"swh:1:cnt:{git(tree, 'hash-object', 'é')}"


def test_the_digest_sees_content_mode_and_name(tree: Path) -> None:
    seen = {scan(tree).digest}
    (tree / "a-b").chmod(0o755)
    seen.add(scan(tree).digest)
    (tree / "a-b").write_text("Dash")
    seen.add(scan(tree).digest)
    (tree / "a-b").rename(tree / "a-c")
    seen.add(scan(tree).digest)
    assert len(seen) == 4


def test_a_pipe_is_refused(tree: Path) -> None:
    os.mkfifo(tree / "a" / "pipe")
    with pytest.raises(SourceError, match="is no file, link or directory"):
        scan(tree)
