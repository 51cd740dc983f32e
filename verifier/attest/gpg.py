"""GnuPG keys: imported into an empty home of their own, so that the user's keyring says nothing.

Signing goes through securesystemslib and the user's agent; verifying needs no agent.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from verifier import process
from verifier.attest.keys import RSA_BITS, PublicKey, digest
from verifier.errors import UsageError

_BAD = {"r": "revoked", "e": "expired", "d": "disabled", "i": "not valid"}
_EDWARDS, _RSA = "pgp+eddsa-ed25519", "pgp+rsa-pkcsv1.5"


def public(path: Path) -> tuple[PublicKey, ...]:
    """The signing keys, subkeys included, of an exported OpenPGP public key."""
    with tempfile.TemporaryDirectory(prefix="verifier-gpg-") as home:
        Path(home).chmod(0o700)
        base = ["gpg", "--batch", "--no-autostart", "--homedir", home]
        done = process.run([*base, "--import", str(path.resolve())])
        if done.status != 0:
            raise UsageError(f"{path} holds no public key that GnuPG accepts.")
        listed = process.run([*base, "--with-colons", "--list-keys"]).stdout.decode("utf-8")
        found = tuple(_load(each, home, str(path)) for each in _signing(listed, path))
    if not found:
        raise UsageError(f"{path} holds no key that may sign.")
    return found


def _signing(listed: str, path: Path) -> list[str]:
    """Fingerprints of the keys that may sign, from gpg's colon listing (doc/DETAILS)."""
    found: list[str] = []
    wanted = False
    for line in listed.split("\n"):
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            if fields[0] == "pub" and fields[1] in _BAD:
                raise UsageError(f"The key of {path} is {_BAD[fields[1]]}.")
            wanted = "s" in fields[11] and fields[1] not in _BAD
        elif fields[0] == "fpr" and wanted:
            found.append(fields[9].lower())
            wanted = False
    return found


def _load(fingerprint: str, home: str, name: str) -> PublicKey:
    from securesystemslib.signer import GPGSigner  # noqa: PLC0415 - start-up time

    try:
        _, key = GPGSigner.import_(fingerprint, home)
    except (ValueError, KeyError) as error:
        raise UsageError(f"The GnuPG key {fingerprint} of {name} is not usable: {error}") from error
    return PublicKey(f"{name} ({fingerprint})", digest(_crypto(key)), (key,))


def _crypto(key: Any) -> Any:
    """The key in the terms of the cryptography library, so that it has one digest in all forms."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415

    values = key.keyval["public"]
    if key.scheme == _EDWARDS:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(values["q"]))
    if key.scheme == _RSA:
        found = RSAPublicNumbers(int(values["e"], 16), int(values["n"], 16)).public_key()
        if found.key_size >= RSA_BITS:
            return found
    raise UsageError(f"GnuPG keys of this kind or size are not accepted: {key.scheme}.")
