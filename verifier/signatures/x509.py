"""The part of X.509 that a signature check needs (RFC 5280): strict, without an ASN.1 library."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from verifier.errors import ParseError
from verifier.signatures import der, keys
from verifier.signatures.fields import Fields, bits, expect, inner, integer, oid, only, time
from verifier.signatures.names import name_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from verifier.signatures.der import Node
    from verifier.signatures.keys import Algorithm

ANY_USAGE: Final = "2.5.29.37.0"
CODE_SIGNING: Final = "1.3.6.1.5.5.7.3.3"
TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
DIGITAL_SIGNATURE: Final = 0
CONTENT_COMMITMENT: Final = 1
CERTIFICATE_SIGN: Final = 5

IDENTIFIER_MAX: Final = 64  # octets of a serial number or key identifier

_KEY_IDENTIFIER: Final = "2.5.29.14"
_KEY_USAGE: Final = "2.5.29.15"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_AUTHORITY_KEY: Final = "2.5.29.35"
_EXTENDED_USAGE: Final = "2.5.29.37"
# Beside those: other names, distribution points, policies, which restrict nothing that we check.
_KNOWN: Final = (
    *(_KEY_IDENTIFIER, _KEY_USAGE, _BASIC_CONSTRAINTS, _AUTHORITY_KEY, _EXTENDED_USAGE),
    *("2.5.29.17", "2.5.29.18", "2.5.29.31", "2.5.29.32"),
    "2.16.840.1.113730.1.1",  # Netscape's forerunner of key usage, critical in Debian's authority
)

_Value = TypeVar("_Value")


class Extensions(NamedTuple):
    """The extensions that are looked at; None or empty where absent."""

    is_ca: bool = False
    path_length: int | None = None
    key_usage: frozenset[int] | None = None
    extended_usage: tuple[str, ...] | None = None
    subject_key: bytes | None = None
    authority_key: bytes | None = None
    unknown_critical: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certificate:
    """One certificate, at `node` of the blob that it came in.

    The nodes after `serial` are where chain reports point; names are compared by their DER.
    """

    node: Node
    tbs: Node
    serial_node: Node
    serial: int
    issuer: Node
    validity: Node
    not_before: datetime
    not_after: datetime
    subject: Node
    spki: Node
    algorithm: Algorithm
    tbs_algorithm: Algorithm
    signature_node: Node
    signature: bytes
    extensions_node: Node | None
    extensions: Extensions
    fingerprint: str

    @property
    def offset(self) -> int:
        """Where it starts in its blob."""
        return self.node.offset

    @property
    def subject_text(self) -> str:
        """Readable subject."""
        return name_text(self.subject)

    @property
    def issuer_text(self) -> str:
        """Readable issuer."""
        return name_text(self.issuer)

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are one name."""
        return self.subject.raw == self.issuer.raw


def parse_certificate(node: Node) -> Certificate:
    """Read a Certificate (RFC 5280, 4.1).

    Raises:
        ParseError: not what the schema says, or not DER.
        SignatureError: a key that is not supported.
    """
    outer = Fields(node, "A certificate")
    tbs = outer.take(der.SEQUENCE, "tbsCertificate")
    algorithm = keys.algorithm(outer.any("signatureAlgorithm"))
    signature_node = outer.any("signatureValue")
    signature = bits(signature_node, "A certificate's signature")
    outer.end()

    fields = Fields(tbs, "A certificate")
    version = fields.optional(der.context(0))
    serial_node = fields.take(der.INTEGER, "serialNumber")
    tbs_algorithm = keys.algorithm(fields.any("signature"))
    issuer = fields.take(der.SEQUENCE, "issuer")
    validity = fields.take(der.SEQUENCE, "validity")
    subject = fields.take(der.SEQUENCE, "subject")
    spki = fields.take(der.SEQUENCE, "subjectPublicKeyInfo")
    extensions_node = fields.optional(der.context(3))
    fields.end()

    check_serial(serial_node)
    _check_version(version, extensions_node, node)
    if algorithm.raw != tbs_algorithm.raw:
        raise ParseError("A certificate names two signature algorithms", algorithm.node.offset)
    keys.check_key(spki)
    for name in (issuer, subject):
        name_text(name)
    dates = Fields(validity, "A validity")
    not_before, not_after = (time(dates.any(which), which) for which in ("notBefore", "notAfter"))
    dates.end()
    return Certificate(
        node=node,
        tbs=tbs,
        serial_node=serial_node,
        serial=integer(serial_node),
        issuer=issuer,
        validity=validity,
        not_before=not_before,
        not_after=not_after,
        subject=subject,
        spki=spki,
        algorithm=algorithm,
        tbs_algorithm=tbs_algorithm,
        signature_node=signature_node,
        signature=signature,
        extensions_node=extensions_node,
        extensions=_extensions(extensions_node) if extensions_node else Extensions(),
        fingerprint=hashlib.sha256(node.raw).hexdigest(),
    )


