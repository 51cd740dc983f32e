"""The recipe `ruleset`: the archive it makes is the same everywhere, and holds what was audited."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import open_place
from tests.unit.sigdb import asking
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.sigdb import named
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = Path(__file__).parents[2] / "fixtures" / "specs"
RULE = 'alert tcp any any -> any any (msg:"{0}"; content:"{0}"; sid:{1}; rev:1;)\n'
EPOCH = 315_532_800


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def pack(place: Path, options: str, archive: str = "rules.tar.gz") -> bytes:
    """Build the rules of `place/source` with more lines of [build]."""
    (place / "audit.toml").write_text(
        f'[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "ruleset"\n'
        f'archive = "{archive}"\n{options}\n',
        "utf-8",
    )
    spec = load(place / "audit.toml")
    cache = Cache.open(place / "cache")
    got = source.obtain(spec, cache)
    output = Path(tempfile.mkdtemp(dir=place, prefix="output-"))
    built = rebuild.rebuild(spec, got, cache, output)
    assert [item.name for item in built.outputs] == [archive]
    return (output / archive).read_bytes()


def lay(place: Path, order: int = 1) -> None:
    tree = place / "source"
    for name in ["b/two.rules", "a/one.rules", "a/-dash.rules", "a.rules", "README"][::order]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(RULE.format(name, 1 + len(name)), "utf-8")


def test_the_commented_example_builds(place: Path) -> None:
    spec = load(SPECS / "ruleset.toml")
    cache = Cache.open(place / "cache")
    built = rebuild.rebuild(spec, source.obtain(spec, cache), cache, place / "one")
    assert [output.name for output in built.outputs] == ["rules.tar.gz"]
    with tarfile.open(place / "one/rules.tar.gz") as archive:
        assert archive.getnames() == ["rules", "rules/malware.rules", "rules/policy.rules"]
        text = {
            name: archive.extractfile(name).read()  # type: ignore[union-attr]
            for name in archive.getnames()[1:]
        }
    found = asking.records(named("suricata"), dict(text), "")
    assert [record.name for record in found] == [f"1:900000{number}" for number in (1, 2, 3, 4)]


def test_one_source_gives_one_archive(place: Path) -> None:
    one, other = place / "one", place / "other"
    lay(one)
    lay(other, -1)
    for number, path in enumerate(sorted((other / "source").rglob("*"))):
        path.chmod(0o700)
        os.utime(path, (number, number))
    for archive in ("rules.tar.gz", "rules.tar", "rules.tgz", "rules.zip"):
        assert pack(one, "", archive) == pack(other, "", archive)


def test_what_a_tar_holds(place: Path) -> None:
    lay(place)
    data = pack(place, 'exclude = ["README"]\nfolder = "etc/rules"')
    assert data[:10] == bytes.fromhex("1f8b0800000000000003")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "etc", "etc/rules", "etc/rules/a.rules", "etc/rules/a", "etc/rules/a/-dash.rules",
        "etc/rules/a/one.rules", "etc/rules/b", "etc/rules/b/two.rules",
    ]  # fmt: skip
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", EPOCH)}
    assert {m.mode for m in members if m.isfile()} == {0o644}
    assert {m.mode for m in members if m.isdir()} == {0o755}


def test_what_a_zip_holds(place: Path) -> None:
    lay(place)
    options = 'include = ["**/*.rules"]\ndirectories = false\nsource_date_epoch = 1700000000'
    with zipfile.ZipFile(io.BytesIO(pack(place, options, "rules.zip"))) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == [
        "a.rules", "a/-dash.rules", "a/one.rules", "b/two.rules",
    ]  # fmt: skip
    assert {member.date_time for member in members} == {(2023, 11, 14, 22, 13, 20)}
    assert not any(member.extra for member in members)


def test_a_source_that_cannot_be_packed_is_named(place: Path) -> None:
    lay(place)
    with pytest.raises(BuildError, match="No file of the source"):
        pack(place, 'include = ["*.nothing"]')
    (place / "source/link.rules").symlink_to("/etc/passwd")
    with pytest.raises(BuildError, match="is a link"):
        pack(place, "")
    (place / "source/link.rules").unlink()
    (place / "source/line\nbreak.rules").write_text("", "utf-8")
    with pytest.raises(BuildError, match="line break"):
        pack(place, "")
