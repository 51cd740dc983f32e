"""Detached PKCS #7 signatures over a whole file (RFC 5652, 5.2), as in ClamAV's `.sign`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import LimitError
from verifier.signatures import chain, cms, der, keys
from verifier.signatures.errors import SignatureError
from verifier.signatures.model import SignatureReport, SignerReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from verifier.signatures.cms import SignedData
    from verifier.signatures.trust import Trust
    from verifier.signatures.x509 import Certificate

EMAIL: Final = "1.3.6.1.5.5.7.3.4"  # what OpenSSL asks of a PKCS #7 signer unless told otherwise


def verify_detached(
    blob: bytes, digest: Callable[[str], bytes], trust: Trust, moment: datetime | None = None
) -> SignatureReport:
    """Verify a detached signature by one signer.

    Args:
        blob: its DER.
        digest: hash of the signed file, by hashlib name.
        trust: known issuers and signers.
        moment: when every certificate of the chain must have been valid; None does not ask.

    Raises:
        SignatureError: it does not hold, or carries what nothing authenticates.
        ParseError: it is malformed.
        LimitError: it is too large.
    """
    if len(blob) > limits.SIGNATURE_BYTES:
        raise LimitError(f"A signature of {len(blob)} bytes is too large.")
    signed = cms.parse_signed_data(der.parse(blob))
    certificate = _signer(signed, trust)
    content = cms.verify_signer(signed.signer, certificate, cms.DATA, digest)
    usages = (*chain.CODE, EMAIL)
    built = chain.build_chain(certificate, signed.certificates, trust, usages)
    if moment is not None:
        built.check_validity(moment, "chain")
    for each in signed.certificates:
        if each not in built.certificates:
            message = f"The unused certificate {each.subject_text} is in no chain"
            raise SignatureError(message, each.offset, "unused")
    report = SignerReport(
        subject=certificate.subject_text,
        issuer=certificate.issuer_text,
        serial=f"{certificate.serial:x}",
        key_identifier=(certificate.extensions.subject_key or b"").hex(),
        fingerprint=certificate.fingerprint,
        digest_algorithm=signed.signer.digest,
        digest=content.hex(),
        chain=built.links,
        not_before=certificate.not_before.isoformat(),
        not_after=certificate.not_after.isoformat(),
        timestamp=None,
        timestamp_signer=None,
        timestamp_chain=(),
        timestamp_pinned=False,
        pinned=built.pinned,
        verified=True,
        nested=False,
    )
    carried = certificate in signed.certificates
    unchecked = {*signed.unchecked, *(built.unchecked if carried else ())}
    return SignatureReport((report,), tuple(sorted(unchecked)))


def _signer(signed: SignedData, trust: Trust) -> Certificate:
    """The certificate that the one signer names; SignatureError for what nobody could check."""
    signer = signed.signer
    if signed.content_type != cms.DATA or signed.content is not None:
        raise SignatureError("The signature is not detached data", signed.node.offset)
    if signed.attribute_certificates or signer.unsigned:
        raise SignatureError("The signature carries what nothing authenticates", signer.offset)
    if signer.scheme.kind == "rsa" and signer.signature_algorithm.oid != keys.RSA_ENCRYPTION:
        offset = signer.signature_algorithm.node.offset
        raise SignatureError("The signer names its RSA key by another algorithm", offset)
    certificate = cms.find_certificate(signer, signed.certificates)
    if certificate is None:
        certificate = cms.find_certificate(signer, trust.certificates)
    if certificate is None:
        raise SignatureError("The signing certificate is not at hand", signer.offset, "chain")
    return certificate
