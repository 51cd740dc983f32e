"""The recipe `clamav-db`: ClamAV's own databases from their sources, and sigtool's bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cases import clamav_build as make
from tests.end_to_end.sandboxes import open_place
from verifier import rebuild, source
from verifier.errors import BuildError, UsageError
from verifier.formats.clamav import pack, shipped
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = Path(__file__).parents[2] / "fixtures" / "specs"
GIVEN = """
version = {version}
level = {level}
builder = "auditor"
time = 2024-02-29T12:00:00-05:00
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        (path / "source").mkdir()
        (path / "shipped").mkdir()
        yield path


def _audit(place: Path, name: str, fields: str, extra: str = "") -> Path:
    """A specification whose source are the members of one of ClamAV's own databases."""
    data = make.file(name)
    for member, content in make.source(data).items():
        (place / "source" / member).write_bytes(content)
    database = make.name_of(data)
    (place / f"shipped/{database}.cvd").write_bytes(data)
    made = f"{database}.{'cvd' if 'shipped' in fields else 'cud'}"
    text = (
        '[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "clamav-db"\n'
        f'database = "{database}"\n{fields}\n{extra}\n'
        f'[[artifacts]]\nshipped = "shipped/{database}.cvd"\nrebuilt = "{made}"\n'
    )
    (place / "audit.toml").write_text(text)
    return place / "audit.toml"


def _rebuilt(path: Path) -> bytes:
    spec = load(path)
    cache = Cache.open(path.parent / "cache")
    output = path.parent / "output"
    made = rebuild.rebuild(spec, source.obtain(spec, cache), cache, output)
    (only,) = made.outputs
    return (output / only.name).read_bytes()


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", ["test-6.cvd", "bytecode.cvd"])
def test_audited_members_and_shipped_fields_make_the_shipped_file(name: str, place: Path) -> None:
    data = make.file(name)
    path = _audit(place, name, f'shipped = "shipped/{make.name_of(data)}.cvd"')
    assert _rebuilt(path) == data


def test_an_audit_with_chosen_fields_is_proven_by_the_vendors_signature(place: Path) -> None:
    path = _audit(place, "test-6.cvd", GIVEN.format(version=6, level=81))
    out, proof = place / "out", place / "proof.json"
    report = place / "report.json"
    done = _run("verify", path, "--json", report, "-o", out, "--proof", proof)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(report.read_text())
    assert document["verdict"] == "equivalent"
    rules = {patch["rule"] for member in document["members"] for patch in member["patches"]}
    assert {"cvd.dsig", "clamav-info.dsig", "gzip.stream"} <= rules
    checked = _run("check", proof, out / "shipped/test.cvd", out / "rebuilt/test.cvd")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "The proof holds: equivalent" in checked.stdout


def test_one_signature_less_in_the_source_is_different(place: Path) -> None:
    path = _audit(place, "test-6.cvd", GIVEN.format(version=6, level=81))
    source_file = place / "source/test.ndb"
    lines = source_file.read_bytes().splitlines(keepends=True)
    source_file.write_bytes(b"".join(lines[:-1]))
    done = _run("verify", path, "-o", place / "out")
    assert done.returncode == 1
    assert "Win.Worm.Klez-1" in done.stdout


def test_a_comment_less_in_the_source_changes_nothing(place: Path) -> None:
    path = _audit(place, "test-6.cvd", GIVEN.format(version=6, level=81))
    source_file = place / "source/test.ndb"
    first, rest = source_file.read_bytes().split(b"\n", 1)
    assert first.startswith(b"# ")
    source_file.write_bytes(rest)
    assert _run("verify", path, "-o", place / "out").returncode == 0


def test_shipped_fields_hide_no_other_member(place: Path) -> None:
    path = _audit(place, "test-6.cvd", 'shipped = "shipped/test.cvd"')
    (place / "source/test.ndb").write_bytes(b"Other:0:*:414243\n")
    (place / "source/test.imp").write_bytes(b"")
    rebuilt = _rebuilt(path)
    assert make.members(rebuilt)["test.ndb"] == b"Other:0:*:414243\n"
    assert "test.imp" in make.members(rebuilt)
    assert rebuilt != make.file("test-6.cvd")


@pytest.mark.parametrize("clock", ["", "2023-11-14T22:13:20Z"])
def test_our_packer_makes_what_sigtool_makes(clock: str, place: Path) -> None:
    fields = 'packer = "sigtool"\nversion = 6\nlevel = 81\nbuilder = "auditor"\n'
    extra = f"[sandbox]\nclock = {clock}" if clock else ""
    theirs = _rebuilt(_audit(place, "test-6.cvd", fields, extra))
    found = shipped.fields(memoryview(theirs))
    assert (found.dsig, found.builder, found.version) == ("X", "auditor", 6)
    if clock:
        assert 1_700_000_000 <= found.stime < 1_700_000_060
    assert pack.pack("test", make.source(make.file("test-6.cvd")), found._replace(
        listing=None, order=()
    )) == theirs  # fmt: skip


def test_the_commented_example(place: Path) -> None:
    spec = load(SPECS / "clamav-db.toml")
    cache = Cache.open(place / "cache")
    made = rebuild.rebuild(spec, source.obtain(spec, cache), cache, place / "one")
    data = (place / "one/example.cud").read_bytes()
    assert [output.name for output in made.outputs] == ["example.cud"]
    assert data.startswith(b"ClamAV-VDB:29 Feb 2024 12-00 -0500:7:2:81:")
    said = subprocess.run(
        ["sigtool", "--info", "example.cud"], cwd=place / "one", capture_output=True, check=True
    )
    assert b"Functionality level: 81" in said.stdout


def test_what_the_packer_drops_must_be_named(place: Path) -> None:
    path = _audit(place, "test-6.cvd", GIVEN.format(version=6, level=81))
    (place / "source/test.yar").write_text("rule a { condition: true }\n")
    with pytest.raises(BuildError, match=r"test\.yar is a signature file that the packer leaves"):
        _rebuilt(path)
    text = path.read_text().replace("version =", 'leave_out = ["*.yar"]\nversion =')
    path.write_text(text)
    for file in (place / "output").iterdir():
        file.unlink()
    assert "test.yar" not in make.members(_rebuilt(path))


def test_a_source_without_licence_is_refused(place: Path) -> None:
    path = _audit(place, "test-6.cvd", GIVEN.format(version=6, level=81))
    (place / "source/COPYING").unlink()
    with pytest.raises(BuildError, match="no file COPYING"):
        _rebuilt(path)


def test_a_shipped_file_that_is_no_database_is_told(place: Path) -> None:
    path = _audit(place, "test-6.cvd", 'shipped = "shipped/test.cvd"')
    (place / "shipped/test.cvd").write_bytes(b"ClamAV-VDB:" + bytes(600))
    with pytest.raises(BuildError, match="cannot be packed"):
        _rebuilt(path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('shipped = "a.cvd"\nversion = 1', "give one of the two"),
        ('shipped = "a.cvd"\npacker = "sigtool"', "needs the packer own"),
        ("version = 1\nlevel = 1", "builder"),
        ('version = 1\nlevel = 1\nbuilder = "a b"', "builder"),
        ('version = 1\nlevel = 1\nbuilder = "a"\ntime = 2024-01-01T00:00:00', "offset"),
        (GIVEN.format(version=-1, level=1), "no header"),
        (GIVEN.format(version=1, level=1) + 'directory = "../x"', "leads out"),
        (GIVEN.format(version=1, level=1) + 'packer = "sigtool"', "sandbox.clock"),
        ('shipped = "a.cvd"\ncontainer = "cld"', "fields that are given"),
    ],
)
def test_a_wrong_specification_is_refused(fields: str, said: str, place: Path) -> None:
    with pytest.raises(UsageError, match=said):
        load(_audit(place, "test-1.cvd", fields))
