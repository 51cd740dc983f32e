"""Links for in-toto: its reference implementation counts two auditors who reproduced a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from in_toto.exceptions import LinkNotFoundError, ThresholdVerificationError
from in_toto.models.layout import Layout, Step
from in_toto.models.metadata import Metablock, Metadata
from in_toto.verifylib import in_toto_verify
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, SSlibKey

from tests.unit.attest import material
from tests.unit.attest.cli import verifier
from verifier.attest import link, make, signing
from verifier.errors import UsageError

KINDS = ("ed25519", "p256", "rsa")


def _public(kind: str, number: int = 0) -> dict[str, Any]:
    scheme = "rsa-pkcs1v15-sha256" if kind == "rsa" else None
    key = SSlibKey.from_crypto(material.private(kind, number).public_key(), scheme=scheme)
    return {"keyid": key.keyid, "keyid_hash_algorithms": None, **key.to_dict()}


@pytest.fixture
def same(tmp_path: Path) -> material.Run:
    """A file that is bit for bit the same on both sides."""
    return material.compared(tmp_path / "same", b"reproduced", b"reproduced", "tool")


def _attest(run: material.Run, folder: Path, kind: str, number: int = 0) -> Path:
    """The link that the command writes."""
    key = material.key_file(folder, kind, number)
    out = folder / f"{kind}-{number}.json"
    asked = ("attest", run.report, "--key", key, "--auditor", "alice", "--link", "-o", out)
    done = verifier(*asked)
    assert done.returncode == 0, done.stderr
    (path,) = (Path(line) for line in done.stdout.split() if line.endswith(".link"))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_in_toto_verifies_our_link(same: material.Run, tmp_path: Path, kind: str) -> None:
    path = _attest(same, tmp_path, kind)
    found = Metadata.load(str(path))
    found.verify_signature(_public(kind))
    assert path.name == f"rebuild.{_public(kind)['keyid'][:8]}.link"
    assert list(found.signed.products) == ["tool"]
    edited = json.loads(path.read_bytes())
    edited["signed"]["products"]["tool"]["sha256"] = "0" * 64
    with pytest.raises(Exception, match=r"(?i)signature"):
        Metablock.from_dict(edited).verify_signature(_public(kind))


def _policy(people: list[dict[str, Any]], tmp_path: Path) -> tuple[Metablock, dict[str, Any]]:
    """A layout of in-toto that asks two auditors for one and the same product."""
    step = Step(name=link.STEP, pubkeys=[each["keyid"] for each in people], threshold=2)
    layout = Layout(steps=[step], keys={each["keyid"]: each for each in people})
    layout.set_relative_expiration(days=1)
    made = Metablock(signed=layout)
    owner = material.private("ed25519", 9)
    made.create_signature(CryptoSigner(owner))
    key = _public("ed25519", 9)
    return made, {key["keyid"]: key}


def test_in_toto_counts_two_auditors_and_refuses_one(same: material.Run, tmp_path: Path) -> None:
    people = [_public("ed25519", number) for number in (1, 2)]
    layout, owners = _policy(people, tmp_path)
    _attest(same, tmp_path, "ed25519", 1)
    with pytest.raises(LinkNotFoundError):
        in_toto_verify(layout, owners, link_dir_path=str(tmp_path))
    again = material.compared(tmp_path / "again", b"reproduced", b"reproduced", "tool")
    again.report.write_text(again.report.read_text().replace('"seconds": 0.', '"seconds": 1.'))
    assert again.report.read_bytes() != same.report.read_bytes()
    _attest(again, tmp_path, "ed25519", 2)
    assert in_toto_verify(layout, owners, link_dir_path=str(tmp_path))


def test_in_toto_refuses_two_auditors_of_different_files(
    same: material.Run, tmp_path: Path
) -> None:
    people = [_public("ed25519", number) for number in (1, 2)]
    layout, owners = _policy(people, tmp_path)
    other = material.compared(tmp_path / "other", b"another", b"another", "tool")
    _attest(same, tmp_path, "ed25519", 1)
    _attest(other, tmp_path, "ed25519", 2)
    with pytest.raises(ThresholdVerificationError):
        in_toto_verify(layout, owners, link_dir_path=str(tmp_path))


@pytest.mark.parametrize("fixture", ["good", "bad"])
def test_there_is_no_link_of_files_that_are_not_the_same(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    run: material.Run = request.getfixturevalue(fixture)
    with pytest.raises(UsageError, match="bit for bit"):
        link.link(make.statement(material.basis(run)), run.report.read_bytes())


def test_a_source_digest_is_a_material(same: material.Run) -> None:
    said = make.statement(material.basis(same, source="sha256:" + "1" * 64))
    made = link.link(said, same.report.read_bytes())
    assert made["materials"]["source"] == {"sha256": "1" * 64}


def test_a_signature_is_over_the_link_alone(same: material.Run, tmp_path: Path) -> None:
    """The envelope of an attestation and the link sign different bytes with one key."""
    signer = signing.load(str(material.key_file(tmp_path)))
    said = link.link(make.statement(material.basis(same)), same.report.read_bytes())
    made = json.loads(link.sign(said, signer))
    envelope = signer.sign(json.dumps(said).encode())
    assert made["signatures"][0]["sig"] != envelope.signatures[0].value.hex()
    key = SSlibKey.from_crypto(material.private("ed25519").public_key())
    with pytest.raises(UnverifiedSignatureError):
        key.verify_signature(
            type("S", (), {"signature": made["signatures"][0]["sig"], "keyid": key.keyid})(),
            json.dumps(said).encode(),
        )
