"""The signature that the Linux kernel appends to its modules.

`struct module_signature` of include/linux/module_signature.h: twelve bytes, of
which Debian's 4,023 modules all leave everything zero but the type and the
length; before it detached CMS without certificates or attributes, after it a
magic line (scripts/sign-file.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import ParseError
from verifier.signatures import cms, der, keys
from verifier.signatures.errors import SignatureError
from verifier.signatures.model import ChainLink, SignatureReport, SignerReport, UncheckedRange
from verifier.signatures.names import name_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.signatures.cms import SignerInfo
    from verifier.signatures.trust import Trust
    from verifier.signatures.x509 import Certificate

MAGIC: Final = b"~Module signature appended~\n"
_STRUCT: Final = 12
_PKCS7: Final = 2


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModuleTrailer:
    """A parsed trailer.

    Args:
        content_length: bytes before the trailer, which the signature is over.
        offset: where the trailer starts in the file, equal to `content_length`.
        length: bytes of the trailer: CMS, struct and magic line.
        signer: the one SignerInfo; its nodes count from the start of the CMS, at `offset`.
    """

    content_length: int
    offset: int
    length: int
    signer: SignerInfo


def parse_module_trailer(data: bytes | memoryview) -> ModuleTrailer | None:
    """Read the trailer of a kernel module; None if `data` does not end in the magic line.

    Raises:
        ParseError: the trailer is malformed, says anything unusual, or is not the only one.
        SignatureError: certificates, attributes, or an algorithm that is not supported.
    """
    view = memoryview(data)
    size = len(view)
    if bytes(view[-len(MAGIC) :]) != MAGIC:
        return None
    struct = size - len(MAGIC) - _STRUCT
    if struct < 0:
        raise ParseError("A module signature is cut short", 0)
    fields = bytes(view[struct : struct + _STRUCT])
    length = int.from_bytes(fields[8:], "big")
    if fields[:8] != bytes((0, 0, _PKCS7, 0, 0, 0, 0, 0)):
        raise ParseError("A module signature's struct is not zero beside its type", struct)
    start = struct - length
    if not 0 < length <= limits.SIGNATURE_BYTES or start < 0:
        raise ParseError("A module signature's length does not fit into the file", struct + 8)
    if bytes(view[max(0, start - len(MAGIC)) : start]) == MAGIC:
        raise ParseError("A module carries a second signature below the first", start)
    try:
        signer = _parse(bytes(view[start:struct]))
    except ParseError as error:
        raise ParseError(*_moved(error, start)) from error
    except SignatureError as error:
        raise SignatureError(*_moved(error, start), error.kind_hint) from error
    return ModuleTrailer(start, start, size - start, signer)


def verify_module_signature(
    trailer: ModuleTrailer, digest: Callable[[str], bytes], trust: Trust
) -> SignatureReport:
    """Verify a module's signature with the certificate that the auditor trusts for it.

    Args:
        trailer: from `parse_module_trailer`.
        digest: hash of the content that the signature must be for, by hashlib name.
        trust: holds the signing certificate, found by issuer and serial or by key identifier.

    Returns:
        One signer. Without a certificate `verified` is false, and what it would have fixed is
        unchecked; offsets count from the start of the file.

    Raises:
        SignatureError: the certificate is at hand and the signature is not its key's.
    """
    signer = trailer.signer
    certificate = (
        trust.key_identifier(signer.key_identifier or b"")
        if signer.issuer is None or signer.serial is None
        else trust.signer(signer.issuer.raw, signer.serial)
    )
    if certificate is None:
        report = _report(signer, digest(signer.digest), None)
        return SignatureReport((report,), _unchecked(trailer))
    try:
        content = cms.verify_signer(signer, certificate, cms.DATA, digest)
    except SignatureError as error:
        raise SignatureError(*_moved(error, trailer.offset), error.kind_hint) from error
    return SignatureReport((_report(signer, content, certificate),), ())


def _moved(error: ParseError | SignatureError, start: int) -> tuple[str, int]:
    """Message and offset of an error in the CMS, counted from the start of the file."""
    offset = error.offset or 0
    return str(error).removesuffix(f" (at offset {offset:#x})"), start + offset


def _parse(blob: bytes) -> SignerInfo:
    signed = cms.parse_signed_data(der.parse(blob))
    signer = signed.signer
    if signed.content_type != cms.DATA or signed.content is not None:
        raise SignatureError("A module signature is not detached data", 0)
    if signed.certificates or signed.attribute_certificates:
        raise SignatureError("A module signature carries certificates", 0, "unused")
    if signer.signed_node is not None or signer.unsigned:
        raise SignatureError("A module signature carries attributes", signer.offset, "attribute")
    if signer.digest_algorithm.parameters is not None:
        offset = signer.digest_algorithm.node.offset
        raise SignatureError("A module's digest algorithm has parameters", offset)
    if signer.scheme.kind == "rsa" and signer.signature_algorithm.oid != keys.RSA_ENCRYPTION:
        offset = signer.signature_algorithm.node.offset
        raise SignatureError("A module signer names its RSA key by another algorithm", offset)
    if signer.issuer is not None:
        name_text(signer.issuer)
    return signer


def _unchecked(trailer: ModuleTrailer) -> tuple[UncheckedRange, ...]:
    signer = trailer.signer
    digest = signer.digest_algorithm.node.children[0]
    ranges = [
        (digest.end - 1, 1, "which hash of the SHA-2 family"),
        (signer.signature_node.start, signer.signature_node.length, "signature value"),
    ]
    if signer.issuer is not None and signer.serial_node is not None:
        ranges.append((signer.issuer.start, signer.issuer.length, "name of the signer's issuer"))
        serial = signer.serial_node
        ranges.append((serial.start, serial.length, "serial number of the signer"))
    else:
        identifier = signer.node.children[1]
        ranges.append((identifier.start, identifier.length, "key identifier of the signer"))
    reason = "; the signer's certificate is not at hand"
    return tuple(
        UncheckedRange(trailer.offset + start, length, what + reason)
        for start, length, what in sorted(ranges)
    )


def _report(signer: SignerInfo, digest: bytes, certificate: Certificate | None) -> SignerReport:
    links: tuple[ChainLink, ...] = ()
    key_identifier = signer.key_identifier or b""
    if certificate is not None:
        links = (ChainLink(certificate.subject_text, certificate.fingerprint),)
        key_identifier = certificate.extensions.subject_key or key_identifier
    return SignerReport(
        subject=certificate.subject_text if certificate else "",
        issuer=name_text(signer.issuer) if signer.issuer else "",
        serial="" if signer.serial is None else f"{signer.serial:x}",
        key_identifier=key_identifier.hex(),
        fingerprint=certificate.fingerprint if certificate else "",
        digest_algorithm=signer.digest,
        digest=digest.hex(),
        chain=links,
        not_before=certificate.not_before.isoformat() if certificate else None,
        not_after=certificate.not_after.isoformat() if certificate else None,
        timestamp=None,
        timestamp_signer=None,
        timestamp_chain=(),
        timestamp_pinned=False,
        pinned=certificate is not None,
        verified=certificate is not None,
        nested=False,
    )
