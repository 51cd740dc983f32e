"""minisign signatures, with both of their forms: over a file (`Ed`) or over its BLAKE2b (`ED`).

A second signature binds the trusted comment to the first; without it, nothing is accepted.
Source: https://jedisct1.github.io/minisign/, "Signature format" and "Public key format".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier import limits
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_UNTRUSTED: Final = b"untrusted comment: "
_TRUSTED: Final = b"trusted comment: "
_WHOLE_BYTES: Final = 1 << 30  # the old form signs the file itself, which then lies in memory


class Signer(NamedTuple):
    """The key's id as minisign prints it, and the comment that it signed."""

    key: str
    comment: str


def looks_signed(data: bytes) -> bool:
    """Whether `data` starts as a minisign signature or key does."""
    return data.startswith(_UNTRUSTED)


def looks_key(data: bytes) -> bool:
    """Whether `data` is a minisign public key: with its comment, or the bare line."""
    try:
        _key(data)
    except SignatureError:
        return False
    return True


def detached(signature: bytes, data: Path, keys: Sequence[bytes]) -> Signer:
    """Who of `keys` (public key files) signed the file `data`.

    Raises:
        SignatureError: malformed, by no key of these, or over other bytes or another comment.
    """
    kind, keyid, made, comment, joint = _parsed(signature)
    known = dict(_key(key) for key in keys)
    if keyid not in known:
        raise SignatureError(f"It is by the minisign key {_shown(keyid)}, which is not named.")
    message = _message(kind, data)
    if not _verifies(known[keyid], made, message):
        raise SignatureError("It is not over these bytes, or not by the named minisign key.")
    if not _verifies(known[keyid], joint, made + comment):
        raise SignatureError("Its trusted comment was changed after it was signed.")
    return Signer(_shown(keyid), comment.decode("utf-8", "replace")[: limits.TEXT])


def _parsed(signature: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Algorithm, key id, signature, trusted comment, and the signature over the last two."""
    lines = signature.split(b"\n")
    lines = [line.removesuffix(b"\r") for line in lines]
    if (
        len(lines) not in (4, 5)
        or lines[4:] not in ([], [b""])
        or not lines[0].startswith(_UNTRUSTED)
        or not lines[2].startswith(_TRUSTED)
    ):
        raise SignatureError("It is no minisign signature of four lines.")
    first, joint = _base64(lines[1], 74), _base64(lines[3], 64)
    if first[:2] not in (b"Ed", b"ED"):
        raise SignatureError(f"It is of the unknown minisign algorithm {first[:2]!r}.")
    return first[:2], first[2:10], first[10:], lines[2].removeprefix(_TRUSTED), joint


def _key(data: bytes) -> tuple[bytes, bytes]:
    """Key id and Ed25519 key."""
    lines = [line.strip() for line in data.strip().split(b"\n")]
    if len(lines) == 2 and lines[0].startswith(_UNTRUSTED):
        lines = lines[1:]
    if len(lines) != 1:
        raise SignatureError("A key file holds no minisign public key.")
    raw = _base64(lines[0], 42)
    if raw[:2] != b"Ed":
        raise SignatureError("A minisign public key is of an unknown algorithm.")
    return raw[2:10], raw[10:]


def _base64(text: bytes, size: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SignatureError("A line of a minisign file is not base64.") from error
    if len(raw) != size or base64.b64encode(raw) != text:
        raise SignatureError(f"A line of a minisign file does not hold {size} bytes.")
    return raw


def _message(kind: bytes, data: Path) -> bytes:
    with data.open("rb") as file:
        if kind == b"ED":
            return hashlib.file_digest(file, "blake2b").digest()
        message = file.read(_WHOLE_BYTES + 1)
    if len(message) > _WHOLE_BYTES:
        raise SignatureError(f"The old form of minisign is read up to {_WHOLE_BYTES} bytes only.")
    return message


def _verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _shown(keyid: bytes) -> str:
    return keyid[::-1].hex().upper()
