"""Keys of every form sign and verify; what is weak, odd or of another kind does not."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import SSlibKey

from tests.unit.attest import material
from verifier.attest import dsse, keyless, keys, signing
from verifier.attest.refusal import NotAttestedError
from verifier.errors import ToolError, UsageError

KINDS = ("ed25519", "p256", "p384", "rsa")
MESSAGE = b"DSSEv1 1 a 1 b"


def _load(folder: Path, data: bytes, name: str = "key.pub") -> tuple[keys.PublicKey, ...]:
    path = folder / name
    path.write_bytes(data)
    return keys.load(path)


def _signs(signer: signing.Signer, key: keys.PublicKey) -> bool:
    made = signer.sign(b"{}")
    return key.verifies(made.signatures[0], dsse.pae(made.payload_type, made.payload))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [material.PKCS8, material.OPENSSH])
def test_files_sign_and_verify(tmp_path: Path, kind: str, form: Any) -> None:
    signer = signing.load(str(material.key_file(tmp_path, kind, form=form)))
    (key,) = _load(tmp_path, material.public_pem(kind))
    ssh = material.private(kind).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (same,) = _load(tmp_path, ssh + b" alice@example\n", "key-ssh.pub")
    assert _signs(signer, key)
    assert _signs(signer, same)
    assert key.digest == same.digest
    assert not _signs(signer, material.trusted(kind, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_in_toto_metadata(tmp_path: Path, kind: str) -> None:
    known = SSlibKey.from_crypto(material.private(kind).public_key())
    (key,) = _load(tmp_path, json.dumps(known.to_dict()).encode())
    assert key.digest == material.trusted(kind).digest
    assert [form.scheme for form in key.forms] == [known.scheme]


@pytest.mark.parametrize("kind", KINDS)
def test_the_scheme_follows_from_the_key_alone(tmp_path: Path, kind: str) -> None:
    """Algorithm confusion: JSON that declares another type or scheme than its key's."""
    data = SSlibKey.from_crypto(material.private(kind).public_key()).to_dict()
    for keytype, scheme in [
        ("ecdsa", "ecdsa-sha2-nistp521"),
        ("rsa", "rsassa-pss-sha224"),
        ("ed25519", "rsa-pkcs1v15-sha256"),
        ("hmac", "hmac-sha256"),
        ("rsa", "none"),
        ([], {}),
    ]:
        with pytest.raises(UsageError, match="no public key that is known"):
            _load(tmp_path, json.dumps({**data, "keytype": keytype, "scheme": scheme}).encode())


def test_a_public_key_is_no_shared_secret(tmp_path: Path) -> None:
    public = material.public_pem("rsa")
    forged = hmac.new(public, MESSAGE, hashlib.sha256).digest()
    assert not material.trusted("rsa").verifies(dsse.Signature("", forged), MESSAGE)


def test_ecdsa_in_both_spellings_and_no_third(tmp_path: Path) -> None:
    der = material.private("p256").sign(MESSAGE, ec.ECDSA(SHA256()))
    r, s = utils.decode_dss_signature(der)
    bare = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    key = material.trusted("p256")
    assert key.verifies(dsse.Signature("", der), MESSAGE)
    assert key.verifies(dsse.Signature("", bare), MESSAGE)
    for odd in (bare[::-1], bare + b"\0", der + b"\0", b"", bytes(64)):
        assert not key.verifies(dsse.Signature("", odd), MESSAGE)


