"""OpenSSH certificates of users: who certified a key, for which names, and until when.

Source: OpenSSH PROTOCOL.certkeys. The signature of the authority is checked by the caller, over
`signed`; what narrows a certificate in a way that is not judged here refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    import datetime as dt

_SUFFIX: Final = b"-cert-v01@openssh.com"
# How many fields a public key of each type has after its name (RFC 4253, 6.6; RFC 5656; RFC 8709).
_FIELDS: Final = {
    b"ssh-ed25519": 1,
    b"ssh-rsa": 2,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
}
_USER: Final = 1
_NAMES: Final = 256  # principals of one certificate, as in OpenSSH


class Certificate(NamedTuple):
    """What one certificate says. `key` and `authority` are public keys without a certificate.

    `after` and `before` are seconds since 1970; `made` is the authority's signature over `signed`.
    """

    kind: bytes
    key: bytes
    label: str
    names: tuple[str, ...]
    after: int
    before: int
    authority: bytes
    signed: bytes
    made: bytes

    def check_time(self, now: dt.datetime) -> None:
        """SignatureError where it does not hold now."""
        if not self.after <= now.timestamp() < self.before:
            raise SignatureError("The SSH certificate of its key does not hold at this time.")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise SignatureError("An SSH certificate ends before its fields do.")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        return self.take(self.number(4))


def is_certificate(blob: bytes) -> bool:
    """Whether a public key's bytes are a certificate, of whatever kind."""
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return kind.endswith(b"@openssh.com") and b"-cert-" in kind


def parse(blob: bytes) -> Certificate:
    """Read a user's certificate from its first to its last byte.

    Raises:
        SignatureError: of a kind that is not judged, malformed, for hosts, for no names, or
            narrowed by critical options.
    """
    reader = _Reader(blob)
    kind = reader.text()
    plain = kind.removesuffix(_SUFFIX)
    if plain == kind or plain not in _FIELDS:
        raise SignatureError(f"SSH certificates of type {kind[:60]!r} are not accepted.")
    reader.text()  # a nonce
    fields = [reader.text() for _ in range(_FIELDS[plain])]
    reader.take(8)  # a serial number
    role = reader.number(4)
    label = reader.text().decode("utf-8", "replace")
    names = _names(reader.text())
    after, before = reader.number(8), reader.number(8)
    critical, _extensions, _reserved = (reader.text() for _ in range(3))
    authority = reader.text()
    signed = blob[: reader.at]
    made = reader.text()
    if reader.at != len(blob):
        raise SignatureError("An SSH certificate has bytes after its fields.")
    if role != _USER:
        raise SignatureError("The SSH certificate of its key is none of a user.")
    if critical:
        raise SignatureError("The SSH certificate of its key has critical options: none are known.")
    if not names:
        raise SignatureError("The SSH certificate of its key names no principal.")
    key = b"".join(len(part).to_bytes(4, "big") + part for part in (plain, *fields))
    return Certificate(plain, key, label, names, after, before, authority, signed, made)


def _names(data: bytes) -> tuple[str, ...]:
    reader = _Reader(data)
    found: list[str] = []
    while reader.at < len(data):
        if len(found) == _NAMES:
            raise SignatureError(f"An SSH certificate names more than {_NAMES} principals.")
        found.append(reader.text().decode("utf-8", "replace"))
    return tuple(found)
