"""Private keys, by what `--key` names: a PEM or OpenSSH file, GnuPG, a PKCS#11 token.

Secrets come from the environment and are never an argument, which other users could read:
VERIFIER_KEY_PASSWORD opens an encrypted file, VERIFIER_PIN a token, PYKCS11LIB names its library.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier.attest import dsse, keys, strict
from verifier.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY_BYTES = 1 << 20
_RSA_SCHEME = "rsa-pkcs1v15-sha256"  # which, unlike PSS, every verifier of DSSE knows


class Signer(NamedTuple):
    """A private key; `keyid` is the id that securesystemslib gives its public half.

    `signature` signs bytes as they are, and raises ToolError where the key cannot.
    """

    keyid: str
    signature: Callable[[bytes], dsse.Signature]

    def sign(self, payload: bytes) -> dsse.Envelope:
        """An in-toto statement in its signed envelope."""
        made = self.signature(dsse.pae(dsse.IN_TOTO, payload))
        return dsse.Envelope(dsse.IN_TOTO, payload, (made,))


def load(name: str) -> Signer:
    """The signer that `--key NAME` means; UsageError or ToolError if it cannot be had."""
    if name.startswith("gpg:"):
        return _wrapped(_gpg(name.removeprefix("gpg:")))
    if name.startswith("pkcs11:"):
        return _wrapped(_token(name.removeprefix("pkcs11:")))
    return _wrapped(_file(Path(name)))


def _wrapped(signer: Any) -> Signer:
    """A signer of securesystemslib as ours."""

    def sign(message: bytes) -> dsse.Signature:
        try:
            made = signer.sign(message)
        except _failures() as error:
            raise ToolError(f"The key could not sign: {error or type(error).__name__}.") from error
        headers = made.unrecognized_fields.get("other_headers", "")
        return dsse.Signature(made.keyid, bytes.fromhex(made.signature), headers)

    return Signer(signer.public_key.keyid, sign)


def private_key(path: Path) -> Any:
    """A private key of the cryptography library from a PEM or OpenSSH file."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    data = strict.read(path, _KEY_BYTES)
    password = os.environ.get("VERIFIER_KEY_PASSWORD")
    secret = password.encode("utf-8") if password else None
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            return serialization.load_ssh_private_key(data, secret)
        encrypted = b"ENCRYPTED" in data
        return serialization.load_pem_private_key(data, secret if encrypted else None)
    except TypeError as error:
        raise UsageError(f"{path} is encrypted; set VERIFIER_KEY_PASSWORD.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{path} holds no private key that can be read with this password: {error}"
        ) from error


def _file(path: Path) -> Any:
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415 - start-up time

    private = private_key(path)
    try:
        known = keys.of_crypto(private.public_key(), str(path))
    except ValueError as error:
        raise UsageError(f"{path} cannot sign here: {error}") from error
    form = next((each for each in known.forms if each.scheme == _RSA_SCHEME), known.forms[0])
    return CryptoSigner(private, form)


def _gpg(fingerprint: str) -> Any:
    from securesystemslib.exceptions import UnsupportedLibraryError  # noqa: PLC0415
    from securesystemslib.signer import GPGSigner  # noqa: PLC0415

    home = os.environ.get("GNUPGHOME")
    try:
        _, public = GPGSigner.import_(fingerprint.replace(" ", "").lower(), home)
    except (ValueError, OSError) as error:
        raise UsageError(f"GnuPG has no key {fingerprint!r} to sign with: {error}") from error
    except UnsupportedLibraryError as error:
        raise ToolError("The program gpg is needed and not installed.") from error
    return GPGSigner(public, home)


def _token(name: str) -> Any:
    """A key of a PKCS#11 token: its number on the token, and `?label=` of the token."""
    from securesystemslib.exceptions import UnsupportedLibraryError  # noqa: PLC0415
    from securesystemslib.signer import HSMSigner  # noqa: PLC0415

    number, _, label = name.partition("?label=")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"pkcs11:{name} names no key; write pkcs11:NUMBER or …?label=TOKEN.")
    pin = os.environ.get("VERIFIER_PIN")
    if not pin or not os.environ.get("PYKCS11LIB"):
        raise UsageError("A token needs VERIFIER_PIN and PYKCS11LIB in the environment.")
    try:
        uri, public = HSMSigner.import_(int(number), label or None, lambda _secret: pin)
        return HSMSigner.from_priv_key_uri(uri, public, lambda _secret: pin)
    except UnsupportedLibraryError as error:
        raise ToolError("PKCS#11 needs python-pkcs11: install verifier with [pkcs11].") from error
    except _failures() as error:
        shown = str(error) or type(error).__name__
        raise ToolError(f"The PKCS#11 token cannot be used: {shown}.") from error


def _failures() -> tuple[type[Exception], ...]:
    """What signers raise; the library of tokens too, where it is there at all."""
    found: tuple[type[Exception], ...] = (ValueError, OSError, KeyError)
    if "pkcs11" in sys.modules:
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - optional

        found = (*found, PKCS11Error)
    return found
