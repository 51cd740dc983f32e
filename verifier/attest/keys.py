"""Public keys that an auditor trusts: PEM, OpenSSH, securesystemslib JSON, GnuPG.

The algorithm follows from the key and from nothing that an envelope says. A
key is known by the SHA-256 of its SubjectPublicKeyInfo, so that one key in two
files, or in two forms, stays one key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier.attest import strict
from verifier.errors import UsageError, VerifierError

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.attest.dsse import Signature

RSA_BITS = 2048  # the least that is accepted
_SCHEMES = {
    "rsa": ("rsa-pkcs1v15-sha256", "rsassa-pss-sha256"),
    "ecdsa": ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    "ed25519": ("ed25519",),
}
_KEY_BYTES = 1 << 20


class PublicKey(NamedTuple):
    """One trusted key. `forms` are the same key for each scheme that is accepted of it."""

    name: str
    digest: str
    forms: tuple[Any, ...]
    owner: str = ""

    def verifies(self, signature: Signature, message: bytes) -> bool:
        """Whether this key made `signature` over `message`."""
        from securesystemslib.exceptions import UnverifiedSignatureError  # noqa: PLC0415
        from securesystemslib.signer import Signature as Form  # noqa: PLC0415

        for form in self.forms:
            extra = {"other_headers": signature.headers} if signature.headers else {}
            for value in _spellings(form, signature.value):
                try:
                    form.verify_signature(Form(form.keyid, value.hex(), dict(extra)), message)
                except (UnverifiedSignatureError, ValueError, KeyError, TypeError):
                    continue
                return True
        return False


def load(path: Path) -> tuple[PublicKey, ...]:
    """The keys of one file, or of every file of a directory; UsageError if there is none."""
    if path.is_dir():
        found = [key for each in sorted(path.iterdir()) if each.is_file() for key in _file(each)]
        if not found:
            raise UsageError(f"{path} holds no key.")
        return tuple(found)
    return _file(path)


def _file(path: Path) -> tuple[PublicKey, ...]:
    data = strict.read(path, _KEY_BYTES)
    if data.startswith(b"-----BEGIN PGP PUBLIC") or data[:1] in {b"\x98", b"\x99", b"\xc6"}:
        from verifier.attest import gpg  # noqa: PLC0415 - needs GnuPG

        return gpg.public(path)
    try:
        if data.lstrip().startswith(b"{"):
            return (_of_json(strict.object_of(data, str(path)), str(path)),)
        return (of_crypto(_crypto(data), str(path)),)
    except (ValueError, VerifierError) as error:
        raise UsageError(f"{path} holds no public key that is known here: {error}") from error


def _crypto(data: bytes) -> Any:
    """A public key of the cryptography library, from PEM or an OpenSSH line."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        if data.startswith((b"ssh-", b"ecdsa-")):
            return serialization.load_ssh_public_key(data)
        if b"PRIVATE KEY" in data:
            raise ValueError("it is a private key; give its public half.")
        return serialization.load_pem_public_key(data)
    except UnsupportedAlgorithm as error:
        raise ValueError(f"{error}.") from error


def of_crypto(public: Any, name: str, scheme: str | None = None) -> PublicKey:
    """A key of the cryptography library, for all its schemes or for one.

    Raises:
        ValueError: of an algorithm or a size that is not accepted.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415

    if isinstance(public, RSAPublicKey) and public.key_size < RSA_BITS:
        raise ValueError(f"RSA keys below {RSA_BITS} bits are not accepted.")
    form = SSlibKey.from_crypto(public)
    if form.keytype not in _SCHEMES:
        raise ValueError(f"keys of type {form.keytype} are not accepted.")
    schemes = _SCHEMES[form.keytype] if form.keytype == "rsa" else (form.scheme,)
    if scheme is not None and scheme not in schemes:
        raise ValueError(f"a {form.keytype} key of this kind does not sign by {scheme}.")
    wanted = (scheme,) if scheme is not None else schemes
    forms = tuple(SSlibKey.from_crypto(public, scheme=each) for each in wanted)
    return PublicKey(name, digest(public), forms)


def digest(public: Any) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, in hex."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
    )

    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _of_json(data: dict[str, Any], name: str) -> PublicKey:
    """A key as in-toto and TUF metadata hold it: keytype, scheme, keyval."""
    keytype, scheme, keyval = data.get("keytype"), data.get("scheme"), data.get("keyval")
    public = keyval.get("public") if isinstance(keyval, dict) else None
    known = isinstance(keytype, str) and keytype in _SCHEMES
    if not isinstance(public, str) or not isinstance(scheme, str) or not known:
        raise ValueError("its JSON names no keytype, scheme and public key that are known here.")
    if keytype == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )

        found = of_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)), name, scheme)
    else:
        found = of_crypto(_crypto(public.encode("utf-8")), name, scheme)
    if found.forms[0].keytype != keytype:
        raise ValueError(f"it says {keytype}, and its key is of type {found.forms[0].keytype}.")
    return found


def _spellings(form: Any, value: bytes) -> tuple[bytes, ...]:
    """The signature as it is, and an ECDSA one of two bare numbers as DER too."""
    size = {"256": 32, "384": 48, "521": 66}.get(form.scheme[-3:], 0)
    if form.keytype != "ecdsa" or len(value) != 2 * size:
        return (value,)
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415
        encode_dss_signature,
    )

    numbers = (int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))
    return value, encode_dss_signature(*numbers)
