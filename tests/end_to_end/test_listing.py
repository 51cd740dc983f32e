"""Directories that list the other way round, as a build meets them: by disorderfs, on a tmpfs."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import open_place
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.rebuild import listing
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = """
ls -f tree | grep -v '^[.]' >laid
mkdir made; for n in 1 2 3 4 5 6 7 8 9; do echo $n >made/$n; done
ls -f made | grep -v '^[.]' >out
ln out hard; mv hard made/moved; stat -c %u . made laid | sort -u >owners
dd if=/dev/zero of=big bs=1M count=3 2>/dev/null; rm big
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def built(place: Path, *, other: bool) -> dict[str, list[str]]:
    tree = place / "source/tree"
    if not tree.is_dir():
        tree.mkdir(parents=True)
        for name in "abcdefghijkl":
            (tree / name).write_text(name)
    (place / "audit.toml").write_text(
        '[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "command"\n'
        f"steps = ['''{STEPS}''']\n" + 'outputs = ["out", "laid", "owners"]\n'
    )
    spec = load(place / "audit.toml")
    conditions = dataclasses.replace(spec.sandbox.conditions, reversed_listing=other)
    sandbox = dataclasses.replace(spec.sandbox, conditions=conditions)
    spec = dataclasses.replace(spec, sandbox=sandbox)
    cache = Cache.open(place / "cache")
    folder = place / f"output-{len(list(place.iterdir()))}"
    made = rebuild.rebuild(spec, source.obtain(spec, cache), cache, folder)
    assert made.inputs is not None
    assert made.inputs.problems == ()
    return {item.name: (folder / item.name).read_text().split() for item in made.outputs}


def test_a_build_meets_the_other_order(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = built(place, other=False)
    ways = {listing.way()}
    first = built(place, other=True)
    monkeypatch.setattr(listing, "_mounts", lambda: False)
    ways.add(listing.way())
    assert listing.TMPFS in ways
    for other in (first, built(place, other=True)):
        assert other["owners"] == plain["owners"]
        for name in ("laid", "out"):
            assert sorted(other[name]) == sorted(plain[name])
        assert other["laid"] == plain["laid"][::-1]
        assert other["out"] != plain["out"]
    assert str(place) not in Path("/proc/mounts").read_text()
    assert "disorderfs" not in Path("/proc/mounts").read_text()


def test_disorderfs_is_used_where_this_machine_lets_it_be_mounted(place: Path) -> None:
    at = place / "at"
    at.mkdir()
    done = subprocess.run(["disorderfs", "--quiet", place, at], check=False, capture_output=True)
    if done.returncode == 0:
        subprocess.run(
            [*(["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]), at], check=True
        )
    assert listing.way() == (listing.TMPFS if done.returncode else listing.DISORDERFS)


def test_where_nothing_can_be_varied_it_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_mounts", lambda: False)
    monkeypatch.setattr(listing, "SHARED", place)
    with pytest.raises(BuildError, match="install disorderfs, and run as root where /dev/fuse is"):
        listing.way()
