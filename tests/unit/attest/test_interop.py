"""The reference implementations verify what we make, and we verify what they make."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from tests.unit.attest import material
from verifier.attest import dsse, evidence, make, signing, strict

KINDS = ("ed25519", "p256", "p384", "rsa")


def _theirs(kind: str) -> Any:
    public = material.private(kind).public_key()
    scheme = "rsa-pkcs1v15-sha256" if kind == "rsa" else None
    return SSlibKey.from_crypto(public, scheme=scheme)


@pytest.mark.parametrize("kind", KINDS)
def test_securesystemslib_verifies_ours(good: material.Run, tmp_path: Path, kind: str) -> None:
    made = json.loads(material.attested(good, tmp_path, kind))
    envelope = Envelope.from_dict(made)
    assert envelope.payload_type == dsse.IN_TOTO
    assert set(envelope.verify([_theirs(kind)], 1)) == {_theirs(kind).keyid}


@pytest.mark.parametrize("kind", KINDS)
def test_we_verify_securesystemslibs(good: material.Run, kind: str) -> None:
    """Theirs signs by PSS where the key is RSA's."""
    payload = strict.canonical(make.statement(material.basis(good)))
    envelope = Envelope(payload, dsse.IN_TOTO, {})
    envelope.sign(CryptoSigner(material.private(kind)))
    data = json.dumps(envelope.to_dict()).encode()
    found = evidence.read(data, "it", [material.trusted(kind)])
    assert evidence.judge(found, evidence.Demands(material.NOW))


def test_in_toto_attestation_reads_ours(good: material.Run) -> None:
    own = make.statement(material.basis(good))
    for each in (own, make.vsa(own, strict.canonical(own), "urn:x:alice", "")):
        read = Statement("", "", {})
        json_format.ParseDict(each, read.pb)
        read.validate()
        assert read.pb.predicate_type == each["predicateType"]
        assert json_format.MessageToDict(read.pb)["predicate"] == each["predicate"]


def test_we_read_a_statement_that_in_toto_attestation_made(good: material.Run) -> None:
    own = make.statement(material.basis(good))
    subjects = [
        ResourceDescriptor(name=item["name"], digest=item["digest"]).pb for item in own["subject"]
    ]
    theirs = Statement(subjects, own["predicateType"], own["predicate"])
    theirs.validate()
    text = json_format.MessageToJson(theirs.pb)
    envelope = Envelope(text.encode(), dsse.IN_TOTO, {})
    envelope.sign(CryptoSigner(material.private("ed25519")))
    data = json.dumps(envelope.to_dict()).encode()
    found = evidence.read(data, "it", [material.trusted()])
    assert found.statement.predicate == own["predicate"]


def test_the_vsa_has_the_fields_and_types_of_its_specification(good: material.Run) -> None:
    """The protobuf of in-toto's VSA v1 refuses unknown fields and other types.

    It wants one text for `verifiedLevels`, which the specification says is a list.
    """
    own = make.statement(material.basis(good))
    summary = make.vsa(own, strict.canonical(own), "urn:x:alice", "")["predicate"]
    levels = summary.pop("verifiedLevels")
    assert levels == ["urn:source-binary-verifier:level:equivalent"]
    read = json_format.ParseDict(summary, vsa_pb2.VerificationSummary())
    assert read.verification_result == "PASSED"
    required = {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult"}
    assert required <= summary.keys()


@pytest.mark.parametrize("kind", ["ed25519", "p256", "rsa"])
def test_openssl_verifies_ours(tmp_path: Path, kind: str) -> None:
    """No library of ours or theirs: the signed bytes by hand, the check by openssl."""
    signer = signing.load(str(material.key_file(tmp_path, kind)))
    made = json.loads(dsse.dump(signer.sign(b'{"a":1}')))
    payload = base64.b64decode(made["payload"])
    kind_ = made["payloadType"]
    signed = f"DSSEv1 {len(kind_)} {kind_} {len(payload)} ".encode() + payload
    for name, data in (
        ("message", signed),
        ("signature", base64.b64decode(made["signatures"][0]["sig"])),
        ("public", material.public_pem(kind)),
    ):
        (tmp_path / name).write_bytes(data)
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public"]
    command += ["-in", "message", "-sigfile", "signature"]
    command += [] if kind == "ed25519" else ["-digest", "sha256"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
