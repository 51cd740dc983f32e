"""From two files to evidence, as programs one after the other: the path that the README shows."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.attest import material

ROOT = Path(__file__).resolve().parents[2]


def _run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=around, capture_output=True, text=True, check=False
    )


def _passes(folder: Path, *arguments: object) -> str:
    done = _run(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compare_attest_verify_bundle_replay_quorum_journal(tmp_path: Path) -> None:
    for name, time in (("s.gz", 1), ("r.gz", 2)):
        (tmp_path / name).write_bytes(gzip.compress(b"text", mtime=time))
    for number, name in enumerate(("alice", "bob", "journal")):
        key = material.key_file(tmp_path, number=number)
        key.rename(tmp_path / f"{name}.pem")
        (tmp_path / "auditors").mkdir(exist_ok=True)
        if name != "journal":
            public = material.public_pem(number=number)
            (tmp_path / "auditors" / f"{name}.pub").write_bytes(public)
    _passes(tmp_path, "compare", "s.gz", "r.gz", "--json", "r.json", "--proof", "p.json")
    for name in ("alice", "bob"):
        asked = ["--proof", "p.json", "--key", f"{name}.pem", "--auditor", name, "--source", "x"]
        _passes(tmp_path, "attest", "r.json", *asked, "-o", f"{name}.json")
    sides = ["--artifact", "s.gz", "--rebuilt", "r.gz", "--proof", "p.json", "--max-age", "1d"]
    said = _passes(
        tmp_path, "verify-attestation", "alice.json", "--key", "auditors/alice.pub", *sides
    )
    assert "re-run and holds" in said
    both = ["--threshold", "2", "--keys", "auditors", "--artifact", "s.gz"]
    assert _passes(tmp_path, "quorum", *both, "alice.json", "bob.json").startswith("Agreed")
    packed = ["--proof", "p.json", "--shipped", "s.gz", "--rebuilt", "r.gz", "-o", "b.zip"]
    _passes(tmp_path, "bundle", "r.json", *packed, "--attestation", "alice.json")
    assert "signed by trusted keys" in _passes(tmp_path, "replay", "b.zip", "--key", "auditors")
    named = ["--name", "example.org/audits", "--key", "journal.pem"]
    (tmp_path / "j.vkey").write_text(_passes(tmp_path, "journal", "init", "j", *named), "utf-8")
    _passes(tmp_path, "journal", "append", "j", "r.json", "alice.json", "--key", "journal.pem")
    assert "2 entries" in _passes(tmp_path, "journal", "check", "j", "--log", "j.vkey")
    (tmp_path / "s.gz").write_bytes(b"other")
    assert _run(tmp_path, "quorum", *both, "alice.json", "bob.json").returncode == 3
