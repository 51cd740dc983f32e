"""A Debian package built with the versions that a .buildinfo lists, where the archive has them.

It is of a rebuild without a change of source, as every .buildinfo of a "+b7" is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from pathlib import Path

BUILDINFO = """Format: 1.0
Source: tree ({version})
Architecture: amd64
Version: {version}+b7
Binary-Only-Changes:
 tree ({version}+b7) sid; urgency=low, binary-only=yes
 .
   * Rebuild for nothing
 .
  -- Build Daemon <buildd@example.org>  Mon, 19 Sep 2022 02:54:09 +0000
Build-Path: /build/somewhere-else/tree-2.1.0
Installed-Build-Depends:
 debhelper (= 13.11.3),
 make (= 4.3-4.1),
 no-such-package (= 1.0)
Environment:
 DEB_BUILD_OPTIONS="parallel=7 noudeb"
"""


def spec(tmp_path: Path, version: str) -> Path:
    (tmp_path / "tree.buildinfo").write_text(BUILDINFO.format(version=version))
    path = tmp_path / "audit.toml"
    path.write_text(
        '[source]\nkind = "debian"\npackage = "tree"\nversion = "2.1.0-1"\n'
        '[build]\nrecipe = "debian"\nbinaries = "any"\ntests = false\n'
        'buildinfo = "tree.buildinfo"\n[sandbox]\nprocessors = 2\n'
    )
    return path


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_exact_versions_and_each_missing_one_by_its_name(tmp_path: Path) -> None:
    read, cache = load(spec(tmp_path, "2.1.0-1")), Cache.open()
    made = rebuild.rebuild(read, source.obtain(read, cache), cache, tmp_path / "out")
    here = {each.name: each.version for each in made.environment.packages}
    assert here["make"] == "4.3-4.1"
    assert [(each.tool, each.shipped, each.here) for each in made.makers] == [
        ("package debhelper", "13.11.3", here["debhelper"]),
        ("package no-such-package", "1.0", "nothing"),
    ]
    assert made.notes[0].startswith(
        "debian/changelog begins with the entry tree (2.1.0-1+b7) sid of tree.buildinfo (SHA-256 "
    )
    assert made.notes[1] == "1 of the 3 packages of tree.buildinfo were used in its version."
    assert made.notes[2] == (
        f"debhelper 13.11.3 is not in the archive any more; {here['debhelper']} was used instead."
    )
    assert "tree_2.1.0-1+b7_amd64.deb" in {each.name for each in made.outputs}
    assert made.environment.variables["SOURCE_DATE_EPOCH"] == "1663556049"
    assert made.inputs is not None
    changed = [each.path for each in made.inputs.events if "altered" in each.reason]
    assert changed == ["/build/somewhere-else/tree-2.1.0/debian/changelog"]
    assert not made.inputs.unaccounted
    assert made.environment.variables["DEB_BUILD_OPTIONS"] == "parallel=2 noudeb nocheck"
    assert made.environment.variables["DEB_BUILD_PROFILES"] == "nocheck"
    assert made.sandbox["build_path"] == "/build/somewhere-else"


@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_a_buildinfo_of_another_package_is_refused(tmp_path: Path) -> None:
    read, cache = load(spec(tmp_path, "2.1.0-2")), Cache.open()
    with pytest.raises(BuildError, match=r"tree\.buildinfo is of tree 2\.1\.0-2, but the source"):
        rebuild.rebuild(read, source.obtain(read, cache), cache, tmp_path / "out")
