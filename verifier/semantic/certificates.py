"""X.509 certificates that an image carries at places of their own.

Those are: Authenticode signatures, shim's table of vendor certificates
(`cert.S` of shim: sizes and offsets of an allow list and a deny list), whole
resources and whole sections that begin as DER or PEM.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from verifier import limits
from verifier.errors import ParseError, VerifierError
from verifier.formats.pe.directories import resource_leaves
from verifier.model import Difference
from verifier.semantic.parts import changed, is_elf, part, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image
    from verifier.signatures.x509 import Certificate

_MOST: Final = 200  # certificates of one image
_PLACES: Final = 2_000  # resources that are looked at
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,20000})-----END CERTIFICATE")


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Certificates of one image alone, told by their SHA-256."""
    labels = {each.label for pair in changed(shipped, rebuilt) for each in pair if each}
    one, other = _all(shipped, labels), _all(rebuilt, labels)
    if not is_elf(shipped) and all(side.layout.info.certificates for side in (shipped, rebuilt)):
        # Where one side alone is signed, its signers are told as such.
        for side, found in ((shipped, one), (rebuilt, other)):
            for certificate in _signing(side):
                named = _subject(certificate), "its signature"
                found.setdefault(certificate.fingerprint, named)
    for change, which, mine, theirs in (
        ("added", "shipped", one, other),
        ("removed", "rebuilt", other, one),
    ):
        for fingerprint, (subject, place) in mine.items():
            if fingerprint not in theirs:
                summary = f"Only the {which} image has it, in {place}: SHA-256 {fingerprint}."
                yield Difference(f"certificate-{change}", subject, summary)


def _all(side: Side, labels: set[str]) -> dict[str, tuple[str, str]]:
    """(subject, place) by fingerprint."""
    found: dict[str, tuple[str, str]] = {}
    for place, raw in _candidates(side, labels):
        for certificate in _read(raw):
            if len(found) < _MOST:
                found.setdefault(certificate.fingerprint, (_subject(certificate), place))
    return found


def _candidates(side: Side, labels: set[str]) -> Iterator[tuple[str, bytes]]:
    for each in parts(side):
        if each.label in labels and not each.executable:
            data = each.data(side)
            if bytes(data[:2]) == b"\x30\x82" or bytes(data[:11]) == b"-----BEGIN ":
                yield each.label, bytes(data[: limits.MIB])
    if is_elf(side):
        return
    vendor = part(side, ".vendor_cert") or part(side, "vendor_c")
    if vendor is not None and vendor.length >= 16:
        raw = bytes(vendor.data(side)[: limits.SIGNATURE_BYTES])
        sizes = struct.unpack_from("<IIII", raw)
        for label, size, at in (
            ("shim's vendor certificates", sizes[0], sizes[2]),
            ("shim's vendor deny list", sizes[1], sizes[3]),
        ):
            yield label, raw[at : at + size]
    image: Image = side.layout.info
    for number, (path, (address, size)) in enumerate(resource_leaves(side.data, image).items()):
        at = image.offset_of(address, size) if 64 < size < limits.SIGNATURE_BYTES else None
        if at is not None and number < _PLACES:
            yield f"the resource {path}", bytes(side.data[at : at + min(size, 1 << 16)])


def _read(raw: bytes) -> list[Certificate]:
    """The certificates that `raw` begins with, one after the other; none for other content."""
    blobs: list[bytes] = []
    at = 0
    while raw[at : at + 2] == b"\x30\x82" and len(blobs) < _MOST:
        size = 4 + int.from_bytes(raw[at + 2 : at + 4], "big")
        blobs.append(raw[at : at + size])
        at += size
    if raw.lstrip()[:11] == b"-----BEGIN ":
        for number, match in enumerate(_PEM.finditer(raw)):
            if number < _MOST:
                blobs.append(_unarmoured(match[1]))
    return [found for blob in blobs if (found := _certificate(blob)) is not None]


def _unarmoured(body: bytes) -> bytes:
    try:
        return base64.b64decode(body)
    except binascii.Error:
        return b""


def _certificate(blob: bytes) -> Certificate | None:
    """None for what is no certificate: nothing says that such a place holds one."""
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415 - rarely needed

    try:
        return load_certificate(blob)
    except VerifierError:
        return None


def _signing(side: Side) -> tuple[Certificate, ...]:
    """All certificates of the Authenticode signatures; ParseError where those are malformed."""
    from verifier.signatures import cms, der  # noqa: PLC0415 - for signed images alone

    image: Image = side.layout.info
    if image.certificates is None:
        return ()
    place: Any = image.certificates
    table = bytes(side.data[place.offset : place.offset + min(place.length, 1 << 20)])
    found: list[Certificate] = []
    at = 0
    while at + 8 <= len(table) and len(found) < _MOST:
        length = int.from_bytes(table[at : at + 4], "little")
        if length <= 8 or at + length > len(table):
            raise ParseError("A WIN_CERTIFICATE does not fit into the certificate table", at)
        end = der.element_end(table, at + 8, at + length)
        found += cms.parse_signed_data(der.parse(table, at + 8, end)).certificates
        at += length + -length % 8
    return tuple(found)


def _subject(certificate: Certificate) -> str:
    from verifier.signatures.names import name_text  # noqa: PLC0415 - as above

    return name_text(certificate.subject)
