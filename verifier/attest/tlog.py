"""Merkle proofs as text that other programs read too: inclusion in a log, and its growth.

Sources: c2sp.org/tlog-proof@v1 for inclusion; the body of `add-checkpoint` of c2sp.org/tlog-witness
for consistency. The entry itself travels in the `extra` line of an inclusion proof.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from verifier.attest import merkle, note, strict
from verifier.attest.refusal import MismatchError
from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.attest.note import Checkpoint, Key

INCLUSION = "c2sp.org/tlog-proof@v1"
HASHES = 63  # a proof is never longer


class Inclusion(NamedTuple):
    """That `entry` stands at number `at` of the log whose checkpoint `signed` holds."""

    at: int
    entry: bytes
    hashes: tuple[bytes, ...]
    signed: bytes

    def __str__(self) -> str:
        """The text form."""
        extra = base64.b64encode(self.entry).decode("ascii")
        head = f"{INCLUSION}\nextra {extra}\nindex {self.at}\n"
        return head + _lines(self.hashes) + "\n" + self.signed.decode("utf-8")


class Growth(NamedTuple):
    """That the log of `signed` begins with its own first `old` entries."""

    old: int
    hashes: tuple[bytes, ...]
    signed: bytes

    def __str__(self) -> str:
        """The text form."""
        return f"old {self.old}\n" + _lines(self.hashes) + "\n" + self.signed.decode("utf-8")


def is_inclusion(data: bytes) -> bool:
    """Whether this is an inclusion proof rather than one of growth."""
    return data.startswith(INCLUSION.encode("ascii") + b"\n")


def inclusion(data: bytes, what: str) -> Inclusion:
    """Read an inclusion proof; nothing in it is checked yet."""
    lines, signed = _parted(data, what)
    if len(lines) < 3 or lines[0] != INCLUSION or not lines[1].startswith("extra "):
        raise ParseError(f"{what} is no inclusion proof that carries its entry.")
    entry = strict.base64_of(lines[1].removeprefix("extra "), f"The entry of {what}")
    index = _number(lines[2], "index ", what)
    return Inclusion(index, entry, _hashes(lines[3:], what), signed)


def growth(data: bytes, what: str) -> Growth:
    """Read a consistency proof; nothing in it is checked yet."""
    lines, signed = _parted(data, what)
    return Growth(_number(lines[0], "old ", what), _hashes(lines[1:], what), signed)


def included(proof: Inclusion, log: Key, witnesses: Sequence[Key], what: str) -> Checkpoint:
    """The checkpoint that an inclusion proof leads to; MismatchError if it does not."""
    found = note.opened(proof.signed, log, witnesses, f"The checkpoint of {what}")
    hashed = merkle.leaf(proof.entry)
    if not merkle.check_inclusion(proof.at, found.size, hashed, proof.hashes, found.root):
        raise MismatchError(f"{what} does not show that its entry is in the log.")
    return found


def grows(
    proof: Growth, old: Checkpoint, log: Key, witnesses: Sequence[Key], what: str
) -> Checkpoint:
    """The checkpoint that follows `old`, as a consistency proof shows.

    Raises:
        MismatchError: the log shows two histories, or the proof does not hold.
        ParseError: the proof starts from another size.
    """
    found = note.opened(proof.signed, log, witnesses, f"The checkpoint of {what}")
    if proof.old != old.size:
        raise ParseError(f"{what} starts at {proof.old} entries; what is known has {old.size}.")
    if found.size < old.size:
        raise MismatchError(
            f"{what} is of {found.size} entries, fewer than the {old.size} that are known: "
            "an old one was replayed, or the log was cut."
        )
    if found.size == old.size and found.root != old.root:
        raise MismatchError(
            f"Split view: the log signed two roots for {old.size} entries, "
            f"{old.root.hex()} and {found.root.hex()}."
        )
    if not merkle.check_consistency(old.size, found.size, proof.hashes, old.root, found.root):
        raise MismatchError(
            f"{what} does not show that the log of {found.size} entries begins with the "
            f"{old.size} that are known: its history was rewritten, or the proof is another's."
        )
    return found


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(base64.b64encode(each).decode("ascii") + "\n" for each in hashes)


def _parted(data: bytes, what: str) -> tuple[list[str], bytes]:
    head, blank, signed = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ParseError(f"{what} has other characters than ASCII's before its note.") from error
    if not blank or len(lines) > HASHES + 3:
        raise ParseError(f"{what} is no Merkle proof: it has no checkpoint, or too many lines.")
    return lines, signed


def _number(line: str, word: str, what: str) -> int:
    if not line.startswith(word):
        raise ParseError(f"{what} is no Merkle proof: it lacks the line {word.strip()!r}.")
    return strict.decimal(line.removeprefix(word), f"The line {word.strip()!r} of {what}")


def _hashes(lines: Sequence[str], what: str) -> tuple[bytes, ...]:
    found = tuple(strict.base64_of(each, f"A hash of {what}") for each in lines)
    if any(len(each) != merkle.SIZE for each in found):
        raise ParseError(f"{what} has a hash of another size than {merkle.SIZE} bytes.")
    return found
