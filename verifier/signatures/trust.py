"""What the auditor trusts: certificates from files, and SHA-256 fingerprints."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import UsageError, VerifierError
from verifier.signatures.x509 import Certificate, load_certificate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----"
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trust:
    """Certificates and fingerprints that a chain is measured against.

    Args:
        certificates: known issuers and signers; each counts as pinned.
        pins: SHA-256 fingerprints of certificates, lower-case hex. A pin finds a certificate that
            comes with the signature; it cannot supply one that does not.
    """

    certificates: tuple[Certificate, ...] = ()
    pins: frozenset[str] = frozenset()
    _by_issuer: dict[tuple[bytes, int], Certificate] = field(init=False, default_factory=dict)
    _by_key: dict[bytes, Certificate] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for certificate in self.certificates:
            self._by_issuer[certificate.issuer.raw, certificate.serial] = certificate
            if certificate.extensions.subject_key is not None:
                self._by_key[certificate.extensions.subject_key] = certificate

    @classmethod
    def from_files(cls, files: Iterable[Path] = (), pins: Iterable[str] = ()) -> Trust:
        """Read PEM files (one or more certificates each) or DER files (one each), and pins.

        Pins are SHA-256 fingerprints in hex; colons and capitals are fine.

        Raises:
            UsageError: a file cannot be read or holds no certificate, or a pin is malformed.
        """
        certificates = {}
        for path in files:
            for certificate in _read(path):
                certificates[certificate.fingerprint] = certificate
        cleaned = frozenset(pin.replace(":", "").strip().lower() for pin in pins)
        for pin in cleaned:
            if not _FINGERPRINT.fullmatch(pin):
                raise UsageError(f"{pin[:80]!r} is not a SHA-256 fingerprint of 64 hex digits.")
        return cls(tuple(certificates.values()), cleaned)

    def is_pinned(self, certificate: Certificate) -> bool:
        """Whether the auditor named this very certificate, by its DER or its fingerprint."""
        found = certificate.fingerprint
        return found in self.pins or any(known.fingerprint == found for known in self.certificates)

    def signer(self, issuer: bytes, serial: int) -> Certificate | None:
        """The trusted certificate with this issuer (DER of the name) and serial number."""
        return self._by_issuer.get((issuer, serial))

    def key_identifier(self, identifier: bytes) -> Certificate | None:
        """The trusted certificate with this subject key identifier."""
        return self._by_key.get(identifier)


def _read(path: Path) -> list[Certificate]:
    try:
        with path.open("rb") as file:
            data = file.read(limits.SIGNATURE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"The certificate file {path} cannot be read: {error.strerror}."
        ) from error
    if len(data) > limits.SIGNATURE_BYTES:
        raise UsageError(f"{path} is too large for a certificate file.")
    try:
        if data[:1] == b"\x30":
            return [load_certificate(data)]
        blocks = [
            base64.b64decode(b"".join(body.split()), validate=True) for body in _PEM.findall(data)
        ]
        found = [load_certificate(block) for block in blocks]
    except (VerifierError, binascii.Error) as error:
        raise UsageError(f"{path} holds a certificate that is refused: {error}") from error
    if not found or len(found) != data.count(b"-----BEGIN CERTIFICATE-----"):
        raise UsageError(f"{path} holds no certificate, or a damaged one, in PEM or DER form.")
    return found
