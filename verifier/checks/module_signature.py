"""Checks of the signature that the Linux kernel appends to its modules."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.checks.expected import unexpected
from verifier.formats.kmod import BODY, LINE, TRAILER
from verifier.model import Range, Signer

if TYPE_CHECKING:
    from verifier.model import Span
    from verifier.signatures.model import SignatureReport, SignerReport
    from verifier.signatures.module import ModuleTrailer
    from verifier.signatures.trust import Trust

_INVALID = "signature-invalid"
_CONSTANT = {
    f"{TRAILER}.algo": b"\0",
    f"{TRAILER}.hash": b"\0",
    f"{TRAILER}.id_type": b"\x02",  # PKEY_ID_PKCS7
    f"{TRAILER}.signer_len": b"\0",
    f"{TRAILER}.key_id_len": b"\0",
    f"{TRAILER}.pad": b"\0\0\0",
    f"{TRAILER}.magic": LINE,
}


def module_signature(question: Question) -> Answer:
    """A signature over the rebuilt module by a certificate that the auditor gave."""
    report = _report(question)
    if isinstance(report, Refused):
        return report
    if not report.verified:
        who = _who(report.signers[0])
        return Refused(f"The certificate of the signer ({who}) is not at hand.", _INVALID)
    signers = _signers(report)
    stranger = unexpected(question.context, signers)
    if stranger:
        return stranger
    free = _free(question, report)
    evidence = f"verifies over {_content(question)}; signed by {_who(report.signers[0])}"
    return Accepted(evidence, free, signers=signers)


def module_signature_unverified(question: Question) -> Answer:
    """A well-formed signature whose certificate is not at hand; whom it names is reported."""
    report = _report(question)
    if isinstance(report, Refused):
        return report
    if report.verified:
        return Refused(
            "The certificate is at hand: the signature counts as verified or not at all."
        )
    signers = _signers(report)
    stranger = unexpected(question.context, signers)
    if stranger:
        return stranger
    evidence = f"well-formed, not verified; names as signer {_who(report.signers[0])}"
    return Accepted(evidence, _free(question, report), signers=signers)


def module_trailer(question: Question) -> Answer:
    """Fields that sign-file always writes alike, and the length of the signature before them."""
    span = question.span
    if span is None:
        return Refused("The shipped module has no signature.", "signature-missing", describe=True)
    signature = _signature_span(question)
    expected = _CONSTANT.get(span.name)
    if span.name == f"{TRAILER}.sig_len" and signature is not None:
        expected = signature.length.to_bytes(4, "big")
    if question.value != expected:
        return Refused(f"{span.name} is not what sign-file writes.", _INVALID)
    return Accepted("as sign-file writes it for this signature")


def _missing() -> Refused:
    return Refused("The rebuilt module is signed, the shipped one is not.", "signature-missing")


def _signature_span(question: Question) -> Span | None:
    spans = question.shipped.layout.spans
    return next((item for item in spans if item.name == "signature"), None)


def _report(question: Question) -> SignatureReport | Refused:
    """As `_verified`, once for both rules that ask about one signature."""
    cache: dict[str, SignatureReport | Refused] = question.shipped.layout.info
    if "report" not in cache:
        cache["report"] = _verified(question)
    return cache["report"]


def _verified(question: Question) -> SignatureReport | Refused:
    """What the shipped signature says of the module it stands behind.

    That module's bytes are the rebuilt ones, but for patches of their own.
    """
    from verifier.signatures import module  # noqa: PLC0415 - loads cryptography
    from verifier.signatures.errors import SignatureError  # noqa: PLC0415

    if question.span is None:
        return _missing()
    trailer = _trailer(question, module.parse_module_trailer)
    if isinstance(trailer, Refused):
        return trailer
    body = next(item for item in question.shipped.layout.spans if item.name == BODY)
    content = question.shipped.data[body.offset : body.end]
    trust = _trust(question.context.certificates, question.context.pins)
    try:
        return module.verify_module_signature(
            trailer, lambda name: hashlib.new(name, content).digest(), trust
        )
    except SignatureError as error:
        return Refused(str(error), _INVALID)


def _content(question: Question) -> str:
    """What the verified signature is for, in words."""
    one, other = (
        next(side.bytes_of(span) for span in side.layout.spans if span.name == BODY)
        for side in (question.shipped, question.rebuilt)
    )
    return "the rebuilt module" if one == other else "a module of another content than the rebuilt"


def _trailer(question: Question, parse: object) -> ModuleTrailer | Refused:
    from verifier.errors import VerifierError  # noqa: PLC0415

    try:
        trailer = parse(question.shipped.data)  # type: ignore[operator]
    except VerifierError as error:
        return Refused(str(error), _INVALID)
    return trailer if trailer is not None else _missing()


@lru_cache(maxsize=4)
def _trust(certificates: tuple[bytes, ...], pins: tuple[str, ...]) -> Trust:
    from verifier.signatures.trust import Trust  # noqa: PLC0415
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415

    return Trust(tuple(load_certificate(item) for item in certificates), frozenset(pins))


def _free(question: Question, report: SignatureReport) -> tuple[Range, ...]:
    """Unchecked ranges count from the start of the file; free ones from the start of the span."""
    start = question.span.offset if question.span else 0
    return tuple(Range(item.offset - start, item.length, item.reason) for item in report.unchecked)


def _who(signer: SignerReport) -> str:
    if signer.subject:
        return signer.subject
    if signer.issuer:
        return f"a certificate of {signer.issuer}, serial {signer.serial}"
    return f"key {signer.key_identifier}"


def _signers(report: SignatureReport) -> tuple[Signer, ...]:
    return tuple(
        Signer(
            subject=item.subject,
            issuer=item.issuer,
            serial=item.serial,
            fingerprint=item.fingerprint,
            digest_algorithm=item.digest_algorithm,
            digest=item.digest,
            timestamp=item.timestamp,
            pinned=item.pinned,
            verified=item.verified,
            chain=tuple(link.subject for link in item.chain),
        )
        for item in report.signers
    )
