"""Certificates and keys, cross-checked with cryptography's own X.509 parser."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from cryptography import x509 as reference
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signatures import build
from tests.unit.signatures.build import algorithm, integer, oid, seq, tlv
from verifier.errors import ParseError, VerifierError
from verifier.signatures import der, keys, names, x509
from verifier.signatures.errors import SignatureError


def _spki(key: object) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("which", ["root", "middle", "code", "time"])
def test_fields_agree_with_cryptography(which):
    made = getattr(build.pki(), which)
    ours = x509.load_certificate(made.der)
    theirs = made.certificate
    assert ours.serial == theirs.serial_number
    assert ours.not_before == theirs.not_valid_before_utc
    assert ours.not_after == theirs.not_valid_after_utc
    assert ours.subject.raw == theirs.subject.public_bytes()
    assert ours.issuer_text == theirs.issuer.rfc4514_string()
    assert ours.tbs.raw == theirs.tbs_certificate_bytes
    assert ours.signature == theirs.signature
    assert ours.fingerprint == theirs.fingerprint(hashes.SHA256()).hex()
    assert ours.extensions.is_ca == (which in ("root", "middle"))
    assert ours.self_issued == (which == "root")


def test_links():
    pki = build.pki()
    root, middle, code = (
        x509.load_certificate(each.der) for each in (pki.root, pki.middle, pki.code)
    )
    assert x509.verify_signed_by(code, middle)
    assert x509.verify_signed_by(root, root)
    assert not x509.verify_signed_by(code, root)


def test_every_byte_of_a_self_signed_certificate_is_checked():
    blob = bytearray(build.pki().root.der)
    for offset in range(len(blob)):
        for mask in (0x01, 0x80, 0xFF):
            blob[offset] ^= mask
            try:
                certificate = x509.load_certificate(bytes(blob))
                assert not x509.verify_signed_by(certificate, certificate), offset
            except VerifierError:
                pass
            blob[offset] ^= mask


@given(st.data())
@settings(max_examples=200)
def test_hostile_certificates_raise_our_errors_alone(data):
    blob = bytearray(build.pki().code.der)
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(VerifierError):
        x509.load_certificate(bytes(blob))


def test_unknown_critical_extension_is_remembered():
    extension = reference.NameConstraints([reference.DNSName("example.org")], None)
    made = build.identity("Constrained", ca=True, extra=extension)
    assert x509.load_certificate(made.der).extensions.unknown_critical == ("2.5.29.30",)


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ([("2.5.4.3", 12, b"a,b+c")], "CN=a\\,b\\+c"),
        ([("2.5.4.6", 19, b"US"), ("2.5.4.3", 12, b" x ")], "CN=\\ x\\ ,C=US"),
        ([("2.5.4.3", 12, "red\x1b[31m\u202e".encode())], "CN=red\\1B[31m\\E2\\80\\AE"),
        ([("2.5.4.3", 30, "é".encode("utf-16-be"))], "CN=é"),
        ([("2.5.4.3", 30, b"\xd8\x00")], "CN=#1e02d800"),
        ([("1.2.3.4", 4, b"\x01")], "1.2.3.4=#040101"),
        ([], ""),
    ],
)
def test_names_are_escaped(attributes, text):
    name = seq(*(tlv(0x31, seq(oid(kind), tlv(tag, value))) for kind, tag, value in attributes))
    assert names.name_text(der.parse(name)) == text


def test_malformed_and_huge_names_are_refused():
    with pytest.raises(ParseError, match="malformed"):
        names.name_text(der.parse(seq(seq())))
    with pytest.raises(ParseError, match="more than"):
        names.name_text(der.parse(seq(tlv(4, bytes(5000)))))


DIGEST = hashlib.sha256(b"message").digest()


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384"])
def test_rsa(digest):
    key = build.rsa_key("Test root")
    signature = build.sign(key, b"message", digest)
    hashed = keys.hash_of(digest, b"message")
    how = keys.Scheme("rsa", digest)
    assert keys.verify(_spki(key), how, signature, hashed)
    assert not keys.verify(_spki(key), how, signature, keys.hash_of(digest, b"other"))
    assert not keys.verify(_spki(key), how, b"\0" + signature, hashed)
    assert not keys.verify(_spki(key), how, signature[:-1], hashed)
    assert not keys.verify(_spki(key), keys.Scheme("ecdsa", digest), signature, hashed)


def test_pss():
    key = build.rsa_key("Test root")
    signature = build.sign(key, b"message", how="rsa-pss")
    assert keys.verify(_spki(key), keys.Scheme("rsa-pss", "sha256", 32), signature, DIGEST)
    assert not keys.verify(_spki(key), keys.Scheme("rsa", "sha256"), signature, DIGEST)
    short = padding.PSS(padding.MGF1(hashes.SHA256()), 20)
    other = key.sign(b"message", short, hashes.SHA256())
    assert not keys.verify(_spki(key), keys.Scheme("rsa-pss", "sha256", 32), other, DIGEST)


def test_ecdsa_signature_must_be_der():
    key = build.ec_key("Curve")
    signature = build.sign(key, b"message")
    how = keys.Scheme("ecdsa", "sha256")
    assert keys.verify(_spki(key), how, signature, DIGEST)
    assert not keys.verify(_spki(key), how, signature + b"\0", DIGEST)
    assert not keys.verify(_spki(key), keys.Scheme("rsa", "sha256"), signature, DIGEST)


PSS = "1.2.840.113549.1.1.10"
SHA256 = algorithm(build.SHA256, build.NULL)
MASK = algorithm("1.2.840.113549.1.1.8", SHA256)


@pytest.mark.parametrize(
    ("identifier", "scheme"),
    [
        (algorithm("1.2.840.113549.1.1.11", build.NULL), keys.Scheme("rsa", "sha256")),
        (algorithm("1.2.840.113549.1.1.11"), "not NULL"),
        (algorithm("1.2.840.113549.1.1.11", integer(1)), "not NULL"),
        (algorithm("1.2.840.113549.1.1.4", build.NULL), "MD5 with RSA is broken"),
        (algorithm("1.2.840.113549.1.1.1", build.NULL), "not supported"),
        (algorithm("1.2.840.10045.4.3.3"), keys.Scheme("ecdsa", "sha384")),
        (algorithm("1.2.840.10045.4.3.3", build.NULL), "no parameters"),
        (algorithm("1.2.3"), "not supported"),
        (algorithm(PSS), "SHA-1"),
        (
            algorithm(PSS, seq(tlv(0xA0, SHA256), tlv(0xA1, MASK), tlv(0xA2, integer(32)))),
            keys.Scheme("rsa-pss", "sha256", 32),
        ),
        (algorithm(PSS, seq(tlv(0xA0, SHA256), tlv(0xA1, MASK))), "salt length is missing"),
        (
            algorithm(PSS, seq(tlv(0xA0, SHA256), tlv(0xA1, MASK), tlv(0xA2, integer(20)))),
            "salt length is not",
        ),
        (
            algorithm(PSS, seq(tlv(0xA0, SHA256), tlv(0xA1, SHA256), tlv(0xA2, integer(32)))),
            "not MGF1",
        ),
    ],
)
def test_algorithms_have_one_encoding(identifier, scheme):
    read = keys.algorithm(der.parse(identifier))
    if isinstance(scheme, keys.Scheme):
        assert keys.scheme(read) == scheme
    else:
        with pytest.raises((SignatureError, ParseError), match=scheme):
            keys.scheme(read)


def test_rsa_encryption_takes_the_signers_digest():
    read = keys.algorithm(der.parse(algorithm("1.2.840.113549.1.1.1", build.NULL)))
    assert keys.scheme(read, "sha384") == keys.Scheme("rsa", "sha384")
    named = keys.algorithm(der.parse(algorithm("1.2.840.113549.1.1.11", build.NULL)))
    with pytest.raises(SignatureError, match="hashes with sha256, its signer with sha384"):
        keys.scheme(named, "sha384")


def _rsa_spki(modulus: int, exponent: int, parameters: bytes = build.NULL) -> bytes:
    inner = seq(integer(modulus), integer(exponent))
    return seq(algorithm(keys.RSA_ENCRYPTION, parameters), build.bit_string(inner))


MODULUS = build.rsa_key("Test root").public_key().public_numbers().n
CURVE = algorithm(keys.EC_PUBLIC_KEY, oid("1.2.840.10045.3.1.7"))


@pytest.mark.parametrize(
    "spki",
    [
        _rsa_spki(MODULUS, 1),
        _rsa_spki(MODULUS, 65536),
        _rsa_spki(MODULUS, -65537),
        _rsa_spki(MODULUS, 2**40 + 1),
        _rsa_spki(-MODULUS, 65537),
        _rsa_spki(MODULUS - 1, 65537),
        _rsa_spki((1 << 511) + 1, 65537),
        _rsa_spki((1 << 20000) + 1, 65537),
        _rsa_spki(MODULUS, 65537, b""),
        seq(CURVE, build.bit_string(b"\x04" + bytes(64))),
        seq(CURVE, build.bit_string(b"\x02" + bytes(32))),
        seq(CURVE, build.bit_string(b"")),
        seq(algorithm(keys.EC_PUBLIC_KEY, oid("1.2.3")), build.bit_string(b"\x04")),
        seq(algorithm("1.2.3"), build.bit_string(b"\x04")),
    ],
)
def test_weak_and_odd_keys_are_refused(spki):
    with pytest.raises(SignatureError, match="public key is refused"):
        keys.check_key(der.parse(spki))


def test_curves():
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        keys.check_key(der.parse(_spki(ec.generate_private_key(curve))))
    with pytest.raises(SignatureError, match="not supported"):
        keys.check_key(der.parse(_spki(ec.generate_private_key(ec.SECP256K1()))))
