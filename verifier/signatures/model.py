"""What a verified signature says. Plain data: strings, numbers and tuples of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.signatures.der import Node


class UncheckedRange(NamedTuple):
    """Bytes of the signature blob that a vendor could set to other accepted values.

    Where two places must agree and nothing authenticates either, one of them is listed.

    Args:
        offset: first byte, counted from the start of the blob.
        length: number of bytes.
        reason: why no check fixes their value.
    """

    offset: int
    length: int
    reason: str


def unchecked(fields: Iterable[tuple[str, Node, int]], of: str) -> tuple[UncheckedRange, ...]:
    """The contents of named DER elements, less the first `skip` octets of each: `name of …`."""
    return tuple(
        UncheckedRange(node.start + skip, node.length - skip, f"{name} of {of}")
        for name, node, skip in fields
        if node.length > skip
    )


class ChainLink(NamedTuple):
    """One certificate of a chain: readable subject and SHA-256 fingerprint in hex."""

    subject: str
    fingerprint: str


class SignerReport(NamedTuple):
    """One signer, or who claims to be it when `verified` is false.

    Args:
        subject: of the signing certificate; empty when that certificate is not at hand.
        issuer: of the signing certificate; empty when only a key identifier is known.
        serial: serial number in lower-case hex; empty like `issuer`.
        key_identifier: subject key identifier in hex, empty when unknown.
        fingerprint: SHA-256 of the signing certificate in hex; empty like `subject`.
        digest_algorithm: hash over the content, by hashlib name.
        digest: that hash in hex.
        chain: signer first, the topmost known certificate last.
        not_before: start of the signing certificate's validity, ISO 8601 UTC, or None.
        not_after: its end; an untimestamped signature is accepted after it.
        timestamp: verified time of signing, ISO 8601 UTC, or None.
        timestamp_signer: subject of the certificate that vouches for the time, or None.
        timestamp_chain: like `chain`, for the timestamp.
        timestamp_pinned: `pinned`, for the timestamp's chain; false without a timestamp.
        pinned: a certificate of `chain` is one that the auditor named.
        verified: the signature was verified over the content with the certificate's key.
        nested: the signature was found inside another signature's unsigned attributes.
    """

    subject: str
    issuer: str
    serial: str
    key_identifier: str
    fingerprint: str
    digest_algorithm: str
    digest: str
    chain: tuple[ChainLink, ...]
    not_before: str | None
    not_after: str | None
    timestamp: str | None
    timestamp_signer: str | None
    timestamp_chain: tuple[ChainLink, ...]
    timestamp_pinned: bool
    pinned: bool
    verified: bool
    nested: bool


class SignatureReport(NamedTuple):
    """All signers of one blob, and its bytes that no check covers, sorted by offset.

    `unchecked` holds for this blob. One that is cut loose from what the auditor trusts, by other
    names in its certificates, says so: `pinned` or `timestamp_pinned` is false, and it lists more.
    """

    signers: tuple[SignerReport, ...]
    unchecked: tuple[UncheckedRange, ...]

    @property
    def verified(self) -> bool:
        """Whether there is a signer and every signer's signature was verified."""
        return bool(self.signers) and all(signer.verified for signer in self.signers)

    @property
    def pinned(self) -> bool:
        """Whether there is a signer and every signer chains to what the auditor named."""
        return bool(self.signers) and all(signer.pinned for signer in self.signers)
