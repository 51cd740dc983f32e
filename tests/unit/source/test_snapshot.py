"""Snapshots of repositories: published identifiers, Software Heritage's own code, real git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from swh.model.model import Snapshot, SnapshotBranch, SnapshotTargetType

from tests.unit.source.test_pins import Repository, quiet
from verifier.errors import SourceError, UsageError
from verifier.source import Cache, Source, obtain, snapshot
from verifier.source.snapshot import Branch
from verifier.spec import load

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.source.snapshot import Listing


def _object(kind: str, digits: str) -> Branch:
    return Branch(kind, bytes.fromhex(digits))


# As swh-model publishes them (swh/model/tests/test_identifiers.py).
PUBLISHED = {
    "1a8893e6a86f444e8be8e7bda6cb34fb1735a00e": {},
    "c84502e821eb21ed84e9fd3ec40973abc8b32353": {b"HEAD": Branch("dangling")},
    "84b4548ea486e4b0a7933fa541ff1503a0afe1e0": {b"foo": Branch("alias", b"bar")},
    "6e65b86363953b780d92b0a928f3e8fcdd10db36": {
        b"directory": _object("directory", "1bd0e65f7d2ff14ae994de17a1e7fe65111dcad8"),
        b"content": _object("content", "fe95a46679d128ff167b7c55df5d02356c5a1ae1"),
        b"alias": Branch("alias", b"revision"),
        b"revision": _object("revision", "aafb16d69fd30ff58afdd69036a26047f3aebdc6"),
        b"release": _object("release", "7045404f3d1c54e6473c71bbb716529fbad4be24"),
        b"snapshot": _object("snapshot", "1a8893e6a86f444e8be8e7bda6cb34fb1735a00e"),
        b"dangling": Branch("dangling"),
    },
}


@pytest.mark.parametrize("digits", PUBLISHED)
def test_published_identifiers(digits: str) -> None:
    assert snapshot.swhid(PUBLISHED[digits]) == f"swh:1:snp:{digits}"


def test_what_git_lists() -> None:
    one, two, three = ("1" * 40, "2" * 40, "3" * 40)
    said = (
        f"ref: refs/heads/main\tHEAD\n{one}\tHEAD\n{one}\trefs/heads/main\n"
        f"{two}\trefs/tags/v1\n{one}\trefs/tags/v1^{{}}\n{three}\trefs/pull/7/head\n"
        f"{three}\trefs/pull/7/merge\n"
    )
    found: Listing = snapshot.listing(said.encode(), "there")
    assert found.branches == {
        b"HEAD": Branch("alias", b"refs/heads/main"),
        b"refs/heads/main": _object("revision", one),
        b"refs/tags/v1": _object("release", two),
        b"refs/pull/7/head": _object("revision", three),
    }
    assert found.commits == {one, three}
    for odd in (b"junk\n", b"1234\trefs/heads/x\n", (one + " refs/heads/x\n").encode()):
        with pytest.raises(SourceError, match="not understood"):
            snapshot.listing(odd, "there")


def audit(place: Path, repository: Repository, swhid: str, commit: str = "") -> Source:
    (place / "spec.toml").write_text(
        f'[source]\nkind = "git"\npath = "{repository.root}"\nswhid = "{swhid}"\n'
        f'commit = "{commit or repository.head()}"\n'
        '[build]\nrecipe = "command"\nsteps = ["true"]\noutputs = ["x"]\n'
    )
    return obtain(load(place / "spec.toml"), Cache.open(place / "cache"), quiet)


def test_a_repository_is_held_to_its_snapshot(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.git("commit", "-q", "-m", "one")
    first = repository.head()
    repository.git("tag", "-a", "-m", "a release", "v1")
    repository.git("tag", "light")
    repository.git("branch", "other")
    revision = SnapshotBranch(bytes.fromhex(first), SnapshotTargetType.REVISION)
    release = bytes.fromhex(repository.git("rev-parse", "v1"))
    wanted = str(
        Snapshot(
            branches={
                b"HEAD": SnapshotBranch(b"refs/heads/main", SnapshotTargetType.ALIAS),
                b"refs/heads/main": revision,
                b"refs/heads/other": revision,
                b"refs/tags/light": revision,
                b"refs/tags/v1": SnapshotBranch(release, SnapshotTargetType.RELEASE),
            }
        ).swhid()
    )
    source = audit(tmp_path, repository, wanted)
    assert wanted in source.swhids
    assert ("swhid", wanted) in [(pin.kind, pin.value) for pin in source.pins]
    # Any branch that comes, goes or moves makes another snapshot of it.
    repository.git("branch", "third")
    with pytest.raises(SourceError, match=r"source\.swhid pins: its own is swh:1:snp:"):
        audit(tmp_path, repository, wanted)
    repository.git("branch", "-D", "third")
    assert audit(tmp_path, repository, wanted)
    repository.git("commit", "-q", "--allow-empty", "-m", "two")
    with pytest.raises(SourceError, match=r"source\.swhid pins"):
        audit(tmp_path, repository, wanted)
    repository.git("branch", "-D", "other")
    repository.git("tag", "-d", "v1")
    repository.git("tag", "-d", "light")
    with pytest.raises(SourceError, match=r"No branch or tag of .* stands at"):
        audit(tmp_path, repository, wanted, first)


def test_other_sources_have_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(
        f'[source]\nkind = "directory"\npath = "x"\nswhid = "swh:1:snp:{"0" * 40}"\n'
        '[build]\nrecipe = "command"\nsteps = ["true"]\noutputs = ["x"]\n'
    )
    with pytest.raises(UsageError, match="a snapshot, which a source of directory has not"):
        load(tmp_path / "spec.toml")
