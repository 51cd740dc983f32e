"""Sources are what their pins say; nothing of a repository's own settings runs."""

import hashlib
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from verifier.errors import SourceError
from verifier.source import archive, git
from verifier.source.cache import Cache, default_directory
from verifier.spec import ArchiveSource, GitSource


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def quiet(_text: str) -> None:
    pass


def run_git(where: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=where, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    run_git(root, "init", "--quiet", "-b", "main")
    (root / "text").write_bytes(b"one\r\n$Id$ $Format:%H$\n")
    (root / "hidden").write_text("left out of exports\n")
    (root / ".gitattributes").write_text("text eol=crlf ident export-subst\nhidden export-ignore\n")
    run_git(root, "-c", "core.autocrlf=false", "add", "--all")
    run_git(root, "commit", "--quiet", "-m", "first")
    return root


def test_a_commit_is_laid_out_as_it_is(repository: Path, cache: Cache) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    (repository / "text").write_text("later")
    source = git.obtain(GitSource(str(repository), commit), cache, quiet)
    blob = subprocess.run(
        ["git", "show", f"{commit}:text"], cwd=repository, check=True, capture_output=True
    ).stdout
    assert (source.path / "text").read_bytes() == blob
    assert (source.path / "hidden").exists()
    assert source.swhid == f"swh:1:rev:{commit}"
    assert git.obtain(GitSource(str(repository), commit), cache, quiet) == source


def test_a_changed_tree_in_the_cache_is_noticed(repository: Path, cache: Cache) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    source = git.obtain(GitSource(str(repository), commit), cache, quiet)
    (source.path / "text").write_text("edited")
    with pytest.raises(SourceError, match="is not git's"):
        git.obtain(GitSource(str(repository), commit), cache, quiet)


def test_an_older_commit_and_a_missing_one(repository: Path, cache: Cache) -> None:
    first = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "commit", "--quiet", "--allow-empty", "-m", "second")
    assert git.obtain(GitSource(str(repository), first), cache, quiet).digest == first
    with pytest.raises(SourceError, match="has no commit"):
        git.obtain(GitSource(str(repository), "0" * 40), cache, quiet)
    with pytest.raises(SourceError, match="git fetch failed"):
        git.obtain(GitSource(str(repository / "none"), "1" * 40), cache, quiet)


def test_submodules_are_refused(repository: Path, cache: Cache) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    run_git(repository, "commit", "--quiet", "-m", "sub")
    head = run_git(repository, "rev-parse", "HEAD")
    with pytest.raises(SourceError, match="submodule at 'sub'"):
        git.obtain(GitSource(str(repository), head), cache, quiet)


def test_an_archive_must_have_its_digest(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "hello.c").write_text("int main;")
    path = tmp_path / "a.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        tar.add(tmp_path / "hello.c", "hello-1/hello.c")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    source = archive.obtain(ArchiveSource(str(path), sha256), cache, quiet)
    assert source.path.name == "hello-1"
    assert [file.name for file in source.files] == ["hello.c"]
    (source.path / "hello.c").write_text("int edited;")
    with pytest.raises(SourceError, match="was changed; remove it"):
        archive.obtain(ArchiveSource(str(path), sha256), cache, quiet)
    with pytest.raises(SourceError, match=f"has SHA-256 {sha256}"):
        archive.obtain(ArchiveSource(str(path), "0" * 64), cache, quiet)
    with pytest.raises(SourceError, match="cannot be read"):
        archive.obtain(ArchiveSource(str(tmp_path / "none"), "1" * 64), cache, quiet)


def test_two_runs_at_once_get_the_same(repository: Path, cache: Cache) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    found = []

    def obtain() -> None:
        found.append(git.obtain(GitSource(str(repository), commit), cache, quiet))

    threads = [threading.Thread(target=obtain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert not list(cache.under("scratch").iterdir())


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER_CACHE", "/a/b")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_directory() == Path("/a/b")
    monkeypatch.delenv("VERIFIER_CACHE")
    assert default_directory() == Path("/x/source-binary-verifier")
