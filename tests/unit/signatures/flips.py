"""Change every byte of a certificate table, and see which changes a check notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.signatures.pe import cached, read_image
from verifier.errors import VerifierError
from verifier.signatures.authenticode import verify_certificate_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.signatures.model import SignatureReport
    from verifier.signatures.trust import Trust


def declared_offsets(report: SignatureReport) -> set[int]:
    return {
        offset
        for each in report.unchecked
        for offset in range(each.offset, each.offset + each.length)
    }


def anchors(report: SignatureReport) -> int:
    """How many chains reach what the auditor named; a flip that lowers this is noticed."""
    return sum(each.pinned + each.timestamp_pinned for each in report.signers)


def unnoticed_offsets(
    data: bytes, trust: Trust, masks: Iterable[int], offsets: Iterable[int] | None = None
) -> tuple[set[int], SignatureReport]:
    """Offsets at which some flip is accepted and stays pinned; the report of the intact table."""
    image = read_image(data)
    digest = cached(image.digest)
    report = verify_certificate_table(image.table, digest, trust)
    found = set()
    masks = tuple(masks)
    table = bytearray(image.table)
    for offset in range(len(table)) if offsets is None else offsets:
        for mask in masks:
            table[offset] ^= mask
            try:
                changed = verify_certificate_table(bytes(table), digest, trust)
            except VerifierError:
                pass
            else:
                if anchors(changed) >= anchors(report):
                    found.add(offset)
            table[offset] ^= mask
    return found, report
