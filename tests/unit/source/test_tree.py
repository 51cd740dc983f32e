"""SWHIDs are git's ids."""

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest
from swh.model.from_disk import Directory

from verifier.errors import SourceError
from verifier.source.tree import DEPTH, content_swhid, scan


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


def test_a_published_swhid() -> None:
    """The one that the SWHID specification explains: the text of the GPL, version 3."""
    text = importlib.metadata.distribution("swh.model").locate_file(
        f"swh_model-{importlib.metadata.version('swh.model')}.dist-info/licenses/LICENSE"
    )
    assert content_swhid(Path(str(text))) == "swh:1:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2"


def test_software_heritages_own_model_agrees(tree: Path) -> None:
    (tree / "void" / "inner").mkdir(parents=True)
    (tree / "all").write_text("x")
    (tree / "all").chmod(0o711)
    found = scan(tree)
    model = Directory.from_disk(path=os.fsencode(tree), max_content_length=None)
    assert found.swhid == str(model.swhid())
    for entry in found.entries:
        assert entry.swhid == str(model[os.fsencode(entry.path)].swhid()), entry


def test_who_may_execute_is_what_git_makes_of_it(tree: Path) -> None:
    """Software Heritage's own tool calls a file executable that its group alone may execute."""
    (tree / "group").write_text("x")
    (tree / "group").chmod(0o674)
    found = scan(tree)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    assert found.swhid == f"swh:1:dir:{git(tree, 'write-tree')}"


def test_what_a_swhid_cannot_see(tree: Path) -> None:
    before = scan(tree)
    (tree / "a-b").chmod(0o600)
    (tree / "a").chmod(0o700)
    after = scan(tree)
    assert (after.swhid, after.digest) == (before.swhid, before.digest)
    assert after.entries != before.entries


def test_too_deep_is_refused(tmp_path: Path) -> None:
    here = tmp_path / "top"
    here.mkdir()
    place = os.open(here, os.O_RDONLY)
    for _ in range(DEPTH + 2):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    with pytest.raises(SourceError, match="deeper than"):
        scan(here)
