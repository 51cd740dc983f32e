"""Journals, keys and a witness that the tests of the journal share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.attest import material
from verifier.attest import audit, entries, journal, merkle, note, tlog

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = material.private("ed25519", 7)
LOG = note.key_of(PRIVATE, "example.org/audits", note.ED25519)
SIGNER = journal.Signer(PRIVATE, LOG)
BOB = material.private("ed25519", 8)
BOB_KEY = note.key_of(BOB, "bob.example", note.COSIGNATURE)


def entry(number: int) -> bytes:
    return entries.of_file(f"file-{number}", b"%d" % number, material.NOW)[0]


def append(path: Path, *numbers: int) -> note.Checkpoint:
    with journal.opened(path, write=True) as found:
        return found.append([entry(number) for number in numbers], SIGNER)


def check(path: Path, *known: note.Checkpoint) -> audit.Sound:
    with journal.opened(path) as found:
        return audit.journal(found, LOG, (), [str(each.note).encode() for each in known])


def growth(path: Path, old: int) -> bytes:
    with journal.opened(path) as found:
        last = found.latest()
        hashes = tuple(merkle.consistency(old, last.size, found.node))
        return str(tlog.Growth(old, hashes, str(last.note).encode())).encode()
