"""Whether ClamAV's own signatures hold: of a database, of its `.info`, of an update."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.checks.clamav import payload_md5
from verifier.checks.expected import unexpected
from verifier.errors import ParseError
from verifier.model import Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.checks.base import Context
    from verifier.signatures.clamav_keys import Key

_INVALID = "signature-invalid"
_UNSIGNED = b"X"


def database(question: Question) -> Answer:
    """The legacy signature is one over the MD5 of all shipped bytes after the header."""
    from verifier.signatures import clamav, clamav_keys  # noqa: PLC0415 - databases alone

    if question.value in {b"", _UNSIGNED}:
        return _unsigned(question, question.rebuilt_value in {b"", _UNSIGNED})
    digest = payload_md5(question.shipped)
    answer = _judge(question, question.value, digest, clamav_keys.DATABASE, clamav.verify_md5)
    if isinstance(answer, Signer):
        same = digest == payload_md5(question.rebuilt)
        size = len(question.shipped.data)
        evidence = (
            f"verifies with {answer.subject} over bytes 512 to {size}, which are "
            f"{'the rebuilt ones' if same else 'the rebuilt ones but for other patches'}; "
            "plain RSA over an MD5; it covers no byte of the header, of which time, builder and "
            "padding are looked at by no loader"
        )
        return Accepted(evidence, signers=(answer,))
    return answer


def listing(question: Question) -> Answer:
    """The line `DSIG:` is a signature over all shipped bytes of the `.info` before it."""
    from verifier.signatures import clamav, clamav_keys  # noqa: PLC0415

    if question.span is None:
        return _unsigned(question, same=False)
    signature = question.value.removeprefix(b"DSIG:").removesuffix(b"\n")
    digest = hashlib.sha256(question.shipped.data[: question.span.offset]).digest()
    if question.value != b"DSIG:" + signature + b"\n":
        return Refused("The line DSIG: is not written as sigtool does.", _INVALID)
    answer = _judge(question, signature, digest, clamav_keys.LISTING, clamav.verify_sha256)
    if isinstance(answer, Signer):
        evidence = f"verifies with {answer.subject} over the lines before it"
        return Accepted(evidence, signers=(answer,))
    return answer


def update(question: Question) -> Answer:
    """The signature at the end is one over all shipped bytes before its colon."""
    from verifier.signatures import clamav, clamav_keys  # noqa: PLC0415

    if question.value in {b"", _UNSIGNED} or question.span is None:
        return _unsigned(question, question.rebuilt_value in {b"", _UNSIGNED})
    digest = hashlib.sha256(question.shipped.data[: question.span.offset - 1]).digest()
    answer = _judge(question, question.value, digest, clamav_keys.UPDATE, clamav.verify_sha256)
    if isinstance(answer, Signer):
        evidence = f"verifies with {answer.subject} over header and script"
        return Accepted(evidence, signers=(answer,))
    return answer


def _unsigned(question: Question, same: bool) -> Answer:
    if same and question.value == question.rebuilt_value:
        return Accepted("not signed, as the rebuilt file")
    return Refused("The shipped file is not signed.", "signature-missing")


def _judge(
    question: Question,
    signature: bytes,
    digest: bytes,
    own: Key,
    verify: Callable[[bytes, bytes, tuple[Key, ...]], Key | None],
) -> Signer | Refused:
    """Who signed: ClamAV's own key, or that of a certificate that the auditor named."""
    try:
        found = verify(signature, digest, (own, *keys_of(question.context.certificates)))
    except ParseError as error:
        return Refused(f"{error}.", _INVALID)
    if found is None:
        return Refused("The signature is not for these bytes, or by no known key.", _INVALID)
    signer = _signer(found, digest, question.context)
    return unexpected(question.context, (signer,)) or signer


def _signer(key: Key, digest: bytes, context: Context) -> Signer:
    from verifier.signatures.clamav_keys import fingerprint  # noqa: PLC0415

    mark = fingerprint(key)
    return Signer(
        subject=key.name,
        issuer="",
        serial="",
        fingerprint=mark,
        digest_algorithm="md5" if len(digest) == 16 else "sha256",
        digest=digest.hex(),
        timestamp=None,
        pinned=mark in context.pins or key in keys_of(context.certificates),
        verified=True,
    )


@lru_cache(maxsize=4)
def keys_of(certificates: tuple[bytes, ...]) -> tuple[Key, ...]:
    """The RSA keys of the auditor's certificates."""
    from verifier.signatures import keys  # noqa: PLC0415
    from verifier.signatures.clamav_keys import Key  # noqa: PLC0415
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415

    found = []
    for raw in certificates:
        certificate = load_certificate(raw)
        numbers = keys.rsa_numbers(certificate.spki.raw)
        if numbers is not None:
            found.append(Key(certificate.subject_text, *numbers))
    return tuple(found)
