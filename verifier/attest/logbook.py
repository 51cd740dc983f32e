"""The journal that takes every run and attestation by itself, where the environment names one.

VERIFIER_JOURNAL is its file and VERIFIER_JOURNAL_KEY its private key. A run that cannot be
recorded ends with that error: a logbook with gaps is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from verifier.attest import entries, journal, note, signing, strict
from verifier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def record(name: str, data: bytes, environment: Mapping[str, str]) -> None:
    """Append the entries of one file to the journal of the environment."""
    key = environment.get("VERIFIER_JOURNAL_KEY")
    if not key:
        raise UsageError("VERIFIER_JOURNAL is set; set VERIFIER_JOURNAL_KEY to its key, too.")
    private = signing.private_key(Path(key))
    new = entries.of_file(name, data, strict.now())
    with journal.opened(Path(environment["VERIFIER_JOURNAL"]), write=True) as found:
        public = note.key_of(private, found.log.name, note.ED25519)
        found.append(new, journal.Signer(private, public))
