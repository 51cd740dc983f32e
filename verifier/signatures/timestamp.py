"""Who vouches for the time of a signature: RFC 3161 tokens and PKCS #9 countersignatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.signatures import chain, cms, der, keys
from verifier.signatures.attribute_certificate import check_attribute_certificate
from verifier.signatures.errors import SignatureError
from verifier.signatures.fields import Fields, expect, inner, integer, time
from verifier.signatures.model import UncheckedRange

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.signatures.chain import Chain
    from verifier.signatures.cms import SignerInfo
    from verifier.signatures.der import Node
    from verifier.signatures.trust import Trust
    from verifier.signatures.x509 import Certificate

TOKEN: Final = "1.3.6.1.4.1.311.3.3.1"  # noqa: S105 - an object identifier
COUNTERSIGNATURE: Final = "1.2.840.113549.1.9.6"

_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Timestamp:
    """A verified time.

    Args:
        moment: in UTC.
        chain: of the certificate that signed it.
        certificates: that came inside the token and must all be in use.
        unchecked: bytes that no check covers, the chain's included.
    """

    moment: datetime
    chain: Chain
    certificates: tuple[Certificate, ...]
    unchecked: tuple[UncheckedRange, ...]


def verify_token(
    value: Node, signature: bytes, outer: tuple[Certificate, ...], trust: Trust
) -> Timestamp:
    """Verify an RFC 3161 token over another signature's octets.

    Args:
        value: the attribute's ContentInfo.
        signature: the octets that the token must vouch for.
        outer: certificates of the signature around it, for tokens without their own.
        trust: what the auditor named.

    Raises:
        ParseError, SignatureError: not a token, not for this signature, or not verified.
    """
    signed = cms.parse_signed_data(value, version=3)
    signer = signed.signer
    if signed.content_type != _TST_INFO or signed.content is None:
        raise _refused("A timestamp token does not hold a TSTInfo", value)
    _refuse_unsigned(signer)
    if signer.signed_node is None:
        raise _refused("A timestamp token has no signed attributes", signer.node)
    content = expect(signed.content, der.OCTET_STRING, "A timestamp's content")
    certificate = _signing_certificate(signer, (*signed.certificates, *outer))
    cms.verify_signer(
        signer, certificate, _TST_INFO, lambda name: keys.hash_of(name, content.value)
    )
    _check_bound(signer, certificate)
    moment = _tst_info(inner(content), signature)
    built = chain.build_chain(
        certificate, (*signed.certificates, *outer), trust, chain.TIME, leaf_bound=True
    )
    built.check_validity(moment, "timestamp")
    if len(signed.attribute_certificates) > 1:
        raise _refused("A timestamp carries several attribute certificates", value)
    unchecked = [*signed.unchecked, *built.unchecked, *_two_ways(signer)]
    for attribute_certificate in signed.attribute_certificates:
        unchecked += check_attribute_certificate(attribute_certificate, certificate)
    return Timestamp(moment, built, signed.certificates, tuple(unchecked))


def verify_countersignature(
    value: Node, signature: bytes, outer: tuple[Certificate, ...], trust: Trust
) -> Timestamp:
    """Verify a PKCS #9 countersignature (RFC 2985, 5.3.6) that states a signing time.

    Args and errors as of `verify_token`; its certificates are all in `outer`.
    """
    signer = cms.parse_signer(value)
    _refuse_unsigned(signer)
    certificate = _signing_certificate(signer, outer)
    moment = time(signer.signed_value(cms.SIGNING_TIME), "A signing time")
    cms.verify_signer(signer, certificate, cms.DATA, lambda name: keys.hash_of(name, signature))
    built = chain.build_chain(certificate, outer, trust, chain.TIME)
    built.check_validity(moment, "timestamp")
    return Timestamp(moment, built, (), (*built.unchecked, *_two_ways(signer)))


def _signing_certificate(signer: SignerInfo, pool: tuple[Certificate, ...]) -> Certificate:
    certificate = cms.find_certificate(signer, pool)
    if certificate is None:
        raise _refused("The certificate that signed a timestamp is missing", signer.node)
    return certificate


def _refuse_unsigned(signer: SignerInfo) -> None:
    for attribute in signer.unsigned.values():
        message = f"A timestamp carries the unsigned attribute {attribute.oid}"
        raise SignatureError(message, attribute.node.offset, "attribute")


def _tst_info(node: Node, signature: bytes) -> datetime:
    """TSTInfo (RFC 3161, 2.4.2): its time, when its imprint is that of `signature`."""
    fields = Fields(node, "A TSTInfo")
    version = integer(fields.take(der.INTEGER, "version"))
    fields.take(der.OID, "policy")
    imprint = Fields(fields.take(der.SEQUENCE, "messageImprint"), "A message imprint")
    fields.take(der.INTEGER, "serialNumber")
    moment = time(fields.take(der.GENERALIZED_TIME, "genTime"), "A timestamp")
    fields.optional(der.SEQUENCE)  # accuracy
    fields.optional(der.BOOLEAN)  # ordering
    fields.optional(der.INTEGER)  # nonce
    fields.optional(der.context(0))  # tsa
    fields.end()
    if version != 1:
        raise ParseError(f"A TSTInfo has version {version}", node.offset)
    digest = keys.digest_name(keys.algorithm(imprint.any("hashAlgorithm")))
    hashed = imprint.take(der.OCTET_STRING, "hashedMessage")
    imprint.end()
    if hashed.value != keys.hash_of(digest, signature):
        raise _refused("A timestamp is for another signature", hashed)
    return moment


def _check_bound(signer: SignerInfo, certificate: Certificate) -> None:
    """ESS signingCertificate (RFC 2634, 5.4; RFC 5035, 3): required by RFC 3161, 2.4.2."""
    found = False
    for name, digest in ((_SIGNING_CERTIFICATE, "sha1"), (_SIGNING_CERTIFICATE_V2, "sha256")):
        if name not in signer.signed:
            continue
        found = True
        fields = Fields(signer.signed_value(name), "A signing certificate attribute")
        identifiers = fields.take(der.SEQUENCE, "certs").children
        if not identifiers:
            raise _refused("A timestamp names no signing certificate", signer.node)
        identifier = Fields(identifiers[0], "A certificate identifier")
        if digest == "sha256" and identifier.peek() == der.SEQUENCE:
            digest = keys.digest_name(keys.algorithm(identifier.any("hashAlgorithm")))  # noqa: PLW2901
        hashed = identifier.take(der.OCTET_STRING, "certHash")
        if hashed.value != keys.hash_of(digest, certificate.node.raw):
            raise _refused("A timestamp names another signing certificate", hashed)
    if not found:
        raise _refused("A timestamp does not name its signing certificate", signer.node)


def _two_ways(signer: SignerInfo) -> tuple[UncheckedRange, ...]:
    """Time-stamping authorities write RSA in two ways, of which nothing fixes one."""
    if signer.scheme.kind != "rsa":
        return ()
    name = signer.signature_algorithm.node.children[0]
    return (UncheckedRange(name.end - 1, 1, "the same RSA algorithm has two accepted names"),)


def _refused(message: str, node: Node) -> SignatureError:
    return SignatureError(message, node.offset, "timestamp")
