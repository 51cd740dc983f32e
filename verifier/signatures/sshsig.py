"""SSH signatures (`ssh-keygen -Y sign`, git's `gpg.format = ssh`), by keys and certificates.

Source: OpenSSH PROTOCOL.sshsig; RFC 4253, 6.6; RFC 5656, 3.1.2; RFC 8332; ssh-keygen(1),
ALLOWED SIGNERS; PROTOCOL.certkeys. Keys that live in a FIDO token are refused. A certificate counts
where a line of allowed signers has its authority as `cert-authority` for one of its principals.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from verifier import limits
from verifier.signatures import sshcert
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----"
END: Final = b"-----END SSH SIGNATURE-----"
_MAGIC: Final = b"SSHSIG"
_HASHES: Final = ("sha256", "sha512")
_CURVES: Final = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_RSA: Final = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}
_RSA_BITS: Final = 2048
_TYPES = re.compile(r"(?:^|\s)(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) (\S+)")
_OPTION = re.compile(r'(?:^|,)([a-z-]+)(?:="([^"]*)")?(?=,|$)')
_TIME = re.compile(r"([0-9]{8})(?:([0-9]{4})([0-9]{2})?)?Z?")


class Signer(NamedTuple):
    """The key's fingerprint as ssh-keygen shows it, and its name in the file of keys."""

    key: str
    name: str


class _Key(NamedTuple):
    blob: bytes
    line: bytes  # `type base64`
    name: str
    namespaces: tuple[str, ...]
    after: dt.datetime | None
    before: dt.datetime | None
    authority: bool = False


def looks_key(data: bytes) -> bool:
    """Whether `data` holds lines with SSH public keys."""
    try:
        return any(True for _ in _keys(data))
    except SignatureError:
        return False


def detached(signature: bytes, data: Path, keys: Sequence[bytes], namespace: str) -> Signer:
    """Who of `keys` (lines of public keys, or of allowed signers) signed the file `data`.

    `namespace` is what the signature must be made for: `git`, `file`.

    Raises:
        SignatureError: malformed, for something else, by no key of these, or over other bytes.
    """
    blob, space, reserved, digest, made = _parsed(signature)
    if space != namespace.encode():
        raise SignatureError(f"It was made for {space[:40]!r}, not for {namespace!r}.")
    named = [key for each in keys for key in _keys(each)]
    if sshcert.is_certificate(blob):
        key, signer = _certified(blob, named, namespace)
    else:
        key, signer = _plain(blob, named, namespace)
    with data.open("rb") as file:
        content = hashlib.file_digest(file, digest).digest()
    parts = (space, reserved, digest.encode(), content)
    message = _MAGIC + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    if not _verifies(key, made, message):
        raise SignatureError("It is not over these bytes.")
    return signer


def _plain(blob: bytes, named: Sequence[_Key], namespace: str) -> tuple[_Key, Signer]:
    """The named key with these bytes; one that may certify does not sign by itself."""
    known = [key for key in named if key.blob == blob and not key.authority]
    shown = _shown(blob)
    if not known:
        raise SignatureError(f"It is by the SSH key {shown}, which is not named.")
    key = next((each for each in known if _holds(each, namespace)), None)
    if key is None:
        raise SignatureError(f"The SSH key {shown} is named, but not for this use or time.")
    return key, Signer(shown, key.name[: limits.TEXT])


def _certified(blob: bytes, named: Sequence[_Key], namespace: str) -> tuple[_Key, Signer]:
    """The key of a certificate, by a named authority that may speak for one of its principals."""
    found = sshcert.parse(blob)
    known = [key for key in named if key.authority and key.blob == found.authority]
    shown, by = _shown(found.key), _shown(found.authority)
    if not known:
        raise SignatureError(
            f"The SSH key {shown} is certified by {by}, which no line names as cert-authority."
        )
    found.check_time(dt.datetime.now(dt.UTC))
    for authority in known:
        name = next((each for each in found.names if _matches(each, authority.name)), None)
        if name is None or not _holds(authority, namespace):
            continue
        if not _verifies(authority, found.made, found.signed):
            raise SignatureError(f"The certificate of the SSH key {shown} is not made by {by}.")
        line = found.kind + b" " + base64.b64encode(found.key)
        key = _Key(found.key, line, name, (), None, None)
        return key, Signer(shown, f"{name}, certified by {by}"[: limits.TEXT])
    raise SignatureError(
        f"The authority {by} is named, but not for this use or time, or not for "
        f"{', '.join(found.names)[: limits.TEXT]}."
    )


def _matches(name: str, patterns: str) -> bool:
    """Whether a principal is one of a comma-separated list, with * and ? (ssh_config(5))."""
    for each in patterns.split(","):
        if each.startswith("!"):
            raise SignatureError("Negated principals of a cert-authority are not accepted here.")
        words = (
            re.escape(char) if char not in "*?" else {"*": ".*", "?": "."}[char] for char in each
        )
        if re.fullmatch("".join(words), name, re.DOTALL):
            return True
    return False


