"""The certificate table of a PE file, verified against a digest of the rebuilt image.

Specifications: PE format, "The Attribute Certificate Table"; Microsoft's
"Windows Authenticode Portable Executable Signature Format" (2008).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.signatures import chain, cms, der, keys, spc, timestamp
from verifier.signatures.errors import SignatureError
from verifier.signatures.model import SignatureReport, SignerReport, UncheckedRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.signatures.cms import SignedData, SignerInfo
    from verifier.signatures.der import Node
    from verifier.signatures.timestamp import Timestamp
    from verifier.signatures.trust import Trust
    from verifier.signatures.x509 import Certificate

NESTED_SIGNATURE: Final = "1.3.6.1.4.1.311.2.4.1"
_HEADER: Final = 8  # WIN_CERTIFICATE: dwLength, wRevision, wCertificateType
_REVISION: Final = 0x0200
_PKCS_SIGNED_DATA: Final = 0x0002


@dataclass(slots=True)
class _Findings:
    """What one table yields, while it is read."""

    digest: Callable[[str], bytes]
    trust: Trust
    seen: set[bytes] = field(default_factory=set)
    signers: list[SignerReport] = field(default_factory=list)
    unchecked: list[UncheckedRange] = field(default_factory=list)


def verify_certificate_table(
    table: bytes, digest: Callable[[str], bytes], trust: Trust
) -> SignatureReport:
    """Verify every signature of a PE certificate table, and that it holds nothing else.

    Args:
        table: the bytes that the security directory entry covers.
        digest: Authenticode hash of the image that the signature must be for, by hashlib name
            (`sha1`, `sha256`, `sha384`, `sha512`).
        trust: what the auditor named. A chain that ends elsewhere is not refused: its signer is
            reported with `pinned` false, and what nothing authenticates as unchecked.

    Returns:
        All signers, each verified; offsets of unchecked ranges count from the start of `table`.

    Raises:
        SignatureError: a signature, chain, timestamp or attribute is refused, or is for another
            image (kind `digest`).
        ParseError: the table or what it holds is malformed.
        LimitError: too large, or too many signatures.
    """
    if len(table) > limits.SIGNATURE_BYTES:
        raise LimitError(f"A certificate table of {len(table)} bytes is too large.")
    findings = _Findings(digest, trust)
    offset = 0
    while offset < len(table):
        offset = _entry(table, offset, findings)
    if not findings.signers:
        raise SignatureError("The certificate table is empty", 0)
    unchecked = sorted(findings.unchecked, key=lambda each: (each.offset, each.length))
    return SignatureReport(tuple(findings.signers), tuple(unchecked))


def _entry(table: bytes, offset: int, findings: _Findings) -> int:
    """Verify one WIN_CERTIFICATE; where the next one begins."""
    header = table[offset : offset + _HEADER]
    length = int.from_bytes(header[:4], "little")
    if len(header) < _HEADER or length <= _HEADER or offset + length > len(table):
        raise ParseError("A WIN_CERTIFICATE does not fit into the certificate table", offset)
    if int.from_bytes(header[4:6], "little") != _REVISION:
        raise ParseError("A WIN_CERTIFICATE is not of revision 2.0", offset + 4)
    if int.from_bytes(header[6:8], "little") != _PKCS_SIGNED_DATA:
        raise SignatureError("A WIN_CERTIFICATE is not PKCS #7 signed data", offset + 6)
    start = offset + _HEADER
    end = der.element_end(table, start, offset + length)
    exact = end - offset
    rounded = exact + -exact % 8
    if length not in (exact, rounded):
        message = "Bytes follow the PKCS #7 data inside of its WIN_CERTIFICATE"
        raise SignatureError(message, end)
    if offset + rounded > len(table):
        raise ParseError("The certificate table does not end on a multiple of 8", offset)
    if any(table[end : offset + rounded]):
        raise SignatureError("The padding of a WIN_CERTIFICATE is not zero", end)
    findings.unchecked += _length_choice(offset, exact, rounded)
    _signature(der.parse(table, start, end), findings, 0)
    return offset + rounded


def _length_choice(offset: int, exact: int, rounded: int) -> list[UncheckedRange]:
    """The bytes of dwLength that differ between the two lengths that signers write."""
    pairs = zip(exact.to_bytes(4, "little"), rounded.to_bytes(4, "little"), strict=True)
    reason = "dwLength may or may not count the zero padding"
    return [
        UncheckedRange(offset + index, 1, reason)
        for index, (one, other) in enumerate(pairs)
        if one != other
    ]


def _signature(content_info: Node, findings: _Findings, depth: int) -> None:
    """Verify one signature and those nested in it."""
    if max(depth, len(findings.signers)) >= limits.SIGNATURE_NESTING:
        raise LimitError(f"A file carries more than {limits.SIGNATURE_NESTING} signatures.")
    if content_info.raw in findings.seen:
        raise SignatureError("A signature occurs twice", content_info.offset)
    findings.seen.add(content_info.raw)
    signed = cms.parse_signed_data(content_info, version=1)
    signer = signed.signer
    if signer.scheme.kind == "rsa" and signer.signature_algorithm.oid != keys.RSA_ENCRYPTION:
        message = "An Authenticode signer names its RSA key by another algorithm"
        raise SignatureError(message, signer.signature_algorithm.node.offset)
    if signed.attribute_certificates:
        message = "An Authenticode signature carries an attribute certificate"
        raise SignatureError(message, signed.attribute_certificates[0].offset, "unused")
    if signer.signed_node is None:
        message = "An Authenticode signature has no signed attributes"
        raise SignatureError(message, signer.offset, "attribute")
    certificate = cms.find_certificate(signer, signed.certificates)
    if certificate is None:
        message = "The signing certificate is missing from the signature"
        raise SignatureError(message, signer.offset, "chain")
    image = _verify_image(signed, certificate, findings.digest)
    built = chain.build_chain(certificate, signed.certificates, findings.trust, chain.CODE)
    stamp = _timestamp(signed, findings.trust)
    if stamp is not None:
        built.check_validity(stamp.moment, "chain")
    _check_all_used(
        (*signed.certificates, *(stamp.certificates if stamp else ())),
        (*built.certificates, *(stamp.chain.certificates if stamp else ())),
    )
    findings.unchecked += {
        *signed.unchecked,
        *built.unchecked,
        *(stamp.unchecked if stamp else ()),
    }
    findings.signers.append(
        SignerReport(
            subject=certificate.subject_text,
            issuer=certificate.issuer_text,
            serial=f"{certificate.serial:x}",
            key_identifier=(certificate.extensions.subject_key or b"").hex(),
            fingerprint=certificate.fingerprint,
            digest_algorithm=signer.digest,
            digest=image.hex(),
            chain=built.links,
            not_before=certificate.not_before.isoformat(),
            not_after=certificate.not_after.isoformat(),
            timestamp=stamp.moment.isoformat() if stamp else None,
            timestamp_signer=stamp.chain.certificates[0].subject_text if stamp else None,
            timestamp_chain=stamp.chain.links if stamp else (),
            timestamp_pinned=stamp is not None and stamp.chain.pinned,
            pinned=built.pinned,
            verified=True,
            nested=depth > 0,
        )
    )
    nested = signer.unsigned.get(NESTED_SIGNATURE)
    for value in nested.values if nested else ():
        _signature(value, findings, depth + 1)


def _verify_image(
    signed: SignedData, certificate: Certificate, digest: Callable[[str], bytes]
) -> bytes:
    """Verify the signature over SpcIndirectDataContent, and its digest; that digest."""
    signer = signed.signer
    if signed.content_type != spc.INDIRECT_DATA or signed.content is None:
        message = "A signature does not hold SpcIndirectDataContent"
        raise SignatureError(message, signed.node.offset)
    content = signed.content
    cms.verify_signer(
        signer, certificate, spc.INDIRECT_DATA, lambda name: keys.hash_of(name, content.value)
    )
    image = spc.parse_indirect_data(content)
    if image.digest_algorithm.raw != signer.digest_algorithm.raw:
        message = "The image and the signature are hashed with two algorithms"
        raise SignatureError(message, image.digest_algorithm.node.offset)
    if image.digest.value != digest(signer.digest):
        message = f"The signed {signer.digest} digest is not that of the image"
        raise SignatureError(message, image.digest.offset, "digest")
    return image.digest.value


def _timestamp(signed: SignedData, trust: Trust) -> Timestamp | None:
    """The verified timestamp, if there is one; other unsigned attributes are refused."""
    signer: SignerInfo = signed.signer
    stamps: list[Timestamp] = []
    for attribute in signer.unsigned.values():
        if attribute.oid == NESTED_SIGNATURE:
            continue
        verify = {
            timestamp.TOKEN: timestamp.verify_token,
            timestamp.COUNTERSIGNATURE: timestamp.verify_countersignature,
        }.get(attribute.oid)
        if verify is None:
            message = f"The unsigned attribute {attribute.oid} is not one that we can check"
            raise SignatureError(message, attribute.node.offset, "attribute")
        if len(attribute.values) != 1 or stamps:
            message = "A signature has more than one timestamp"
            raise SignatureError(message, attribute.node.offset, "timestamp")
        stamps.append(verify(attribute.values[0], signer.signature, signed.certificates, trust))
    return stamps[0] if stamps else None


def _check_all_used(carried: tuple[Certificate, ...], used: tuple[Certificate, ...]) -> None:
    for certificate in carried:
        if certificate not in used:
            message = f"The unused certificate {certificate.subject_text} is in no chain"
            raise SignatureError(message, certificate.offset, "unused")
