"""The attribute certificate that Microsoft's time-stamping service puts into each of its tokens.

An audit record of its hardware module (X.509 1997 attribute certificate, CMS
choice [1] of RFC 5652, 10.2.2). It names the signing certificate, by name and
by hash. The key that signed it is published nowhere, so the rest is unchecked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.signatures import der, keys
from verifier.signatures.errors import SignatureError
from verifier.signatures.fields import Fields, bits, integer, only, time
from verifier.signatures.model import UncheckedRange, unchecked

if TYPE_CHECKING:
    from verifier.signatures.der import Node
    from verifier.signatures.x509 import Certificate

_PUBLIC_KEY_CERTIFICATE: Final = 1
_SHA1: Final = bytes.fromhex("300706052b0e03021a")
_SHA256_WITH_RSA: Final = bytes.fromhex("300d06092a864886f70d01010b0500")
_DIRECTORY_NAME: Final = der.context(4)


def check_attribute_certificate(node: Node, certificate: Certificate) -> tuple[UncheckedRange, ...]:
    """Hold an attribute certificate to its form and to the certificate that it must describe.

    Args:
        node: the [1] element of the bag.
        certificate: of the time-stamping service that signed the token.

    Returns:
        Bytes that no check covers, counted like the node's own offset.

    Raises:
        ParseError: another form.
        SignatureError: about another certificate.
    """
    outer = Fields(node, "An attribute certificate", der.context(1))
    info = Fields(outer.any("acInfo"), "An attribute certificate")
    _constant(outer.any("signatureAlgorithm"), _SHA256_WITH_RSA)
    signature = outer.any("signature")
    bits(signature, "An attribute certificate's signature")
    outer.end()

    if integer(info.take(der.INTEGER, "version")) != 1:
        raise ParseError("An attribute certificate is not of version 2", node.offset)
    holder = Fields(info.any("holder"), "A holder")
    issuer = Fields(info.take(der.context(0), "issuer"), "An issuer", der.context(0))
    _constant(info.any("signature"), _SHA256_WITH_RSA)
    serial = info.take(der.INTEGER, "serialNumber")
    validity = info.take(der.SEQUENCE, "validity")
    attributes = info.take(der.SEQUENCE, "attributes")
    info.end()

    _name(holder.take(der.context(1), "entityName"), certificate.subject)
    digest = Fields(holder.take(der.context(2), "objectDigestInfo"), "A digest", der.context(2))
    holder.end()
    _name(issuer.take(der.SEQUENCE, "issuer"), certificate.issuer)
    issuer.end()
    kind = digest.take(der.ENUMERATED, "type")
    _constant(digest.any("algorithm"), _SHA1)
    hashed = digest.any("digest")
    digest.end()
    expected = keys.hash_of("sha1", certificate.node.raw)
    if integer(kind) != _PUBLIC_KEY_CERTIFICATE or bits(hashed, "A digest") != expected:
        raise _refused(hashed)
    dates = Fields(validity, "A validity")
    for which in ("notBefore", "notAfter"):
        time(dates.take(der.GENERALIZED_TIME, which), which)
    dates.end()
    fields = (
        ("serial number", serial, 0),
        ("validity", validity, 0),
        ("attributes", attributes, 0),
        ("signature", signature, 1),
    )
    return unchecked(fields, "an attribute certificate whose issuing key is not published")


def _constant(node: Node, raw: bytes) -> None:
    if node.raw != raw:
        raise ParseError("An attribute certificate uses an unexpected algorithm", node.offset)


def _name(general_names: Node, name: Node) -> None:
    directory = only(general_names, "A general name")
    if directory.tag != _DIRECTORY_NAME or only(directory, "A name").raw != name.raw:
        raise _refused(directory)


def _refused(node: Node) -> SignatureError:
    message = "An attribute certificate does not describe the certificate of its signer"
    return SignatureError(message, node.offset, "unused")
