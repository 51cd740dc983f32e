"""The certificate table of a PE image: does the signature hold, and for which bytes?"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Context, Question, Refused
from verifier.checks.expected import unexpected
from verifier.errors import VerifierError
from verifier.model import Range, Signer
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image
    from verifier.signatures.model import SignatureReport, SignerReport
    from verifier.signatures.trust import Trust


def authenticode(question: Question) -> Answer:
    """Every signature of the shipped table verifies over the shipped image.

    Where the rebuilt image has the same hash that proves the rebuilt bytes; where
    it has another, the covered bytes that differ are patches or differences of
    their own, and the evidence says so. The hash is the flat file's without
    CheckSum, security entry and table, filled with zeros to a multiple of eight,
    which is the specified one where sections follow each other without gaps.
    """
    if question.span is None:
        return Refused("The rebuilt file is signed, the shipped one is not.", "signature-missing")
    fault = _fault(question)
    if fault:
        return Refused(fault, "signature-invalid")
    trust = _trust(question.context)
    hashes = _hashes(question.shipped)
    try:
        report = _verify(question.value, hashes, trust)
        if question.rebuilt_span is not None:
            _verify(question.rebuilt_value, _hashes(question.rebuilt), trust)
    except VerifierError as error:
        return Refused(_reason(question, error, trust), "signature-invalid")
    if not report.verified:
        return Refused("A signer of the table is not verified.", "signature-invalid")
    signers = tuple(_signer(each) for each in report.signers)
    stranger = unexpected(question.context, signers)
    if stranger:
        return stranger
    rebuilt = _hashes(question.rebuilt)
    same = all(rebuilt(signer.digest_algorithm).hex() == signer.digest for signer in report.signers)
    covered = "the rebuilt image" if same else "the shipped image (other patches change its hash)"
    names = ", ".join(signer.subject for signer in report.signers)
    return Accepted(
        f"{len(report.signers)} signature(s) verify over {covered}; signed by {names}",
        tuple(Range(each.offset, each.length, each.reason) for each in report.unchecked),
        signers=signers,
    )


def image_hash(side: Side, algorithm: str) -> bytes:
    """The Authenticode hash of an image, by hashlib name of the algorithm."""
    image: Image = side.layout.info
    total = hashlib.new(algorithm)
    start, security = image.checksum_at + 4, image.security_at
    total.update(side.data[: image.checksum_at])
    if security is not None:
        total.update(side.data[start:security])
        start = security + 8
    total.update(side.data[start : image.content_end])
    total.update(bytes(-image.content_end % 8))
    return total.digest()


def _hashes(side: Side) -> Callable[[str], bytes]:
    cache: dict[str, bytes] = side.layout.info.cache.setdefault("hashes", {})

    def digest(algorithm: str) -> bytes:
        if algorithm not in cache:
            cache[algorithm] = image_hash(side, algorithm)
        return cache[algorithm]

    return digest


def _verify(table: bytes, digest: Callable[[str], bytes], trust: Trust) -> SignatureReport:
    from verifier.signatures.authenticode import (  # noqa: PLC0415 - loads the arithmetic
        verify_certificate_table,
    )

    return verify_certificate_table(table, digest, trust)


def _fault(question: Question) -> str:
    """Why no flat hash can speak for the image; empty where one can."""
    image: Image = question.shipped.layout.info
    if image.certificates and image.certificates.end != len(question.shipped.data):
        return "Bytes follow the certificate table, which must end the file."
    for side in (question.shipped, question.rebuilt):
        if side.layout.info.tiled:
            return f"The image is non-canonical for Authenticode: {side.layout.info.tiled}."
    return ""


def _reason(question: Question, error: VerifierError, trust: Trust) -> str:
    """Say what is wrong; a signature for other content is looked at more closely."""
    if isinstance(error, SignatureError) and error.kind_hint == "digest":
        try:
            _verify(question.value, _hashes(question.rebuilt), trust)
        except VerifierError:
            return f"{error}. The signature is for neither the shipped nor the rebuilt image."
        return f"{error}. It is for the rebuilt image: the shipped one was changed after signing."
    return f"{error}."


def _trust(context: Context) -> Trust:
    from verifier.signatures.trust import Trust  # noqa: PLC0415 - loads the arithmetic
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415

    certificates = tuple(load_certificate(each) for each in context.certificates)
    return Trust(certificates, frozenset(context.pins))


def _signer(report: SignerReport) -> Signer:
    return Signer(
        report.subject,
        report.issuer,
        report.serial,
        report.fingerprint,
        report.digest_algorithm,
        report.digest,
        report.timestamp,
        report.pinned,
        report.verified,
        tuple(f"{link.subject} ({link.fingerprint})" for link in report.chain),
    )