def test_weak_and_foreign_keys_are_refused(tmp_path: Path) -> None:
    spki = material.SPKI
    odd = [
        rsa.generate_private_key(65537, 1024).public_key().public_bytes(*spki),
        dsa.generate_private_key(2048).public_key().public_bytes(*spki),
        ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(*spki),
        material.private("ed25519").private_bytes(*material.PKCS8),
        b"ssh-ed25519 AAAA",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"{}",
        b"",
    ]
    for data in odd:
        with pytest.raises(UsageError, match="no public key that is known"):
            _load(tmp_path, data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no key"):
        keys.load(tmp_path / "empty")


def test_an_encrypted_key_needs_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = BestAvailableEncryption(b"secret")
    for form in (PrivateFormat.PKCS8,):
        path = tmp_path / "closed.key"
        path.write_bytes(material.private("p256").private_bytes(Encoding.PEM, form, closed))
        monkeypatch.delenv("VERIFIER_KEY_PASSWORD", raising=False)
        with pytest.raises(UsageError, match="VERIFIER_KEY_PASSWORD"):
            signing.load(str(path))
        monkeypatch.setenv("VERIFIER_KEY_PASSWORD", "wrong")
        with pytest.raises(UsageError, match="password"):
            signing.load(str(path))
        monkeypatch.setenv("VERIFIER_KEY_PASSWORD", "secret")
        assert _signs(signing.load(str(path)), material.trusted("p256"))


def test_what_is_no_private_key_cannot_sign(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    for data in (b"", b"text", material.public_pem()):
        path.write_bytes(data)
        with pytest.raises(UsageError):
            signing.load(str(path))
    with pytest.raises(UsageError):
        signing.load(str(tmp_path / "missing"))


@pytest.fixture
def gnupg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own GnuPG home, under a short path: agents listen on sockets of 108 characters at most."""
    home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))
    monkeypatch.setenv("GNUPGHOME", str(home))
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    shutil.rmtree(home, ignore_errors=True)


def _gpg(home: Path, *arguments: str) -> bytes:
    base = ["gpg", "--batch", "--homedir", str(home), "--passphrase", "", "--pinentry-mode"]
    command = [*base, "loopback", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
def test_gnupg_signs_and_verifies(gnupg: Path, tmp_path: Path, algorithm: str) -> None:
    _gpg(gnupg, "--quick-generate-key", "alice@example.org", algorithm, "sign", "never")
    listed = _gpg(gnupg, "--with-colons", "--list-keys").decode()
    fingerprint = next(line for line in listed.split("\n") if line.startswith("fpr")).split(":")[9]
    signer = signing.load(f"gpg:{fingerprint}")
    for export in (["--export"], ["--armor", "--export"]):
        (key,) = _load(tmp_path, _gpg(gnupg, *export, fingerprint), "alice.gpg")
        assert _signs(signer, key)
        made = signer.sign(b"{}").signatures[0]
        assert not key.verifies(made, MESSAGE)
        assert not key.verifies(made._replace(headers=""), dsse.pae(dsse.IN_TOTO, b"{}"))
        assert not key.verifies(made._replace(headers="zz"), dsse.pae(dsse.IN_TOTO, b"{}"))
    with pytest.raises(UsageError, match="no key"):
        signing.load("gpg:" + "0" * 40)


def test_a_revoked_gnupg_key_is_refused(gnupg: Path, tmp_path: Path) -> None:
    _gpg(gnupg, "--quick-generate-key", "bob@example.org", "ed25519", "sign", "never")
    (revocation,) = (gnupg / "openpgp-revocs.d").glob("*.rev")
    text = revocation.read_text("utf-8").replace(":-----BEGIN", "-----BEGIN")
    revocation.write_text(text, "utf-8")
    _gpg(gnupg, "--import", str(revocation))
    with pytest.raises(UsageError, match="revoked"):
        _load(tmp_path, _gpg(gnupg, "--armor", "--export", "bob@example.org"), "bob.asc")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token of softhsm2 with one key, number 2; the path of its public key."""
    (tmp_path / "tokens").mkdir()
    settings = tmp_path / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tmp_path}/tokens\n", "utf-8")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    key = material.key_file(tmp_path, "p256")
    pins = ["--so-pin", "5678", "--pin", "1234"]
    for command in (
        ["--init-token", "--free", "--label", "audit", *pins],
        ["--import", str(key), "--token", "audit", "--label", "key", "--id", "02", "--pin", "1234"],
    ):
        subprocess.run(["softhsm2-util", *command], check=True, capture_output=True)
    public = tmp_path / "token.pub"
    public.write_bytes(material.public_pem("p256"))
    return public


TOKEN = """
from verifier.attest import dsse, keys, signing
from pathlib import Path
import sys
key = keys.load(Path(sys.argv[1]))[0]
made = signing.load("pkcs11:2?label=audit").sign(b"{}")
print(key.verifies(made.signatures[0], dsse.pae(made.payload_type, made.payload)))
"""


def _on_token(public: Path, pin: str) -> subprocess.CompletedProcess[str]:
    library = "/usr/lib/softhsm/libsofthsm2.so"
    around = {**os.environ, "PYKCS11LIB": library, "VERIFIER_PIN": pin}
    command = [sys.executable, "-c", TOKEN, str(public)]  # its library reads its settings once
    return subprocess.run(command, env=around, check=False, capture_output=True, text=True)


def test_a_key_on_a_token_signs(token: Path) -> None:
    done = _on_token(token, "1234")
    assert done.stdout == "True\n", done.stderr
    wrong = _on_token(token, "4321")
    assert "ToolError" in wrong.stderr


def test_a_token_needs_its_pin_and_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERIFIER_PIN", raising=False)
    with pytest.raises(UsageError, match="VERIFIER_PIN"):
        signing.load("pkcs11:2")
    with pytest.raises(UsageError, match="names no key"):
        signing.load("pkcs11:two")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sigstore", "sigstore.models", "sigstore.dsse"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ToolError, match=r"install verifier with \[sigstore\]"):
        keyless.sign(b"{}")
    with pytest.raises(ToolError, match=r"install verifier with \[sigstore\]"):
        keyless.verify(b"{}", "it", "a", "b")
    around = {**os.environ, "PYKCS11LIB": "/none", "VERIFIER_PIN": "1"}
    code = "import sys; sys.modules['pkcs11'] = None\n"
    code += "from verifier.attest import signing\nsigning.load('pkcs11:2')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=around, check=False, capture_output=True, text=True)
    assert "install verifier with [pkcs11]" in done.stderr
    code = "from verifier.attest import signing\nsigning.load('pkcs11:2')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=around, check=False, capture_output=True, text=True)
    assert "token cannot be used" in done.stderr


def test_sigstore_without_a_network_fails_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens: as good as no network
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", "none")
    with pytest.raises(ToolError, match="needs the network"):
        keyless.sign(b"{}")
    with pytest.raises(NotAttestedError, match="not signed by"):
        keyless.verify(b"{}", "it", "alice@example.org", "https://accounts.example.org")
