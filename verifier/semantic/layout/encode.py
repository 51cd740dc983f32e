"""A map as text for proofs: the extents as differences of numbers, compressed."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.semantic.layout.extent import FARTHEST, Extent

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 64 << 20  # bytes of an unpacked map


def encode(extents: Sequence[Extent]) -> str:
    """The extents, in order of their address in the rebuilt image."""
    flat: list[int] = []
    a = b = 0
    for extent in sorted(extents):
        flat += [extent.a - a, extent.b - b, extent.length]
        a, b = extent.a + extent.length, extent.b + extent.length
    raw = json.dumps(flat, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def decode(text: str) -> list[Extent]:
    """What `encode` wrote; ParseError where it is something else."""
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST)
        flat = json.loads(raw)
    except (ValueError, RecursionError, zlib.error) as error:
        raise ParseError(f"The map of the proof cannot be read ({error}).") from error
    whole = isinstance(flat, list) and len(flat) % 3 == 0
    if not whole or not all(type(item) is int for item in flat):
        raise ParseError("The map of the proof is no list of extents.")
    if any(abs(item) > FARTHEST for item in flat):
        raise ParseError("The map of the proof speaks of addresses beyond all images.")
    found: list[Extent] = []
    a = b = 0
    for at in range(0, len(flat), 3):
        a, b = a + flat[at], b + flat[at + 1]
        if max(abs(a), abs(b)) > FARTHEST:
            raise ParseError("The map of the proof speaks of addresses beyond all images.")
        found.append(Extent(a, b, flat[at + 2]))
        a, b = a + flat[at + 2], b + flat[at + 2]
    return found
