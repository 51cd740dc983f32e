"""A record holds a tree to each byte, mode and link; whoever changes either is noticed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from tests import signers
from verifier.attest import dsse, signing, strict
from verifier.commands import build
from verifier.errors import ParseError, SourceError
from verifier.source import pins, record, recordkeys
from verifier.source.base import SourceDiffersError
from verifier.source.directory import obtain
from verifier.source.tree import scan
from verifier.spec import DirectorySource, Pins

WORDS = record.Words("alice", "2026-11-25", 'says "yes"')


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "d" / "empty").mkdir(parents=True)
    (root / "d" / "a.c").write_text("int a;\n")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("d/a.c")
    Path(os.fsdecode(bytes(os.fsencode(root)) + b"/\xff%41")).write_text("odd name")
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("left out")
    return root


@pytest.fixture
def kept(tree: Path, tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(record.make(scan(tree), WORDS))
    return path


def hold(path: Path, tree: Path) -> None:
    found = scan(tree)
    record.hold(record.read(path), found.entries, found.swhid)


def test_a_record_is_deterministic_and_fits_its_schema(tree: Path, kept: Path) -> None:
    twin = tree.with_name("twin")
    shutil.copytree(tree, twin, symlinks=True)
    os.utime(twin / "run", (1, 1))
    assert record.make(scan(twin), WORDS) == kept.read_bytes()
    data = json.loads(kept.read_bytes())
    schema = json.loads(Path("verifier/schemas/audit-record-v1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    paths = [entry["path"] for entry in data["entries"]]
    assert paths == ["d", "d/a.c", "d/empty", "link", "run", "%FF%2541"]
    assert data["tree"]["swhid"] == scan(tree).swhid
    hold(kept, tree)
    hold(kept, twin)


def odd_link(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("run")


def to_file(tree: Path) -> None:
    (tree / "link").unlink()
    shutil.copyfile(tree / "d/a.c", tree / "link")


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("'d/a.c' has other content", lambda tree: (tree / "d/a.c").write_text("int b;\n")),
    ("'d/a.c' has mode 0600, audited 0644", lambda tree: (tree / "d/a.c").chmod(0o600)),
    ("'run' has mode 0644, audited 0755", lambda tree: (tree / "run").chmod(0o644)),
    ("'run' has mode 4755, audited 0755", lambda tree: (tree / "run").chmod(0o4755)),
    ("'d' has mode 0700, audited 0755", lambda tree: (tree / "d").chmod(0o700)),
    ("'link' pointed to 'd/a.c' and points to 'run'", odd_link),
    ("'link' was a link and is a file", to_file),
    ("'d/new' was not there (file)", lambda tree: (tree / "d/new").touch()),
    ("'d/more' was not there (directory)", lambda tree: (tree / "d/more").mkdir()),
    ("'run' is missing (file)", lambda tree: (tree / "run").unlink()),
    ("'d/empty' is missing (directory)", lambda tree: (tree / "d/empty").rmdir()),
]


@pytest.mark.parametrize(("said", "change"), CHANGES, ids=[said for said, _ in CHANGES])
def test_each_change_is_named(
    tree: Path, kept: Path, said: str, change: Callable[[Path], object]
) -> None:
    change(tree)
    with pytest.raises(SourceDiffersError) as caught:
        hold(kept, tree)
    assert len(caught.value.changes) == 1
    assert caught.value.changes[0].startswith(said)


def test_many_changes_are_counted(tree: Path, kept: Path) -> None:
    for number in range(250):
        (tree / f"new-{number:03}").touch()
    with pytest.raises(SourceDiffersError, match="and 249 more") as caught:
        hold(kept, tree)
    assert len(caught.value.changes) == 101
    assert caught.value.changes[-1] == "150 more paths differ"


def test_modes_of_git(tree: Path, kept: Path) -> None:
    kept.write_bytes(record.make(scan(tree), WORDS, record.GIT))
    (tree / "d/a.c").chmod(0o664)
    (tree / "d").chmod(0o775)
    (tree / "run").chmod(0o700)
    hold(kept, tree)
    (tree / "run").chmod(0o644)
    with pytest.raises(SourceDiffersError, match="has mode 0644, audited 0755"):
        hold(kept, tree)


def test_a_record_that_was_edited(tree: Path, kept: Path) -> None:
    text = kept.read_text()
    for old, new, error in (
        ('"mode": "0755"', '"mode": "0644"', SourceError),
        ('"path": "run"', '"path": "link"', SourceError),
        ('"type": "file"', '"type": "pipe"', ParseError),
        ('"schema"', '"scheme"', ParseError),
        ('"target": "d/a.c"', '"target": ""', ParseError),
        ('"notes"', '"date": "x", "notes"', ParseError),
    ):
        assert old in text
        kept.write_text(text.replace(old, new, 1))
        with pytest.raises(error):
            record.read(kept)
    swhid = scan(tree).swhid
    kept.write_text(text.replace(swhid, f"swh:1:dir:{'0' * 40}"))
    with pytest.raises(SourceError, match="do not have its SWHID"):
        hold(kept, tree)


def signed(path: Path, key: Path) -> None:
    statement = recordkeys.statement(path.read_bytes(), record.read(path))
    envelope = signing.load(str(key)).sign(strict.canonical(statement))
    recordkeys.beside(path)[0].write_bytes(dsse.dump(envelope))


def test_who_signed(tree: Path, kept: Path, tmp_path: Path) -> None:
    alice, mallory = signers.ssh_key(tmp_path / "alice"), signers.ssh_key(tmp_path / "mallory")
    public = tmp_path / "alice.pub"
    with pytest.raises(SourceError, match="not signed by a key"):
        recordkeys.signers(kept, record.read(kept), [public])
    signed(kept, mallory)
    with pytest.raises(SourceError, match="not signed by a key"):
        recordkeys.signers(kept, record.read(kept), [public])
    signed(kept, alice)
    assert recordkeys.signers(kept, record.read(kept), [public]) == (str(public),)
    (tree / "run").write_text("evil")
    kept.write_bytes(record.make(scan(tree), WORDS))  # another record under the old signature
    with pytest.raises(SourceError, match="signed for another audit record"):
        recordkeys.signers(kept, record.read(kept), [public])
    recordkeys.beside(kept)[0].unlink()
    signers.ssh_sign(alice, kept, recordkeys.NAMESPACE)  # writes record.json.sig
    (name,) = recordkeys.signers(kept, record.read(kept), [public])
    assert name.startswith("tester (SHA256:")
    with pytest.raises(SourceError, match="which is not named"):
        recordkeys.signers(kept, record.read(kept), [tmp_path / "mallory.pub"])
    signers.ssh_sign(alice, kept, "file")
    with pytest.raises(SourceError, match="made for"):
        recordkeys.signers(kept, record.read(kept), [public])


def test_a_statement_about_a_rebuild_signs_no_record(kept: Path, tmp_path: Path) -> None:
    alice = signers.ssh_key(tmp_path / "alice")
    statement = recordkeys.statement(kept.read_bytes(), record.read(kept))
    statement["predicateType"] = "urn:source-binary-verifier:equivalence:v1"
    envelope = signing.load(str(alice)).sign(strict.canonical(statement))
    recordkeys.beside(kept)[0].write_bytes(dsse.dump(envelope))
    with pytest.raises(SourceError, match="signed for another"):
        recordkeys.signers(kept, record.read(kept), [tmp_path / "alice.pub"])


def test_a_source_with_a_record(tree: Path, kept: Path, tmp_path: Path) -> None:
    key = signers.ssh_key(tmp_path / "alice")
    signed(kept, key)
    wanted = Pins(record=kept, record_keys=(tmp_path / "alice.pub",))
    source = pins.hold(wanted, obtain(DirectorySource(tree)))
    told = source.to_json()
    assert told["record"]["sha256"] == source.pins[-1].value
    assert told["record"]["signed_by"] == [str(tmp_path / "alice.pub")]
    (tree / "d/a.c").write_text("evil")
    with pytest.raises(SourceDiffersError) as caught:
        pins.hold(wanted, obtain(DirectorySource(tree)))
    assert caught.value.source is not None
    assert caught.value.source.record == source.record


def test_the_commands(tree: Path, tmp_path: Path) -> None:
    key = signers.ssh_key(tmp_path / "alice")
    path = tmp_path / "r.json"
    runner, app = CliRunner(), build("source")
    common = ["source", "record", str(tree), "--reviewer", "alice"]
    done = runner.invoke(app, [*common, "-o", str(path), "--date", "2026-11-25", "--key", str(key)])
    assert done.exit_code == 0, done.output
    first = path.read_bytes()
    runner.invoke(app, [*common, "-o", str(path), "--date", "2026-11-25"])
    assert path.read_bytes() == first
    asked = ["source", "check", str(tree), str(path), "--key", f"{key}.pub"]
    done = runner.invoke(app, asked)
    assert (done.exit_code, "is what alice saw on 2026-11-25" in done.output) == (0, True)
    (tree / "run").chmod(0o700)
    done = runner.invoke(app, asked)
    assert done.exit_code == 1
    assert "'run' has mode 0700, audited 0755" in done.output
    inside = runner.invoke(app, [*common, "-o", str(tree / "r.json")])
    assert inside.exit_code != 0
    assert not (tree / "r.json").exists()
