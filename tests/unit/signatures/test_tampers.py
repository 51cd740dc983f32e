"""Certificate tables that somebody tampered with, and hostile ones."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.x509 import DNSName, NameConstraints
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signatures import build
from tests.unit.signatures.build import attribute, entry, nested, octets, oid, pki, seq, tlv
from tests.unit.signatures.tables import DIGEST, signed, verify, with_token
from verifier import limits
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.signatures import cms, spc
from verifier.signatures.errors import SignatureError


def signed_by(*chain: build.Identity, **options) -> bytes:
    return signed(who=chain[0], certificates=chain, **options)


def with_data(**options) -> bytes:
    return signed(data=build.indirect_data(DIGEST, **options))


def with_attributes(*attributes: bytes) -> bytes:
    content = build.indirect_data(DIGEST)[2:]
    return signed(attributes=[*build.standard_attributes(spc.INDIRECT_DATA, content), *attributes])


def stamped_at(moment: str) -> bytes:
    def make(signature: bytes) -> bytes:
        return build.token(signature, info=build.tst_info(signature, moment))

    return signed(unsigned=(make,))


def stranger() -> build.Identity:
    return build.identity("Stranger")


def below_a_leaf() -> bytes:
    leaf = build.identity("Leaf", usage=None)
    return signed_by(build.identity("Below", leaf), leaf)


def too_deep() -> bytes:
    root = build.identity("Short root", ca=True, path_length=0)
    middle = build.identity("Under it", root, ca=True)
    return signed_by(build.identity("Deep", middle), middle, root)


def false_issuer() -> bytes:
    real_issuer = build.identity("Authority", ca=True)
    leaf = build.identity("Certified", real_issuer)
    build.rsa_key.cache_clear()
    build.identity.cache_clear()
    return signed_by(leaf, build.identity("Authority", ca=True))


def constrained() -> bytes:
    names = NameConstraints([DNSName("example.org")], None)
    root = build.identity("Constrained", ca=True, extra=names)
    return signed_by(build.identity("Under constraint", root), root)


def two_timestamps() -> bytes:
    bag = (pki().code, pki().time, pki().middle, pki().root)
    return signed(certificates=bag, unsigned=(build.token, build.countersignature))


def named_twice() -> bytes:
    return with_attributes(attribute(cms.CONTENT_TYPE, oid(cms.DATA)))


def all_of(*more: build.Identity) -> tuple[build.Identity, ...]:
    return (pki().code, pki().middle, pki().root, *more)


ANY = "1.3.6.1.4.1.42921.1.2.1"
TAMPERS = {
    "no entry": (lambda: b"", "table is empty"),
    "short header": (lambda: bytes(5), "does not fit"),
    "zero length": (lambda: bytes(8), "does not fit"),
    "cut short": (lambda: signed()[:-8], "does not fit"),
    "revision": (lambda: entry(build.authenticode_signature(DIGEST), revision=256), "revision"),
    "X.509 entry": (lambda: entry(build.authenticode_signature(DIGEST), kind=1), "not PKCS #7"),
    "unknown second entry": (lambda: signed() + entry(b"marker", kind=0xEF1), "not PKCS #7"),
    "bytes inside dwLength": (
        lambda: entry(build.authenticode_signature(DIGEST), tail=b"marker and more"),
        "Bytes follow",
    ),
    "eight zeros inside dwLength": (
        lambda: entry(build.authenticode_signature(DIGEST), tail=bytes(8)),
        "Bytes follow",
    ),
    "the same signature twice": (lambda: signed() * 2, "occurs twice"),
    "padding": (lambda: signed_by(padded())[:-1] + b"x", "padding"),
    "bytes after the table": (lambda: signed() + b"marker", "does not fit"),
    "zeros after the table": (lambda: signed() + bytes(8), "does not fit"),
    "other digest": (lambda: signed(image=bytes(32)), "of the image"),
    "flipped signature": (lambda: signed(signature_tamper=bytes(256)), "not made by the key"),
    "short signature": (lambda: signed(signature_tamper=bytes(255)), "not made by the key"),
    "unused certificate": (
        lambda: signed(certificates=all_of(stranger())),
        "unused certificate CN=Stranger",
    ),
    "certificate twice": (lambda: signed(certificates=all_of(pki().root)), "certificate twice"),
    "no certificates": (lambda: signed(certificates=()), "certificate is missing"),
    "no signing certificate": (lambda: signed(certificates=(pki().middle,)), "is missing"),
    "revocation lists": (lambda: signed(revoked=tlv(0xA1, seq())), "revocation lists"),
    "version": (lambda: signed(outer_version=3), "version 3"),
    "signer version": (lambda: signed(version=3), "version 3"),
    "two digest algorithms": (
        lambda: signed(digest=build.algorithm(build.SHA256)),
        "two digest algorithms",
    ),
    "named RSA": (
        lambda: signed(how=build.algorithm("1.2.840.113549.1.1.11", build.NULL)),
        "another algorithm",
    ),
    "unsigned attribute": (
        lambda: signed(unsigned=(attribute(ANY, octets(b"marker")),)),
        f"{ANY} is not one that we can check",
    ),
    "no content type": (
        lambda: signed(attributes=[attribute(cms.MESSAGE_DIGEST, octets(DIGEST))]),
        "not there with exactly one value",
    ),
    "content type": (
        lambda: signed(attributes=build.standard_attributes(cms.DATA, b"")),
        "content type is 1.2.840.113549.1.7.1",
    ),
    "message digest": (
        lambda: signed(attributes=build.standard_attributes(spc.INDIRECT_DATA, b"")),
        "not that of the content",
    ),
    "attribute twice": (named_twice, "occurs twice"),
    "attribute without value": (lambda: with_attributes(attribute("1.2.3")), "has no value"),
    "server certificate": (
        lambda: signed_by(build.identity("Server", usage="server")),
        "extended key usage of CN=Server",
    ),
    "expired at its timestamp": (
        lambda: signed_by(build.identity("Old", years=(-5, -1)), unsigned=(build.token,)),
        "CN=Old was not valid on 2024-05-01",
    ),
    "issuer that is no authority": (below_a_leaf, "not a certificate authority"),
    "path too long": (too_deep, "longer than it allows"),
    "issuer in name only": (false_issuer, "was not signed by CN=Authority"),
    "name constraints": (constrained, "unknown critical extension 2.5.29.30"),
    "flags": (lambda: with_data(flags=b"\0abc"), "unknown flags"),
    "file name": (lambda: with_data(link=tlv(0xA2, tlv(0x80, b"\0a"))), "names a file"),
    "unknown moniker": (
        lambda: with_data(link=tlv(0xA1, octets(b""), octets(b""))),
        "unknown object",
    ),
    "timestamp for another signature": (
        lambda: with_token(info=build.tst_info(b"other")),
        "for another signature",
    ),
    "timestamp by another certificate": (
        lambda: with_token(bound=pki().code),
        "another signing certificate",
    ),
    "timestamp outside of validity": (
        lambda: stamped_at("19990501120000Z"),
        "was not valid on 1999-05-01",
    ),
    "timestamp by a code signer": (
        lambda: with_token(who=pki().code),
        "extended key usage of CN=Test signer",
    ),
    "timestamp version": (lambda: with_token(version=1), "version 1"),
    "timestamp with an unused certificate": (
        lambda: with_token(certificates=(pki().time, pki().middle, pki().root, stranger())),
        "unused certificate CN=Stranger",
    ),
    "timestamp with unsigned attributes": (
        lambda: with_token(unsigned=(attribute(ANY, octets(b"marker")),)),
        "timestamp carries the unsigned attribute",
    ),
    "timestamp of other content": (
        lambda: with_token(content_type="1.2.3"),
        "does not hold a TSTInfo",
    ),
    "timestamp without a binding": (
        lambda: with_token(binding=()),
        "does not name its signing certificate",
    ),
    "timestamp with an empty binding": (
        lambda: with_token(binding=(attribute("1.2.840.113549.1.9.16.2.12", seq(seq())),)),
        "names no signing certificate",
    ),
    "attribute certificate about another": (
        lambda: with_token(others=(build.attribute_certificate(pki().code),)),
        "does not describe the certificate",
    ),
    "attribute certificate of another hash": (
        lambda: with_token(others=(build.attribute_certificate(pki().time, hashed=bytes(20)),)),
        "does not describe the certificate",
    ),
    "attribute certificate about a key": (
        lambda: with_token(others=(build.attribute_certificate(pki().time, kind=0),)),
        "does not describe the certificate",
    ),
    "attribute certificate version": (
        lambda: with_token(others=(build.attribute_certificate(pki().time, version=0),)),
        "not of version 2",
    ),
    "two attribute certificates": (
        lambda: with_token(
            others=tuple(
                build.attribute_certificate(pki().time, version=version) for version in (1, 0)
            )
        ),
        "several attribute certificates",
    ),
    "attribute certificate outside of a timestamp": (
        lambda: entry(
            build.authenticode_signature(DIGEST, more=(build.attribute_certificate(pki().code),))
        ),
        "carries an attribute certificate",
    ),
    "no signed attributes": (
        lambda: signed(attributes=()),
        "has no signed attributes",
    ),
    "false timestamp": (
        lambda: with_token(signature_tamper=bytes(256)),
        "not made by the key",
    ),
    "two timestamps": (two_timestamps, "more than one timestamp"),
    "nested signature for another image": (
        lambda: signed(unsigned=(nested(build.authenticode_signature(bytes(32))),)),
        "of the image",
    ),
}


def padded() -> build.Identity:
    """A signer whose signature is not a multiple of 8 bytes long."""
    for extra in range(8):
        who = build.identity("Padded " + "x" * extra)
        if len(build.authenticode_signature(DIGEST, who, (who,))) % 8:
            return who
    raise AssertionError


@pytest.mark.parametrize("name", TAMPERS)
def test_tampers_are_refused(name):
    make, words = TAMPERS[name]
    table = make()
    with pytest.raises((SignatureError, ParseError), match=words) as caught:
        verify(table)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(table)


def numbered(number: int) -> list[bytes]:
    content = build.indirect_data(DIGEST)[2:]
    mark = attribute("1.2.3", build.integer(number))
    return build.standard_attributes(spc.INDIRECT_DATA, content, mark)


def test_nesting_and_size_are_limited():
    with pytest.raises(LimitError, match="more than 8 signatures"):
        verify(b"".join(signed(attributes=numbered(n)) for n in range(9)))
    blob = build.authenticode_signature(DIGEST)
    for _ in range(limits.SIGNATURE_NESTING):
        blob = build.authenticode_signature(DIGEST, unsigned=(nested(blob),))
    with pytest.raises(ParseError, match="nested deeper"):
        verify(entry(blob))
    with pytest.raises(LimitError, match="too large"):
        verify(bytes(limits.SIGNATURE_BYTES + 1))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_hostile_tables_raise_our_errors_alone(data):
    table = bytearray(signed(unsigned=(build.token,)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(table) - 1))
        cut = data.draw(st.integers(0, 6))
        table[at : at + cut] = data.draw(st.binary(max_size=6))
    with contextlib.suppress(VerifierError):
        verify(bytes(table))
