"""`verifier journal …` from an empty journal to a witnessed one, and how it refuses."""

import sqlite3
from pathlib import Path

import pytest

from tests.unit.attest import material
from tests.unit.attest.cli import verifier


@pytest.fixture
def log(tmp_path: Path, good: material.Run) -> Path:
    """A journal of one run, one attestation and one other file, with its key beside it."""
    key = material.key_file(tmp_path, number=7)
    path = tmp_path / "audits.journal"
    made = verifier("journal", "init", path, "--name", "example.org/audits", "--key", key)
    assert made.returncode == 0, made.stderr
    (tmp_path / "log.vkey").write_text(made.stdout, "utf-8")
    signed = tmp_path / "a.json"
    signed.write_bytes(material.attested(good, tmp_path))
    for files in ([good.report, signed], [good.shipped]):
        added = verifier("journal", "append", path, *files, "--key", key)
        assert added.returncode == 0, added.stderr
        (tmp_path / f"{len(files)}.checkpoint").write_text(added.stdout, "utf-8")
    return path


def test_a_journal_is_checked_proven_and_exported(log: Path, good: material.Run) -> None:
    asked = ["--log", log.with_name("log.vkey")]
    kept = ["--checkpoint", log.with_name("2.checkpoint"), "--checkpoint", f"{log}.checkpoint"]
    whole = verifier("journal", "check", log, *asked, *kept)
    assert (whole.returncode, whole.stdout[:20]) == (0, "It holds: 3 entries,")
    proof = log.with_name("first.tlog-proof")
    assert verifier("journal", "prove", log, "--entry", "0", "-o", proof).returncode == 0
    one = verifier("journal", "check", proof, *asked, "--file", good.report)
    assert one.stdout.startswith("Entry 0: run report.json, ")
    other = verifier("journal", "check", proof, *asked, "--file", good.shipped)
    assert (other.returncode, other.stdout) == (1, "")
    folder = log.with_name("export")
    assert verifier("journal", "export", log, "-o", folder).returncode == 0
    assert verifier("journal", "check", folder, *asked).stdout == whole.stdout


def test_a_journal_that_was_set_back_is_found_by_what_lies_beside_it(
    log: Path, good: material.Run
) -> None:
    kept = log.read_bytes()
    asked = [good.rebuilt, "--key", log.with_name("ed25519-7.key")]
    assert verifier("journal", "append", log, *asked).returncode == 0
    log.write_bytes(kept)
    found = verifier("journal", "check", log, "--log", log.with_name("log.vkey"))
    assert (found.returncode, "others have seen 4 entries" in found.stderr) == (1, True)


def test_a_witness_watches_it_grow(log: Path, tmp_path: Path) -> None:
    asked = ["--log", log.with_name("log.vkey")]
    request, signature, vkey = (tmp_path / name for name in ("request", "bob.sig", "bob.vkey"))
    grown = verifier("journal", "prove", log, "--from", "0")
    request.write_text(grown.stdout, "utf-8")
    bob = ["--key", material.key_file(tmp_path, number=8), "--name", "bob.example"]
    bob += ["--state", tmp_path / "bob.seen"]
    seen = verifier("journal", "witness", request, *asked, *bob)
    assert seen.returncode == 0, seen.stderr
    signature.write_text(seen.stdout, "utf-8")
    vkey.write_text(seen.stderr.rpartition(": ")[2], "utf-8")
    witnessed = [*asked, "--witness", vkey, "--witnesses", "1"]
    assert verifier("journal", "check", log, *witnessed).returncode == 3
    assert verifier("journal", "cosign", log, signature, "--witness", vkey).returncode == 0
    assert "cosigned by bob.example" in verifier("journal", "check", log, *witnessed).stdout
    growth = tmp_path / "growth"
    assert verifier("journal", "prove", log, "--from", "2", "-o", growth).returncode == 0
    kept = ["--checkpoint", tmp_path / "2.checkpoint"]
    assert verifier("journal", "check", growth, *witnessed, *kept).returncode == 0
    forged = log.with_name("log.vkey")
    assert verifier("journal", "cosign", log, signature, "--witness", forged).returncode == 2
    assert verifier("journal", "witness", growth, *asked, *bob).returncode == 3


def test_tampering_is_status_1_and_told(log: Path) -> None:
    database = sqlite3.connect(log, isolation_level=None)
    database.execute("DROP TRIGGER no_update")
    database.execute("UPDATE entries SET data = x'00' WHERE id = 1")
    database.close()
    found = verifier("journal", "check", log, "--log", log.with_name("log.vkey"))
    assert found.returncode == 1
    assert "entry 1 was altered" in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["prove", "J"],
        ["prove", "J", "--entry", "0", "--from", "1"],
        ["prove", "none", "--entry", "0"],
        ["init", "J", "--name", "a", "--key", "K"],
        ["init", "new", "--name", "a b", "--key", "K"],
        ["append", "J", "J", "--key", "J"],
        ["append", "J", "none", "--key", "K"],
        ["check", "J", "--log", "K"],
        ["check", "none", "--log", "L"],
        ["check", "J", "--log", "L", "--witness", "L"],
        ["export", "J", "-o", "."],
    ],
)
def test_wrong_usage_is_status_2(log: Path, arguments: list[str]) -> None:
    places = {"J": str(log), "K": "ed25519-7.key", "L": "log.vkey"}
    done = verifier("journal", *(places.get(each, each) for each in arguments), cwd=log.parent)
    assert done.returncode == 2, done.stderr


def test_help_shows_examples() -> None:
    for name in ("init", "append", "prove", "check", "export", "witness", "cosign"):
        assert "Examples:" in verifier("journal", name, "--help").stdout


def test_every_run_and_attestation_is_recorded_where_the_environment_says(
    log: Path, good: material.Run, tmp_path: Path
) -> None:
    key = material.key_file(tmp_path, number=7)
    around = {"VERIFIER_JOURNAL": str(log), "VERIFIER_JOURNAL_KEY": str(key)}
    out = tmp_path / "new.json"
    files = (good.shipped, good.rebuilt)
    assert verifier("compare", *files, "--json", out, "--quiet", **around).returncode == 0
    asked = ["--proof", good.proof, "--key", key, "--auditor", "alice", "-o", tmp_path / "b.json"]
    assert verifier("attest", good.report, *asked, **around).returncode == 0
    assert "5 entries" in verifier("journal", "check", log, "--log", tmp_path / "log.vkey").stdout
    proof = tmp_path / "p"
    verifier("journal", "prove", log, "--entry", "3", "-o", proof)
    asked = ["--log", tmp_path / "log.vkey", "--file", out]
    assert "Entry 3: run new.json" in verifier("journal", "check", proof, *asked).stdout
    del around["VERIFIER_JOURNAL_KEY"]
    failed = verifier("compare", *files, "--quiet", **around)
    assert (failed.returncode, failed.stdout) == (2, "")
