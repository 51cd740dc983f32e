"""SignedData of PKCS #7 1.5 and CMS (RFC 2315, RFC 5652): parsed strictly, verified per signer.

Nothing but the signed attributes and the content is authenticated by a
signature. Every other field is therefore held to one accepted value: it is a
constant, equals a field that is signed, or is returned for the caller to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import ParseError
from verifier.signatures import der, keys
from verifier.signatures.errors import SignatureError
from verifier.signatures.fields import Fields, expect, integer, oid, only
from verifier.signatures.model import UncheckedRange
from verifier.signatures.x509 import IDENTIFIER_MAX, Certificate, check_serial, parse_certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.signatures.der import Node
    from verifier.signatures.keys import Algorithm, Scheme

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
CERTIFICATES_MAX: Final = 32  # real bags hold at most 8


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attribute:
    """One attribute: its type, its values (at least one, in DER's order), and where it is."""

    node: Node
    oid: str
    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SignerInfo:
    """One SignerInfo (RFC 5652, 5.3), identified by issuer and serial, or by a key identifier.

    Args:
        digest: hashlib name of the digest algorithm.
        scheme: how `signature` was made.
        signed_node: the [0] element of the signed attributes, None without any.
        signed: signed attributes by type; types are unique.
        unsigned: unsigned attributes; types are unique. Nothing authenticates their presence.
    """

    node: Node
    version: int
    issuer: Node | None
    serial_node: Node | None
    key_identifier: bytes | None
    digest_algorithm: Algorithm
    digest: str
    signature_algorithm: Algorithm
    scheme: Scheme
    signature_node: Node
    signed_node: Node | None
    signed: dict[str, Attribute]
    unsigned: dict[str, Attribute]

    @property
    def offset(self) -> int:
        """Where it starts in its blob."""
        return self.node.offset

    @property
    def serial(self) -> int | None:
        """Serial number of the signing certificate, when identified by it."""
        return None if self.serial_node is None else integer(self.serial_node)

    @property
    def signature(self) -> bytes:
        """The signature's octets."""
        return self.signature_node.value

    def signed_value(self, name: str) -> Node:
        """The one value of a signed attribute that must be there; SignatureError otherwise."""
        attribute = self.signed.get(name)
        if attribute is None or len(attribute.values) != 1:
            message = f"The signed attribute {name} is not there with exactly one value"
            raise SignatureError(message, self.offset, "attribute")
        return attribute.values[0]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SignedData:
    """One SignedData (RFC 5652, 5.1) with exactly one signer.

    Args:
        content: what the [0] of the encapsulated content holds; None when detached.
        certificates: in the order of the bag, which DER would sort and not every signer does.
        attribute_certificates: [1] elements of the bag, for the caller to judge.
        unchecked: stands for the order of the bag where that is not DER's.
    """

    node: Node
    version: int
    content_type: str
    content: Node | None
    certificates: tuple[Certificate, ...]
    attribute_certificates: tuple[Node, ...]
    unchecked: tuple[UncheckedRange, ...]
    signer: SignerInfo


def parse_signed_data(content_info: Node, version: int | None = None) -> SignedData:
    """Read a ContentInfo that holds SignedData.

    Args:
        content_info: the outermost element.
        version: the one accepted version (PKCS #7 writes 1 where RFC 5652, 5.1 asks for 3 because
            the content is not plain data); None for the signer's own version.

    Raises:
        ParseError: not what the schema says.
        SignatureError: unsupported algorithms, CRLs, or other than one signer.
    """
    fields = Fields(content_info, "A ContentInfo")
    if oid(fields.any("contentType"), "A content type") != SIGNED_DATA:
        raise ParseError("A signature is not SignedData", content_info.offset)
    node = only(fields.take(der.context(0), "content"), "A ContentInfo's content")
    fields.end()

    fields = Fields(node, "SignedData")
    number = integer(fields.take(der.INTEGER, "version"))
    digest_algorithms = fields.take(der.SET, "digestAlgorithms")
    content_type, content = _encapsulated(fields.take(der.SEQUENCE, "encapContentInfo"))
    bag = fields.optional(der.context(0))
    revoked = fields.optional(der.context(1))
    if revoked is not None:
        message = "A signature carries revocation lists, which nothing authenticates"
        raise SignatureError(message, revoked.offset)
    signers = fields.take(der.SET, "signerInfos")
    fields.end()
    if len(signers.children) != 1:
        message = f"SignedData has {len(signers.children)} signers instead of one"
        raise SignatureError(message, signers.offset)
    signer = parse_signer(signers.children[0])

    declared = only(digest_algorithms, "digestAlgorithms")
    if declared.raw != signer.digest_algorithm.raw:
        message = "SignedData and its signer name two digest algorithms"
        raise SignatureError(message, declared.offset)
    if number != (signer.version if version is None else version):
        raise ParseError(f"SignedData has version {number}", node.offset)
    certificates, others = _certificates(bag)
    return SignedData(
        node, number, content_type, content, certificates, others, _bag_order(bag), signer
    )


def parse_signer(node: Node) -> SignerInfo:
    """Read one SignerInfo; errors as of `parse_signed_data`."""
    fields = Fields(node, "A SignerInfo")
    version = integer(fields.take(der.INTEGER, "version"))
    issuer = serial = key_identifier = None
    identifier = fields.any("signer identifier")
    if identifier.tag == der.context(0, constructed=False) and identifier.length <= IDENTIFIER_MAX:
        key_identifier = identifier.value
    else:
        pair = Fields(identifier, "A signer identifier")
        issuer = pair.take(der.SEQUENCE, "issuer")
        serial = pair.take(der.INTEGER, "serialNumber")
        check_serial(serial)
        pair.end()
    if version != (1 if key_identifier is None else 3):
        raise ParseError(f"A SignerInfo has version {version}", node.offset)
    digest_algorithm = keys.algorithm(fields.any("digestAlgorithm"))
    signed_node = fields.optional(der.context(0))
    signature_algorithm = keys.algorithm(fields.any("signatureAlgorithm"))
    signature = fields.take(der.OCTET_STRING, "signature")
    unsigned_node = fields.optional(der.context(1))
    fields.end()
    digest = keys.digest_name(digest_algorithm)
    return SignerInfo(
        node=node,
        version=version,
        issuer=issuer,
        serial_node=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest_algorithm,
        digest=digest,
        signature_algorithm=signature_algorithm,
        scheme=keys.scheme(signature_algorithm, digest),
        signature_node=signature,
        signed_node=signed_node,
        signed=_attributes(signed_node),
        unsigned=_attributes(unsigned_node),
    )


def find_certificate(signer: SignerInfo, pool: tuple[Certificate, ...]) -> Certificate | None:
    """The first certificate of `pool` that the SignerInfo identifies."""
    for certificate in pool:
        if signer.issuer is None:
            if certificate.extensions.subject_key == signer.key_identifier:
                return certificate
        elif certificate.serial == signer.serial and certificate.issuer.raw == signer.issuer.raw:
            return certificate
    return None


def verify_signer(
    signer: SignerInfo,
    certificate: Certificate,
    content_type: str,
    content_hash: Callable[[str], bytes],
) -> bytes:
    """Verify the signature over the content, through the signed attributes where there are any.

    Args:
        signer: whose signature.
        certificate: the signing certificate; its chain is the caller's to judge.
        content_type: what the signed attribute contentType must say.
        content_hash: hash of the content, by hashlib name.

    Returns:
        The content's hash by `signer.digest`.

    Raises:
        SignatureError: kind `digest` when it is for other content, `signature` when it is false.
    """
    content = content_hash(signer.digest)
    if signer.signed_node is None:
        signed = content
    else:
        named = oid(signer.signed_value(CONTENT_TYPE), "A content type")
        if named != content_type:
            message = f"The signed content type is {named} instead of {content_type}"
            raise SignatureError(message, signer.offset, "attribute")
        value = signer.signed_value(MESSAGE_DIGEST)
        if expect(value, der.OCTET_STRING, "A digest").value != content:
            message = f"The signed {signer.digest} digest is not that of the content"
            raise SignatureError(message, value.offset, "digest")
        # RFC 5652, 5.4: the hash is over the SET OF tag, not over the implicit [0].
        attributes = bytes([der.SET]) + signer.signed_node.raw[1:]
        signed = keys.hash_of(signer.digest, attributes)
    if not keys.verify(certificate.spki.raw, signer.scheme, signer.signature, signed):
        message = f"The signature was not made by the key of {certificate.subject_text}"
        if signer.signed_node is None:
            message += ", or not for this content"
        raise SignatureError(message, signer.signature_node.offset, "signature")
    return content


def _encapsulated(node: Node) -> tuple[str, Node | None]:
    fields = Fields(node, "Encapsulated content")
    content_type = oid(fields.any("contentType"), "A content type")
    content = fields.optional(der.context(0))
    fields.end()
    return content_type, None if content is None else only(content, "Encapsulated content")


def _certificates(bag: Node | None) -> tuple[tuple[Certificate, ...], tuple[Node, ...]]:
    if bag is None:
        return (), ()
    if not 1 <= len(bag.children) <= CERTIFICATES_MAX:
        message = f"SignedData holds {len(bag.children)} certificates"
        raise SignatureError(message, bag.offset)
    others = tuple(child for child in bag.children if child.tag == der.context(1))
    certificates = tuple(parse_certificate(each) for each in bag.children if each not in others)
    if len({certificate.fingerprint for certificate in certificates}) != len(certificates):
        raise SignatureError("SignedData holds a certificate twice", bag.offset, "unused")
    return certificates, others


def _bag_order(bag: Node | None) -> tuple[UncheckedRange, ...]:
    """One byte that stands for a free permutation: OpenSSL does not sort, Microsoft does."""
    try:
        der.require_sorted(bag.children if bag else ())
    except ParseError as error:
        reason = "the certificates are in another order than DER's, and any order is accepted"
        return (UncheckedRange(error.offset or 0, 1, reason),)
    return ()


def _attributes(node: Node | None) -> dict[str, Attribute]:
    if node is None:
        return {}
    if not node.children:
        raise ParseError("A set of attributes is empty instead of absent", node.offset)
    der.require_sorted(node.children)
    attributes: dict[str, Attribute] = {}
    for child in node.children:
        fields = Fields(child, "An attribute")
        name = oid(fields.any("type"), "An attribute's type")
        values = fields.take(der.SET, "values")
        fields.end()
        if not values.children:
            raise ParseError(f"The attribute {name} has no value", child.offset)
        if name in attributes:
            message = f"The attribute {name[: limits.TEXT]} occurs twice"
            raise SignatureError(message, child.offset, "attribute")
        attributes[name] = Attribute(child, name, values.children)
    return attributes
