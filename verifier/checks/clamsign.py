"""The `.sign` beside a ClamAV database: does it hold for the file that it stands beside?"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING

from verifier import content
from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.checks.expected import unexpected
from verifier.errors import ParseError, VerifierError
from verifier.formats.clamav import sign
from verifier.model import Range, Signer

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.signatures.model import SignatureReport, SignerReport

_BLOCK = 1 << 20
_INVALID = "signature-invalid"
_NAMED = re.compile(r"(.+)-([0-9]{1,10})(\.c[vl]d)\Z")


def signature(question: Question) -> Answer:
    """PKCS #7 in canonical base64, by a signer whom the auditor named, over the whole file.

    Parameter `at`: the day (ISO) on which the certificates must have been valid, or `any`.
    """
    context = question.context
    if question.span is None:
        return Refused("The shipped file lacks this signature.", "update-signature-missing")
    if not (context.certificates or context.pins):
        return Refused("Nobody is named who may have signed; give the certificate.", _INVALID)
    try:
        report = _verify(question)
    except VerifierError as error:
        return Refused(f"{str(error).rstrip('.')}.", _INVALID)
    signers = tuple(_signer(each) for each in report.signers)
    first = report.signers[0]
    evidence = (
        f"verifies over the whole file beside it; signed by {first.subject}, valid "
        f"{first.not_before} to {first.not_after}; it covers neither level of its own line"
    )
    return unexpected(context, signers) or Accepted(evidence, _free(report), signers=signers)


def _verify(question: Question) -> SignatureReport:
    """What the signature says; VerifierError where it does not hold."""
    from verifier.signatures.detached import verify_detached  # noqa: PLC0415 - loads arithmetic
    from verifier.signatures.trust import Trust  # noqa: PLC0415
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415

    signed = _signed_file(question)
    if signed is None:
        raise ParseError("The file that it would be for does not lie beside it")
    context = question.context
    known = tuple(load_certificate(each) for each in context.certificates)
    trust = Trust(known, frozenset(context.pins))
    moment = _moment(question.parameter("at"))
    blob = sign.decoded(question.value)
    return verify_detached(blob, lambda name: _hash(name, signed), trust, moment)


def _moment(day: str) -> datetime | None:
    """Noon of the day on which certificates are judged; None for any day."""
    if day == "any":
        return None
    try:
        return datetime.fromisoformat(f"{day}T12:00:00+00:00")
    except ValueError as error:
        raise ParseError(f"The parameter at is {day!r}, which is no day") from error


def _signed_file(question: Question) -> Buffer | None:
    """`daily.cvd` for `daily.cvd.sign`, and for `daily-7.cvd.sign` where that is its version."""
    from verifier.formats.clamav import unpacked  # noqa: PLC0415 - databases alone

    siblings, name = question.context.siblings, question.context.name.removesuffix(".sign")
    if name == question.context.name:
        return None
    if (ref := siblings.get(name)) is not None:
        return content.view(ref)
    found = _NAMED.match(name)
    ref = siblings.get(found[1] + found[3]) if found else None
    if found is None or ref is None:
        return None
    data = content.view(ref)
    try:
        return data if int(unpacked.head(data)["version"]) == int(found[2]) else None
    except VerifierError:
        return None


def _hash(name: str, data: Buffer) -> bytes:
    total = hashlib.new(name, usedforsecurity=False)
    for at in range(0, len(data), _BLOCK):
        total.update(data[at : at + _BLOCK])
    return total.digest()


def _free(report: SignatureReport) -> tuple[Range, ...]:
    """Unchecked bytes of the DER as characters of its base64."""
    return tuple(
        Range(
            each.offset // 3 * 4,
            -(-(each.offset + each.length) // 3) * 4 - each.offset // 3 * 4,
            each.reason,
        )
        for each in report.unchecked
    )


def _signer(report: SignerReport) -> Signer:
    return Signer(
        *(report.subject, report.issuer, report.serial, report.fingerprint),
        *(report.digest_algorithm, report.digest, report.timestamp, report.pinned),
        report.verified,
        tuple(f"{link.subject} ({link.fingerprint})" for link in report.chain),
    )
