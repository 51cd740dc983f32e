"""ClamAV's own signature schemes, on its own databases and with keys made here."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.cases import clamav_build as make
from tests.support import compare_bytes
from verifier.errors import ParseError
from verifier.model import Verdict
from verifier.signatures import clamav, clamav_keys
from verifier.signatures.clamav_keys import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = (clamav_keys.DATABASE, clamav_keys.LISTING, clamav_keys.UPDATE)


def _signed() -> Iterator[tuple[bytes, bytes, Key]]:
    for name in make.NAMES:
        data = make.file(name)
        digest = hashlib.md5(data[512:]).digest()
        yield make.fields(data).dsig.encode(), digest, clamav_keys.DATABASE
        listing = make.members(data)[f"{make.name_of(data)}.info"]
        at = listing.index(b"DSIG:")
        digest = hashlib.sha256(listing[:at]).digest()
        yield listing[at + 5 : -1], digest, clamav_keys.LISTING
    for number in range(2, 7):
        content, _, signature = make.file(f"test-{number}.cdiff").rpartition(b":")
        yield signature, hashlib.sha256(content).digest(), clamav_keys.UPDATE


SIGNED = list(_signed())


@pytest.mark.parametrize(("signature", "digest", "key"), SIGNED)
def test_all_of_clamavs_own_signatures_hold(signature: bytes, digest: bytes, key: Key) -> None:
    verify = clamav.verify_md5 if len(digest) == 16 else clamav.verify_sha256
    assert verify(signature, digest, OWN) == key
    assert verify(signature, digest[::-1], OWN) is None
    assert verify(signature, digest, [each for each in OWN if each != key]) is None
    assert clamav.text(clamav.number(signature)) == signature


@pytest.mark.parametrize(("signature", "digest", "key"), SIGNED[:2] + SIGNED[-1:])
def test_a_number_has_one_accepted_text(signature: bytes, digest: bytes, key: Key) -> None:
    """ClamAV takes each of these for the same signature."""
    verify = clamav.verify_md5 if len(digest) == 16 else clamav.verify_sha256
    with pytest.raises(ParseError):
        verify(signature + b"a", digest, OWN)
    assert verify(clamav.text(clamav.number(signature) + key.modulus), digest, OWN) is None


@pytest.mark.parametrize("text", [b"", b"a", b"b-", b"b\n", b"b" * 700])
def test_what_is_no_number_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        clamav.number(text)


@pytest.mark.parametrize("own", OWN, ids=lambda key: key.name)
def test_a_fingerprint_is_that_of_the_key(own: Key) -> None:
    public = rsa.RSAPublicNumbers(own.exponent, own.modulus).public_key()
    spki = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert clamav_keys.fingerprint(own) == hashlib.sha256(spki).hexdigest()


def test_pss_of_another_implementation_holds() -> None:
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.public_key().public_numbers()
    key = Key("own", numbers.n, numbers.e)
    message = b"ClamAV-VDB"
    digest = hashlib.sha256(message).digest()
    for salt, holds in ((32, True), (20, False)):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        value = int.from_bytes(private.sign(message, pss, hashes.SHA256()), "big")
        assert (clamav.verify_sha256(clamav.text(value), digest, [key]) == key) is holds
    plain = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    assert clamav.verify_sha256(clamav.text(int.from_bytes(plain, "big")), digest, [key]) is None


def _certificate(private: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vendor")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), 1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def _own_database() -> tuple[bytes, bytes, rsa.RSAPrivateKey]:
    """A database that a vendor of its own key signs, and an auditor's of the same source."""
    private = rsa.generate_private_key(65537, 1024)
    numbers = private.private_numbers()
    rebuilt = make.rebuilt("test-1.cvd")
    digest = int.from_bytes(hashlib.md5(rebuilt[512:]).digest(), "big")
    value = pow(digest, numbers.d, numbers.public_numbers.n)
    fields = make.fields(rebuilt)._replace(dsig=clamav.text(value).decode())
    return make.packed(rebuilt, fields), rebuilt, private


def test_a_vendor_with_a_key_of_its_own() -> None:
    shipped, rebuilt, private = _own_database()
    certificate = _certificate(private)
    found = compare_bytes(shipped, rebuilt, certificates=(certificate,))
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    (signer,) = found.members[0].signers
    assert signer.pinned
    assert "vendor" in signer.subject
    unknown = compare_bytes(shipped, rebuilt)
    assert "signature-invalid" in {item.kind for item in unknown.differences}


def test_clamavs_key_can_be_pinned() -> None:
    pair = (
        make.file("test-1.cvd"),
        make.packed(
            make.file("test-1.cvd"), make.fields(make.file("test-1.cvd"))._replace(dsig="X")
        ),
    )
    pin = clamav_keys.fingerprint(clamav_keys.DATABASE)
    assert compare_bytes(*pair, pins=(pin,)).verdict is Verdict.EQUIVALENT
    other = compare_bytes(*pair, pins=("00" * 32,))
    assert "signature-unexpected" in {item.kind for item in other.differences}