def load_certificate(data: bytes) -> Certificate:
    """Read one certificate that fills `data`; errors as of `parse_certificate`."""
    return parse_certificate(der.parse(data))


def verify_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's key made the certificate's signature; names are the caller's to compare.

    Raises:
        SignatureError: the signature algorithm is unknown or broken.
    """
    how = keys.scheme(certificate.algorithm)
    digest = keys.hash_of(how.digest, certificate.tbs.raw)
    return keys.verify(issuer.spki.raw, how, certificate.signature, digest)


def check_serial(serial: Node) -> None:
    """ParseError if a serial number is longer than `IDENTIFIER_MAX` (RFC 5280 allows 20 octets)."""
    if serial.length > IDENTIFIER_MAX:
        raise ParseError("A serial number is absurdly long", serial.offset)


def _check_version(version: Node | None, extensions: Node | None, node: Node) -> None:
    # Version 1 is the DEFAULT, which DER leaves out; extensions need version 3.
    number = 0
    if version is not None:
        number = integer(expect(only(version, "A version"), der.INTEGER, "A version"))
        if number not in (1, 2):
            raise ParseError("A certificate's version is neither 2 nor 3", version.offset)
    if (extensions is not None) != (number == 2):
        raise ParseError("A certificate's version and its extensions disagree", node.offset)


def _extensions(node: Node) -> Extensions:
    sequence = expect(only(node, "Extensions"), der.SEQUENCE, "Extensions")
    values: dict[str, Node] = {}
    unknown = []
    for extension in sequence.children:
        fields = Fields(extension, "An extension")
        name = oid(fields.any("extnID"), "An extension's name")
        critical = fields.optional(der.BOOLEAN)
        value = fields.take(der.OCTET_STRING, "extnValue")
        fields.end()
        if critical is not None and critical.value == b"\0":
            raise ParseError("An extension spells out the DEFAULT FALSE", critical.offset)
        if name in values:
            raise ParseError(f"The extension {name} occurs twice", extension.offset)
        values[name] = value
        if critical is not None and name not in _KNOWN:
            unknown.append(name)

    def read(name: str, reader: Callable[[Node], _Value]) -> _Value | None:
        return reader(inner(values[name])) if name in values else None

    is_ca, path_length = read(_BASIC_CONSTRAINTS, _basic_constraints) or (False, None)
    return Extensions(
        is_ca=is_ca,
        path_length=path_length,
        key_usage=read(_KEY_USAGE, _key_usage),
        extended_usage=read(_EXTENDED_USAGE, _extended_usage),
        subject_key=read(_KEY_IDENTIFIER, _subject_key),
        authority_key=read(_AUTHORITY_KEY, _authority_key),
        unknown_critical=tuple(unknown),
    )


def _basic_constraints(node: Node) -> tuple[bool, int | None]:
    fields = Fields(node, "Basic constraints")
    is_ca = fields.optional(der.BOOLEAN)
    length = fields.optional(der.INTEGER)
    fields.end()
    if is_ca is not None and is_ca.value == b"\0":
        raise ParseError("Basic constraints spell out the DEFAULT FALSE", is_ca.offset)
    if length is not None and (is_ca is None or integer(length) < 0):
        raise ParseError("A path length is negative or not that of an authority", length.offset)
    return is_ca is not None, None if length is None else integer(length)


def _key_usage(node: Node) -> frozenset[int]:
    octets = expect(node, der.BIT_STRING, "Key usage").value[1:]
    return frozenset(
        8 * index + bit
        for index, octet in enumerate(octets)
        for bit in range(8)
        if octet & 0x80 >> bit
    )


def _extended_usage(node: Node) -> tuple[str, ...]:
    children = expect(node, der.SEQUENCE, "Extended key usage").children
    return tuple(oid(child, "An extended key usage") for child in children)


def _subject_key(node: Node) -> bytes:
    value = expect(node, der.OCTET_STRING, "A subject key identifier").value
    if len(value) > IDENTIFIER_MAX:
        raise ParseError("A subject key identifier is absurdly long", node.offset)
    return value


def _authority_key(node: Node) -> bytes | None:
    fields = Fields(node, "An authority key identifier")
    identifier = fields.optional(der.context(0, constructed=False))
    fields.optional(der.context(1))
    fields.optional(der.context(2, constructed=False))
    fields.end()
    return None if identifier is None else identifier.value
