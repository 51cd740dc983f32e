"""Signed notes and checkpoints of a log, with the cosignatures of witnesses.

Source: c2sp.org/signed-note, c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature (Ed25519).
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier.attest import strict
from verifier.attest.merkle import SIZE
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import LimitError, ParseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ED25519, COSIGNATURE = 1, 4
_KINDS = {ED25519: "log", COSIGNATURE: "witness"}
_KEY_BYTES = 4096
_DASH = "\u2014"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x20\x7f]{1,255}")


class Key(NamedTuple):
    """A public key of a log or a witness. `kind` is ED25519 or COSIGNATURE."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which signatures name the key, beside its name."""
        head = self.name.encode("utf-8") + b"\n" + bytes([self.kind])
        return hashlib.sha256(head + self.public).digest()[:4]

    def __str__(self) -> str:
        """The key in the form that `key` reads: name+id+key."""
        tail = base64.b64encode(bytes([self.kind]) + self.public).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{tail}"


class Line(NamedTuple):
    """One signature: who, with which key, what."""

    name: str
    id: bytes
    value: bytes


class Note(NamedTuple):
    """A text that ends with a newline, and its signatures."""

    text: str
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        """The note as it is stored and sent."""
        return self.text + "\n" + "".join(map(signature_line, self.lines))


class Checkpoint(NamedTuple):
    """The size and root of a log, as it signed them; `witnesses` are (name, time) of cosigners."""

    origin: str
    size: int
    root: bytes
    note: Note
    witnesses: tuple[tuple[str, int], ...] = ()


def key(text: str) -> Key:
    """Read `name+id+key`; UsageError if it is no such key, or its id is not its own."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise UsageError(f"{text[:80]!r} is no key of a log or witness: name+id+key.")
    try:
        raw = strict.base64_of(parts[2], "its key")
    except ParseError as error:
        raise UsageError(f"{text[:80]!r} is no key of a log or witness: {error}") from error
    found = Key(parts[0], raw[0] if raw else 0, raw[1:])
    if found.kind not in {ED25519, COSIGNATURE} or len(found.public) != 32:
        raise UsageError(f"The key {found.name} is of a kind that is not known here.")
    if found.id.hex() != parts[1]:
        raise UsageError(f"The key {found.name} has another id than it says.")
    return found


def load(path: Path, kind: int) -> Key:
    """The public key of a file, which must be of `kind`."""
    found = key(strict.read(path, _KEY_BYTES).decode("utf-8", "replace"))
    if found.kind != kind:
        raise UsageError(f"The key of {path} is not that of a {_KINDS[kind]}.")
    return found


def key_of(private: Any, name: str, kind: int) -> Key:
    """The public half of an Ed25519 key under the name of a log or witness."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - start-up time
        Ed25519PrivateKey,
    )

    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError("Journals and witnesses sign with Ed25519 keys alone.")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a log or witness: no spaces, no '+'.")
    return Key(name, kind, private.public_key().public_bytes_raw())


def signature_line(line: Line) -> str:
    """One signature as text."""
    value = base64.b64encode(line.id + line.value).decode("ascii")
    return f"{_DASH} {line.name} {value}\n"


def parse(data: bytes, what: str) -> Note:
    """Read a signed note; its signatures are not checked yet."""
    if len(data) > limits.NOTE_BYTES:
        raise LimitError(f"{what} is larger than {limits.NOTE_BYTES} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{what} is not UTF-8.", error.start) from error
    if _CONTROL.search(text):
        raise ParseError(f"{what} holds a control character.")
    head, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise ParseError(f"{what} is no signed note: it has no signatures behind an empty line.")
    lines = tail[:-1].split("\n")
    if len(lines) > limits.SIGNATURES:
        raise LimitError(f"{what} has more than {limits.SIGNATURES} signatures.")
    return Note(head + "\n", tuple(line(each, what) for each in lines))


def line(text: str, what: str) -> Line:
    """Read one signature line, without its newline."""
    parts = text.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
        raise ParseError(f"{what} has a line among its signatures that is none.")
    value = strict.base64_of(parts[2], f"A signature of {what}")
    if len(value) < 5:
        raise ParseError(f"{what} has a signature that is too short.")
    return Line(parts[1], value[:4], value[4:])


def text(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n"


def sign(private: Any, by: Key, message: str) -> Line:
    """The log's own signature over the text of its checkpoint."""
    return Line(by.name, by.id, private.sign(message.encode("utf-8")))


def cosign(private: Any, by: Key, message: str, time: int) -> Line:
    """A witness's signature over the text of a checkpoint, at `time` in seconds since 1970."""
    value = private.sign(_cosigned(message, time))
    return Line(by.name, by.id, struct.pack(">Q", time) + value)


def checkpoint(note: Note, what: str) -> Checkpoint:
    """The content of a checkpoint; whether anyone signed it is not checked yet."""
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise ParseError(f"{what} is no checkpoint: it has not three lines.")
    root = strict.base64_of(lines[2], f"The root of {what}")
    if len(root) != SIZE:
        raise ParseError(f"The root of {what} has not {SIZE} bytes.")
    return Checkpoint(lines[0], strict.decimal(lines[1], f"The size of {what}"), root, note)


def opened(data: bytes, log: Key, witnesses: Sequence[Key], what: str) -> Checkpoint:
    """A checkpoint that `log` signed, with those of `witnesses` that cosigned it.

    Signatures of unknown keys are passed over; a bad one of a known key refuses the whole.

    Raises:
        NotAttestedError: the log did not sign it.
        MismatchError: a signature of a known key does not verify.
        ParseError: it is no checkpoint, or of another log.
    """
    note = parse(data, what)
    found = checkpoint(note, what)
    if found.origin != log.name:
        raise ParseError(f"{what} is of the log {found.origin!r}, not of {log.name!r}.")
    signed = False
    seen: dict[str, int] = {}
    for each in note.lines:
        by = next((one for one in (log, *witnesses) if (one.name, one.id) == each[:2]), None)
        if by is None:
            continue
        time = _verified(by, each, note.text)
        if time is None:
            raise MismatchError(f"{what} has a signature of {by.name} that does not verify.")
        if by.kind == ED25519 and by == log:
            signed = True
        else:
            seen[by.name] = max(time, seen.get(by.name, 0))
    if not signed:
        raise NotAttestedError(f"{what} is not signed by the log {log.name}.")
    return found._replace(witnesses=tuple(sorted(seen.items())))


def _verified(by: Key, signature: Line, message: str) -> int | None:
    """The time of a good signature (0 where it carries none), else None."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    value, data, time = signature.value, message.encode("utf-8"), 0
    if by.kind == COSIGNATURE:
        if len(value) != 72:
            return None
        time = int.from_bytes(value[:8], "big")
        value, data = value[8:], _cosigned(message, time)
    try:
        Ed25519PublicKey.from_public_bytes(by.public).verify(value, data)
    except (InvalidSignature, ValueError):
        return None
    return time if time < 1 << 63 else None


def _cosigned(message: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{message}".encode()
