"""DSSE envelopes: parse, encode, and who signed one.

Source: github.com/secure-systems-lab/dsse, protocol.md and envelope.md, v1.0.
The key id of a signature is only a hint there, so every signature is tried with every trusted
key; one key counts once, under however many ids it signs.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.attest import strict
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.attest.keys import PublicKey

IN_TOTO = "application/vnd.in-toto+json"


class Signature(NamedTuple):
    """One signature; `headers` is what GnuPG hashes beside the content, in hex, else empty."""

    keyid: str
    value: bytes
    headers: str = ""


class Envelope(NamedTuple):
    """A payload, its type, and who claims to have signed both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: type and payload, each behind its length."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse(data: bytes, what: str) -> Envelope:
    """Read an envelope; ParseError if it is none."""
    found = strict.object_of(data, what)
    kind, signatures = found.get("payloadType"), found.get("signatures")
    if not isinstance(kind, str) or "payload" not in found or not isinstance(signatures, list):
        raise ParseError(f"{what} is no DSSE envelope: payload, payloadType or signatures is odd.")
    if len(signatures) > limits.SIGNATURES:
        raise LimitError(f"{what} has more than {limits.SIGNATURES} signatures.")
    payload = strict.base64_of(found["payload"], f"The payload of {what}", urlsafe=True)
    return Envelope(kind, payload, tuple(_signature(each, what) for each in signatures))


def _signature(data: object, what: str) -> Signature:
    if not isinstance(data, dict):
        raise ParseError(f"A signature of {what} is no JSON object.")
    keyid, headers = data.get("keyid", ""), data.get("other_headers", "")
    if not isinstance(keyid, str) or not isinstance(headers, str):
        raise ParseError(f"A signature of {what} has an odd key id or odd headers.")
    value = strict.base64_of(data.get("sig"), f"A signature of {what}", urlsafe=True)
    return Signature(keyid, value, headers)


def dump(envelope: Envelope) -> bytes:
    """The envelope as JSON text, with a newline at its end."""
    signatures: list[dict[str, str]] = []
    for each in envelope.signatures:
        entry = {"keyid": each.keyid, "sig": base64.b64encode(each.value).decode("ascii")}
        signatures.append(entry | ({"other_headers": each.headers} if each.headers else {}))
    data = {
        "payload": base64.b64encode(envelope.payload).decode("ascii"),
        "payloadType": envelope.payload_type,
        "signatures": signatures,
    }
    return strict.canonical(data) + b"\n"


def signers(envelope: Envelope, keys: Sequence[PublicKey], what: str) -> tuple[PublicKey, ...]:
    """The trusted keys that signed the envelope, each once; empty if none did.

    Raises:
        ParseError: the payload is not of in-toto's type, or one key signed twice.
    """
    if envelope.payload_type != IN_TOTO:
        raise ParseError(f"{what} has the payload type {envelope.payload_type!r}, not {IN_TOTO}.")
    message = pae(envelope.payload_type, envelope.payload)
    found: dict[str, PublicKey] = {}
    for signature in envelope.signatures:
        for key in keys:
            if not key.verifies(signature, message):
                continue
            if key.digest in found:
                raise ParseError(f"{what} carries two signatures of one key ({key.name}).")
            found[key.digest] = key
            break
    return tuple(found.values())
