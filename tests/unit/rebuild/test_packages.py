"""Members of packages, pairs of artifacts, outputs of a hostile tree."""

import shutil
import subprocess
from pathlib import Path

import pytest

from verifier.errors import BuildError, SourceError
from verifier.rebuild.dpkg import extract_member, installed
from verifier.rebuild.outputs import collect
from verifier.rebuild.shipped import resolve
from verifier.source import Cache
from verifier.source.apt import _cause, stanzas
from verifier.spec import Spec, load

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is missing")


@pytest.fixture
def deb(tmp_path: Path) -> Path:
    tree = tmp_path / "pkg"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: one\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
    )
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/one").write_text("one")
    (tree / "usr/bin/uno").symlink_to("one")
    path = tmp_path / "one_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(path)], check=True, capture_output=True)
    return path


@needs_dpkg
def test_a_member_comes_out(deb: Path, tmp_path: Path) -> None:
    found = extract_member(deb, "/usr/bin/one", tmp_path)
    assert found.read_text() == "one"
    for member, said in [
        ("/usr/bin/two", "not at all"),
        ("/usr/bin/uno", "no regular file"),
        ("/usr", "no regular"),
    ]:
        with pytest.raises(BuildError, match=said):
            extract_member(deb, member, tmp_path)
    with pytest.raises(BuildError, match="cannot be read as a Debian package"):
        extract_member(found, "/usr/bin/one", tmp_path)
    assert not list(tmp_path.glob(".*.tar"))


def audit(tmp_path: Path, shipped: str, rebuilt: str) -> Spec:
    path = tmp_path / "audit.toml"
    path.write_text(
        '[source]\nkind = "directory"\npath = "."\n[build]\nrecipe = "command"\n'
        f'steps = ["true"]\noutputs = ["*"]\n[[artifacts]]\nshipped = "{shipped}"\n'
        f'rebuilt = "{rebuilt}"\n'
    )
    return load(path)


@needs_dpkg
def test_artifacts_pair_up(deb: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    (output / "lib").mkdir(parents=True)
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_text(name)
        (output / "lib" / name).write_text(name)
    cache, work = Cache.open(tmp_path / "cache"), tmp_path / "work"
    pairs = resolve(audit(tmp_path, "*.so", "lib/*.so"), output, work, cache)
    assert [(pair.name, pair.shipped, pair.rebuilt) for pair in pairs] == [
        (name, tmp_path / name, output / "lib" / name) for name in ("a.so", "b.so")
    ]
    shutil.copy(deb, output)
    (one,) = resolve(
        audit(tmp_path, "one_*.deb!/usr/bin/one", "one_*.deb!/usr/bin/one"), output, work, cache
    )
    assert one.shipped.read_text() == one.rebuilt.read_text() == "one"
    assert one.origin == tmp_path / "one_1_all.deb"
    for shipped, rebuilt, said in [
        ("none*", "lib/a.so", "No shipped file matches"),
        ("a.so", "lib/c.so", "No rebuilt file matches"),
        ("*.so", "lib/a.so", "do not pair up by name: b.so"),
    ]:
        with pytest.raises(SourceError, match=said):
            resolve(audit(tmp_path, shipped, rebuilt), output, work, cache)


def test_outputs_are_plain_files_inside_the_tree(tmp_path: Path) -> None:
    tree, into = tmp_path / "tree", tmp_path / "into"
    (tree / "d").mkdir(parents=True)
    (tree / "d/x").write_text("x")
    (tree / "d/x").chmod(0o6755)
    (tree / "d/ln").symlink_to("/etc/passwd")
    (tree / "etc").symlink_to("/etc")
    (output,) = collect(tree, ["d/*"], into)
    assert (output.name, output.size) == ("d/x", 1)
    assert (into / "d/x").stat().st_mode & 0o7777 == 0o755
    with pytest.raises(BuildError, match="no file that matches the output 'e'"):
        collect(tree, ["d/x", "e"], into)
    with pytest.raises(BuildError, match="cannot be read plainly"):
        collect(tree, ["etc/passwd"], into)


def test_dpkgs_database(tmp_path: Path) -> None:
    assert installed(tmp_path) == set()
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
        "Package: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 2\n"
    )
    assert installed(tmp_path) == {("a", "1", "all")}


def test_what_apt_says_becomes_one_sentence() -> None:
    said = (
        "Err:1 http://m x\nE: Failed to fetch http://m/p/x_1%2b1.dsc  404  Not Found [IP: 1 80]\n"
        "E: Failed to fetch some archives.\n"
    )
    sentence = _cause(["apt-get", "source"], said)
    assert sentence.startswith("The archive no longer has x_1+1.dsc (404 for http://m/p/x_1")
    assert list(stanzas("A: 1\nB: x\n  y\n\nA: 2\n")) == [{"A": "1", "B": "x\ny"}, {"A": "2"}]
