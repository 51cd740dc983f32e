"""What an auditor can name as trusted, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.signatures.build import pki
from verifier.errors import UsageError
from verifier.signatures import x509
from verifier.signatures.trust import Trust


def test_pem_bundles_and_der_files(tmp_path):
    (tmp_path / "bundle.pem").write_bytes(b"# two\n" + pki().root.pem + pki().code.pem)
    (tmp_path / "one.der").write_bytes(pki().root.der)
    trust = Trust.from_files([tmp_path / "bundle.pem", tmp_path / "one.der"])
    assert [each.subject_text for each in trust.certificates] == ["CN=Test root", "CN=Test signer"]
    root = x509.load_certificate(pki().root.der)
    assert trust.is_pinned(root)
    assert trust.signer(root.issuer.raw, root.serial).fingerprint == root.fingerprint
    assert trust.key_identifier(root.extensions.subject_key).fingerprint == root.fingerprint
    assert not trust.is_pinned(x509.load_certificate(pki().middle.der))


def test_pins_take_colons_and_capitals():
    text = pki().code.fingerprint.upper()
    colons = ":".join(text[index : index + 2] for index in range(0, 64, 2))
    trust = Trust.from_files(pins=[colons])
    assert trust.is_pinned(x509.load_certificate(pki().code.der))


@pytest.mark.parametrize("pin", ["", "00", "g" * 64, "0" * 65])
def test_malformed_pins(pin):
    with pytest.raises(UsageError, match="64 hex digits"):
        Trust.from_files(pins=[pin])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing here",
        b"\x30\x03abc",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    ],
)
def test_files_without_a_sound_certificate(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError):
        Trust.from_files([tmp_path / "file"])


def test_a_damaged_certificate_in_a_bundle_is_not_passed_over(tmp_path):
    (tmp_path / "file").write_bytes(pki().root.pem + b"-----BEGIN CERTIFICATE-----\nMAA=\n")
    with pytest.raises(UsageError, match="damaged"):
        Trust.from_files([tmp_path / "file"])


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        Trust.from_files([tmp_path / "absent"])


def test_importing_stays_cheap():
    code = (
        "import sys, verifier.signatures.authenticode, verifier.signatures.module;"
        "print({'cryptography', 'asn1crypto'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