def _shown(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _holds(key: _Key, namespace: str) -> bool:
    now = dt.datetime.now(dt.UTC)
    return (
        (not key.namespaces or namespace in key.namespaces)
        and (key.after is None or now >= key.after)
        and (key.before is None or now < key.before)
    )


def _parsed(signature: bytes) -> tuple[bytes, bytes, bytes, str, bytes]:
    """Key, namespace, reserved bytes, name of the hash, and the signature itself."""
    lines = [line.rstrip(b"\r") for line in signature.strip().split(b"\n")]
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise SignatureError("It is no single armoured SSH signature.")
    text = b"".join(lines[1:-1])
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SignatureError("An SSH signature is not base64.") from error
    if base64.b64encode(raw) != text or raw[:10] != _MAGIC + b"\0\0\0\1":
        raise SignatureError("An SSH signature is not of version 1, or oddly spelled.")
    key, namespace, reserved, digest, made = _strings(raw[10:], 5)
    if digest.decode("latin-1") not in _HASHES:
        raise SignatureError(f"It rests on the hash {digest[:20]!r}, which is not accepted.")
    return key, namespace, reserved, digest.decode(), made


def _strings(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` strings, each behind its length, and nothing after them."""
    found = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise SignatureError("An SSH signature ends before its fields do.")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    if data:
        raise SignatureError("An SSH signature has bytes after its fields.")
    return found


def _keys(data: bytes) -> Iterator[_Key]:
    """The keys of a .pub file, or of a file of allowed signers."""
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line or line.startswith("#"):
            continue
        found = _TYPES.search(line)
        if found is None:
            raise SignatureError(f"Line {number} of a file of SSH keys holds no key that may sign.")
        head, tail = line[: found.start()].strip(), line[found.end() :].strip()
        name, _, options = head.partition(" ")
        try:
            blob = base64.b64decode(found[2], validate=True)
        except binascii.Error as error:
            raise SignatureError(f"Line {number} of a file of SSH keys is no base64.") from error
        entry = f"{found[1]} {found[2]}".encode()
        yield _with(_Key(blob, entry, name or tail, (), None, None), options.strip(), number)


def _with(key: _Key, options: str, number: int) -> _Key:
    if not options:
        return key
    found = _OPTION.findall(options)
    if ",".join(f'{name}="{value}"' if value else name for name, value in found) != options:
        raise SignatureError(f"The options in line {number} of a file of SSH keys are odd.")
    for name, value in found:
        if name == "namespaces":
            key = key._replace(namespaces=tuple(value.split(",")))
        elif name == "valid-after":
            key = key._replace(after=_time(value, number))
        elif name == "valid-before":
            key = key._replace(before=_time(value, number))
        elif name == "cert-authority" and not value:
            key = key._replace(authority=True)
        else:
            raise SignatureError(f"The option {name} in line {number} is not accepted here.")
    return key


def _time(text: str, number: int) -> dt.datetime:
    """YYYYMMDD[HHMM[SS]], taken as UTC: what is audited must not depend on where."""
    found = _TIME.fullmatch(text)
    digits = f"{found[1]}{found[2] or '0000'}{found[3] or '00'}" if found else ""
    try:
        return dt.datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise SignatureError(f"Line {number} has no time such as 20301231: {text!r}.") from error


def _verifies(key: _Key, made: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    name, signature = _strings(made, 2)
    try:
        public = load_ssh_public_key(key.line)
        _verify(public, name, signature, message)
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(f"An SSH key or signature is malformed: {error}.") from error
    return True


def _verify(public: Any, name: bytes, signature: bytes, message: bytes) -> None:
    """InvalidSignature unless it holds; SignatureError where key and algorithm do not fit."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415
        encode_dss_signature,
    )

    if isinstance(public, ed25519.Ed25519PublicKey) and name == b"ssh-ed25519":
        public.verify(signature, message)
    elif isinstance(public, rsa.RSAPublicKey) and name in _RSA and public.key_size >= _RSA_BITS:
        public.verify(signature, message, padding.PKCS1v15(), getattr(hashes, _RSA[name])())
    elif isinstance(public, ec.EllipticCurvePublicKey) and name.startswith(b"ecdsa-sha2-"):
        curve = name.decode("latin-1").removeprefix("ecdsa-sha2-")
        if curve not in _CURVES or public.key_size != int(curve.removeprefix("nistp")):
            raise SignatureError("An SSH signature is of another curve than its key.")
        numbers = [int.from_bytes(part, "big") for part in _strings(signature, 2)]
        public.verify(
            encode_dss_signature(*numbers), message, ec.ECDSA(getattr(hashes, _CURVES[curve])())
        )
    else:
        raise SignatureError(f"SSH keys do not sign by {name[:40]!r} here.")
