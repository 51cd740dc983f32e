"""Bytes of a paged file that no reader reaches, and the records that tell of them.

`remnants` lie in pages that are in use: gaps, tails. A store leaves parts of
moved records there, so files written in another order differ in them.
`unused bytes` are pages that are free, what follows the last page, and what
should be zero. Either may be left out by `volatile`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from verifier.sigdb.base import Effect, Record, weaker_by_default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.generic.rows import Plan

SCOPE = "(file)"
REMNANTS, UNUSED = "remnants", "unused bytes"


@dataclass
class Unread:
    """How many bytes are not zero, and the SHA-256 of the stretches that have any."""

    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, stretch: bytes) -> None:
        """Count one stretch; one of zeros counts for nothing."""
        if stretch.strip(b"\0"):
            self.count += len(stretch) - stretch.count(0)
            self.digest.update(stretch + b"\0")


@dataclass
class Hidden:
    """What one file holds beside what its readers read."""

    remnants: Unread = field(default_factory=Unread)
    unused: Unread = field(default_factory=Unread)

    def page(self, data: bytes, used: list[tuple[int, int]] | None) -> None:
        """Count one page, of which `used` are the stretches in use; None for a free one."""
        if used is None or not used:
            self.unused.add(data)
            return
        for start, end in gaps(used, len(data)):
            self.remnants.add(data[start:end])

    def records(self, plan: Plan, path: str) -> Iterator[Record]:
        """A record for each of the two that is not empty."""
        for name, found in ((REMNANTS, self.remnants), (UNUSED, self.unused)):
            if found.count and not plan.varies(SCOPE, name):
                count, digest = str(found.count), found.digest.hexdigest()
                body = (("bytes that are not zero", count), ("sha256", digest))
                yield Record(SCOPE, name, body, Effect.SETTING, (path, 0, 0))


def gaps(used: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """(start, end) of each unused stretch of `size` bytes; used ones may overlap."""
    ordered = sorted([(0, 0), *used, (size, size)])
    found, reached = [], 0
    for (_, end), (start, _) in pairwise(ordered):
        reached = max(reached, end)
        if start > reached:
            found.append((reached, start))
    return found


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """As by default; what no reader reads weakens nothing."""
    record = shipped or rebuilt
    if record is not None and record.scope == SCOPE and record.name in {REMNANTS, UNUSED}:
        return ""
    return weaker_by_default(rebuilt, shipped)
