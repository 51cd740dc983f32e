"""Who signed a record: an in-toto statement that names it, or a plain SSH signature beside it.

The statement has a predicate type of its own, so that it can never pass for one about a rebuild.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from verifier.errors import SourceError
from verifier.signatures import sshsig
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.source.record import Record

PREDICATE = "urn:source-binary-verifier:audit-record:v1"
NAMESPACE = "audit-record@source-binary-verifier"


def beside(path: Path) -> tuple[Path, Path]:
    """Where the signatures of a record lie: the statement, and that of ssh-keygen."""
    return path.with_name(path.name + ".dsse.json"), path.with_name(path.name + ".sig")


def statement(raw: bytes, record: Record) -> dict[str, Any]:
    """The statement that `--key` signs about a record whose file holds `raw`."""
    from verifier.attest.statement import TYPE  # noqa: PLC0415 - only where a record is signed

    digest = hashlib.sha256(raw).hexdigest()
    data = record.data
    told = {key: data[key] for key in ("reviewer", "date", "notes")}
    tree = {key: str(data["tree"][key]) for key in ("sha256", "manifest", "swhid")}
    return {
        "_type": TYPE,
        "subject": [{"name": record.name, "digest": {"sha256": digest}}],
        "predicateType": PREDICATE,
        "predicate": {**told, "tree": tree},
    }


def signers(path: Path, record: Record, keys: Sequence[Path]) -> tuple[str, ...]:
    """Names of the keys, of those in the files `keys`, that signed the record at `path`.

    Raises:
        SourceError: nobody of them did, or a signature is over another record.
        UsageError: a key file holds no key.
    """
    envelope, plain = beside(path)
    found: list[str] = []
    if envelope.is_file():
        found += _envelope(envelope, record, keys)
    if plain.is_file():
        found += _plain(plain, path, keys)
    if not found:
        raise SourceError(
            f"The audit record {path} is not signed by a key that the specification names "
            f"(looked at {envelope.name} and {plain.name})."
        )
    return tuple(dict.fromkeys(found))


def _envelope(path: Path, record: Record, keys: Sequence[Path]) -> list[str]:
    from verifier.attest import dsse, strict  # noqa: PLC0415 - only where a record is signed
    from verifier.attest import keys as trusted  # noqa: PLC0415

    known = [key for each in keys for key in trusted.load(each)]
    envelope = dsse.parse(strict.read(path), str(path))
    by = dsse.signers(envelope, known, str(path))
    if not by:
        return []
    said = strict.object_of(envelope.payload, str(path))
    if said.get("predicateType") != PREDICATE or not _names(said.get("subject"), record.sha256):
        raise SourceError(f"{path} was signed for another audit record, not for {record.name}.")
    return [key.name for key in by]


def _names(subject: object, sha256: str) -> bool:
    if not isinstance(subject, list) or len(subject) != 1 or not isinstance(subject[0], dict):
        return False
    digest = subject[0].get("digest")
    return isinstance(digest, dict) and digest.get("sha256") == sha256


def _plain(signature: Path, path: Path, keys: Sequence[Path]) -> list[str]:
    from verifier.attest import strict  # noqa: PLC0415 - only where a record is signed

    held = [data for each in keys if sshsig.looks_key(data := strict.read(each))]
    try:
        by = sshsig.detached(strict.read(signature), path, held, NAMESPACE)
    except SignatureError as error:
        raise SourceError(f"{signature} does not sign the audit record: {error}") from error
    return [f"{by.name} ({by.key})"]
