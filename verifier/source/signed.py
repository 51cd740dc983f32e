"""Signatures over a source: which kind one is, and whether a named key made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import LimitError, SourceError
from verifier.signatures import minisign, openpgp, sshsig
from verifier.signatures.errors import SignatureError
from verifier.source.base import Pin

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.spec import Signature

_KEY_BYTES = 256 << 20  # Debian's keyring of all developers has 30 MB
SIGNATURE_BYTES = 1 << 20


def check(asked: Signature, blob: bytes, data: Path, what: str) -> Pin:
    """What was found of a detached signature `blob` over the file `data`, which is `what`.

    Raises:
        SourceError: it does not hold, or by none of the named keys.
        ToolError: gpgv is missing.
    """
    keys = [_read(path) for path in asked.keys]
    try:
        return _checked(asked, blob, data, what, keys)
    except SignatureError as error:
        named = ", ".join(path.name for path in asked.keys)
        raise SourceError(
            f"The signature over {what} does not hold for the keys in {named}: {error} "
            "Nothing is built from it."
        ) from error


def _checked(asked: Signature, blob: bytes, data: Path, what: str, keys: list[bytes]) -> Pin:
    if openpgp.looks_signed(blob):
        found = openpgp.detached(blob, data, [key for key in keys if openpgp.looks_key(key)])
        return _openpgp(found, what)
    if blob.startswith(sshsig.BEGIN):
        held = [key for key in keys if sshsig.looks_key(key)]
        by = sshsig.detached(blob, data, held, asked.namespace)
        return Pin("signature", by.key, f"SSH signature over {what} by {by.name or 'a named key'}")
    if minisign.looks_signed(blob):
        made = minisign.detached(blob, data, [key for key in keys if minisign.looks_key(key)])
        return Pin("signature", made.key, f"minisign signature over {what}: {made.comment}")
    raise SignatureError("It is no signature of OpenPGP, SSH or minisign.")


def clear_signed(asked: Signature, message: bytes, what: str) -> tuple[bytes, Pin]:
    """The signed text of a clear-signed message, and what was found of its signature.

    Raises:
        SourceError, ToolError: as `check` does.
    """
    keys = [_read(path) for path in asked.keys]
    try:
        text, found = openpgp.clear_signed(message, [k for k in keys if openpgp.looks_key(k)])
    except SignatureError as error:
        named = ", ".join(path.name for path in asked.keys)
        raise SourceError(
            f"The signature of {what} does not hold for the keys in {named}: {error}"
        ) from error
    return text, _openpgp(found, what)


def _openpgp(found: openpgp.Signer, what: str) -> Pin:
    return Pin(
        "signature",
        found.primary,
        f"OpenPGP signature over {what} by {found.name} (key {found.key}), made {found.made}",
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_KEY_BYTES + 1)
    except OSError as error:
        raise SourceError(f"The key file {path} cannot be read: {error.strerror}.") from error
    if len(data) > _KEY_BYTES:
        raise LimitError(f"The key file {path} is larger than {_KEY_BYTES} bytes.")
    return data
