"""`verifier attest` and `verifier verify-attestation`, with honest exit statuses."""

import base64
import json
from pathlib import Path

import pytest

from tests.unit.attest import material
from tests.unit.attest.cli import verifier


@pytest.fixture
def alice(tmp_path: Path) -> tuple[Path, Path]:
    """Her private and her public key."""
    public = tmp_path / "alice.pub"
    public.write_bytes(material.public_pem())
    return material.key_file(tmp_path), public


def test_from_report_to_verified_attestation(
    good: material.Run, alice: tuple[Path, Path], tmp_path: Path
) -> None:
    key, public = alice
    out = tmp_path / "a.json"
    made = verifier(
        *("attest", good.report, "--proof", good.proof, "--key", key, "-o", out),
        *("--auditor", "alice", "--record", good.shipped, "--source", "git:1"),
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == [str(out), str(tmp_path / "a.vsa.json")]
    asked = ["--key", public, "--artifact", good.shipped, "--max-age", "1h"]
    more = ["--rebuilt", good.rebuilt, "--proof", good.proof, "--policy", "standard"]
    done = verifier("verify-attestation", out, *asked, *more, "--source", "git:1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Attested: equivalent.\n")
    assert "re-run and holds" in done.stdout
    summary = verifier("verify-attestation", tmp_path / "a.vsa.json", *asked)
    assert summary.returncode == 0
    broken = [*asked, "--rebuilt", good.shipped, "--proof", good.proof]
    assert verifier("verify-attestation", out, *broken).returncode == 1


def test_a_mismatch_and_no_attestation_are_told_apart(
    bad: material.Run, alice: tuple[Path, Path], tmp_path: Path
) -> None:
    key, public = alice
    first = tmp_path / "first.json"
    assert verifier(
        "attest", bad.report, "--key", key, "--auditor", "alice", "-o", first, "--no-vsa"
    ).returncode == 0  # fmt: skip
    assert not (tmp_path / "first.vsa.json").exists()
    mismatch = verifier("verify-attestation", first, "--key", public)
    assert (mismatch.returncode, mismatch.stdout) == (1, "")
    assert "attests a mismatch" in mismatch.stderr
    other = tmp_path / "bob.pub"
    other.write_bytes(material.public_pem(number=1))
    nobody = verifier("verify-attestation", first, "--key", other)
    assert nobody.returncode == 3
    assert "not signed by a trusted key" in nobody.stderr
    second = tmp_path / "second.json"
    verifier(
        *("attest", bad.report, "--key", key, "--auditor", "alice", "-o", second),
        *("--supersedes", first),
    )
    payload = json.loads(base64.b64decode(json.loads(second.read_bytes())["payload"]))
    assert len(payload["predicate"]["supersedes"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify-attestation", "A", "--max-age", "1d"],
        ["verify-attestation", "A", "--key", "K", "--max-age", "soon"],
        ["verify-attestation", "A", "--key", "K", "--rebuilt", "A"],
        ["verify-attestation", "A", "--key", "K", "--identity", "me", "--issuer", "they"],
        ["verify-attestation", "A", "--identity", "me"],
        ["verify-attestation", "missing", "--key", "K"],
        ["attest", "A", "--key", "missing", "--auditor", "alice"],
        ["attest", "missing", "--key", "K", "--auditor", "alice"],
    ],
)
def test_wrong_usage_is_status_2(
    alice: tuple[Path, Path], bad: material.Run, tmp_path: Path, arguments: list[str]
) -> None:
    places = {"A": str(bad.report), "K": str(alice[1])}
    done = verifier(*(places.get(each, each) for each in arguments), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") < 12


def test_help_shows_examples() -> None:
    for name in ("attest", "verify-attestation"):
        assert "Examples:" in verifier(name, "--help").stdout
