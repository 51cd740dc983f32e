"""OpenPGP signatures over files, judged by gpgv with the named keys alone.

gpgv runs in an empty home, so that the user's keyring and settings say nothing. Its exit status
is not the answer: it is 0 for some signatures by expired keys. Its status lines are read instead,
and a word that is not known here refuses the signature. Source: GnuPG doc/DETAILS; RFC 4880, 6.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier import limits, process
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNATURE: Final = "SIGNATURE"
KEYS: Final = (b"PUBLIC KEY BLOCK", b"ARMORED FILE")  # as gpg --enarmor calls them
CLEAR: Final = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
_BLOCK = re.compile(
    rb"^-----BEGIN PGP ([A-Z ]+)-----[ \t]*\r?\n(.*?)^-----END PGP \1-----[ \t]*\r?$",
    re.MULTILINE | re.DOTALL,
)
# A signature packet (tag 2) and a public key packet (tag 6), with old and new headers.
_SIGNATURE_STARTS: Final = frozenset({0x88, 0x89, 0x8A, 0xC2})
_KEY_STARTS: Final = frozenset({0x98, 0x99, 0x9A, 0xC6})
_FINE: Final = frozenset(
    {
        *("KEY_CONSIDERED", "SIG_ID", "GOODSIG", "VALIDSIG", "PROGRESS"),
        *("PLAINTEXT", "PLAINTEXT_LENGTH", "VERIFICATION_COMPLIANCE_MODE"),
        *("NOTATION_NAME", "NOTATION_FLAGS", "NOTATION_DATA", "POLICY_URL"),
    }
)
_UNKNOWN: Final = frozenset({"ERRSIG", "NO_PUBKEY", "KEY_CONSIDERED"})
_WHY: Final = {
    "BADSIG": "it is not over these bytes",
    "EXPSIG": "it has expired",
    "EXPKEYSIG": "its key has expired",
    "REVKEYSIG": "its key was revoked",
    "KEYEXPIRED": "its key has expired",
    "NO_PUBKEY": "it is by none of the named keys",
    "NODATA": "it is no OpenPGP signature",
}
# Hash algorithms of RFC 4880, 9.4, that still bind a signature to its content.
_HASHES: Final = {"8": "SHA-256", "9": "SHA-384", "10": "SHA-512"}


class Signer(NamedTuple):
    """Who signed: fingerprints in hex, upper case; a name as the key has it; and when."""

    key: str
    primary: str
    name: str
    made: str


def looks_signed(data: bytes) -> bool:
    """Whether `data` starts as a detached OpenPGP signature does."""
    return data.startswith(b"-----BEGIN PGP SIGNATURE-----") or data[:1] in _bytes(
        _SIGNATURE_STARTS
    )


def looks_key(data: bytes) -> bool:
    """Whether `data` holds OpenPGP public keys, armoured or not."""
    named = any(b"-----BEGIN PGP %b-----" % kind in data for kind in KEYS)
    return named or data[:1] in _bytes(_KEY_STARTS)


def _bytes(starts: frozenset[int]) -> frozenset[bytes]:
    return frozenset(bytes([start]) for start in starts)


def detached(signature: bytes, data: Path, keys: Sequence[bytes]) -> Signer:
    """Who of `keys` (exported public keys) signed the file `data`.

    Raises:
        SignatureError: malformed, over other bytes, by no key of these, expired, revoked, or by
            a hash that is broken.
        ToolError: gpgv is missing.
    """
    raw = signature
    if signature.startswith(b"-----"):
        raw = _one(signature)
    if not raw or raw[0] not in _SIGNATURE_STARTS:
        raise SignatureError("It is no detached OpenPGP signature.")
    with tempfile.TemporaryDirectory(prefix="verifier-gpgv-") as home:
        blob = Path(home) / "signature"
        blob.write_bytes(raw)
        return _judged(_gpgv(Path(home), keys, [str(blob), str(data.resolve())]), ("00",))


def clear_signed(message: bytes, keys: Sequence[bytes]) -> tuple[bytes, Signer]:
    """The signed text of a message that is clear-signed from its first to its last byte.

    Raises:
        SignatureError, ToolError: as `detached` does.
    """
    last = b"-----END PGP SIGNATURE-----\n"
    heads = [line for line in message.split(b"\n") if line.startswith(b"-----")]
    if not message.startswith(CLEAR) or not message.endswith(last) or len(heads) != 3:
        raise SignatureError("It is not clear-signed from its first byte to its last.")
    with tempfile.TemporaryDirectory(prefix="verifier-gpgv-") as home:
        blob, text = Path(home) / "message", Path(home) / "text"
        blob.write_bytes(message)
        said = _gpgv(Path(home), keys, ["--output", str(text), str(blob)])
        signer = _judged(said, ("00", "01"))
        return text.read_bytes(), signer


def _gpgv(home: Path, keys: Sequence[bytes], arguments: Sequence[str]) -> str:
    if not keys:
        raise SignatureError("No OpenPGP key is named that could have signed it.")
    ring = home / "keys.gpg"
    ring.write_bytes(b"".join(dearmoured(key) for key in keys))
    argv = ["gpgv", "--homedir", str(home), "--status-fd", "1", "--keyring", str(ring), *arguments]
    done = process.run(argv, seconds=limits.FETCH_SECONDS, memory=None)
    return done.stdout.decode("utf-8", "replace")


def _judged(said: str, classes: tuple[str, ...]) -> Signer:
    """The first good signature; one bad among them refuses all."""
    rows = [line.split(" ")[1:] for line in said.split("\n") if line.startswith("[GNUPG:] ")]
    groups: list[list[list[str]]] = []
    for row in rows:
        if row[0] == "NEWSIG":
            groups.append([])
        elif groups:
            groups[-1].append(row)
        elif row[0] not in _FINE:
            raise SignatureError(f"gpgv refuses it: {_reason([row])}.")
    signers: list[Signer] = []
    for group in groups:
        words = {row[0] for row in group}
        if words <= _FINE:
            signers.append(_signer(group, classes))
        elif not words <= _UNKNOWN:
            raise SignatureError(f"gpgv refuses it: {_reason(group)}.")
    if not signers:
        reason = _WHY["NO_PUBKEY"] if groups else _WHY["NODATA"]
        raise SignatureError(f"gpgv refuses it: {reason}.")
    return signers[0]


def _signer(group: list[list[str]], classes: tuple[str, ...]) -> Signer:
    valid = [row for row in group if row[0] == "VALIDSIG"]
    good = [row for row in group if row[0] == "GOODSIG"]
    if len(valid) != 1 or len(good) != 1 or len(valid[0]) < 11:
        raise SignatureError("gpgv does not call it good.")
    _, key, _, made, _, _, _, _, digest, kind, primary = valid[0][:11]
    if digest not in _HASHES:
        raise SignatureError(f"It rests on a broken hash (OpenPGP algorithm {digest}).")
    if kind not in classes or not re.fullmatch("[0-9]{1,12}", made):
        raise SignatureError(f"It is of class {kind}, which is no signature of a file.")
    time = dt.datetime.fromtimestamp(int(made), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Signer(key, primary, " ".join(good[0][2:])[: limits.TEXT], time)


def _reason(group: list[list[str]]) -> str:
    for word, reason in _WHY.items():
        if any(row[0] == word for row in group):
            return reason
    return next(row[0] for row in group if row[0] not in _FINE)


def _one(signature: bytes) -> bytes:
    """The content of an armour that holds one signature and nothing after it."""
    block = _BLOCK.match(signature)
    if block is None or block[1] != SIGNATURE.encode() or signature[block.end() :].strip():
        raise SignatureError("It is no single armoured OpenPGP signature.")
    return _decoded(block[2])


def dearmoured(key: bytes) -> bytes:
    """Exported public keys as gpgv reads them: binary packets.

    Raises:
        SignatureError: it holds no public key.
    """
    if key[:1] in _bytes(_KEY_STARTS):
        return key
    blocks = [block for block in _BLOCK.finditer(key) if block[1] in KEYS]
    found = b"".join(_decoded(block[2]) for block in blocks)
    if not found or found[0] not in _KEY_STARTS:
        raise SignatureError("A key file holds no OpenPGP public key.")
    return found


def _decoded(body: bytes) -> bytes:
    """The bytes of an armour: behind the headers, base64, and a CRC-24 where there is one."""
    lines = [line.strip() for line in body.split(b"\n")]
    start = lines.index(b"") + 1 if b"" in lines else 0
    kept = [line for line in lines[start:] if line]
    crc = kept.pop()[1:] if kept and kept[-1].startswith(b"=") and len(kept[-1]) == 5 else b""
    try:
        data = base64.b64decode(b"".join(kept), validate=True)
        told = base64.b64decode(crc, validate=True)
    except binascii.Error as error:
        raise SignatureError(f"An OpenPGP armour is broken: {error}.") from error
    if told and int.from_bytes(told, "big") != _crc24(data):
        raise SignatureError("An OpenPGP armour has another checksum than its content.")
    return data


def _crc24(data: bytes) -> int:
    """RFC 4880, 6.1."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF
