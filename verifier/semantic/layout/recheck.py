"""Judge a saved map again, with another decoder than the one that found it, and no matcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier.errors import ParseError
from verifier.semantic.layout import decoders, encode, neutral, proof, rebased
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.explain import LOADERS

if TYPE_CHECKING:
    from collections.abc import Sequence


def judge(
    layout: dict[str, Any],
    shipped: memoryview,
    rebuilt: memoryview,
    settled: Sequence[tuple[int, int, int, int]],
) -> tuple[str, int]:
    """What is wrong with one entry of a proof's `layouts` ("" for nothing); its assumptions.

    Args:
        layout: the entry.
        shipped: the bytes of the shipped image.
        rebuilt: the bytes of the rebuilt image.
        settled: (offset, length, rebuilt offset, rebuilt length) of what other rules patched.

    Raises:
        VerifierError: an image or the map is not well-formed.
    """
    if layout["format"] not in LOADERS:
        raise ParseError(f"The proof maps images of the unknown format {layout['format']!r}.")
    load = LOADERS[layout["format"]]
    ours = [(place[2], place[3]) for place in settled]
    others = [(place[0], place[1]) for place in settled]
    extents = encode.decode(layout["map"])
    if layout["format"] == "pe" and (found := rebased.find(shipped, rebuilt, others, ours)):
        moved = [extent for extent in extents if extent.a != extent.b]
        return ("The map moves what did not move." if moved else ""), len(found.assumptions)
    mine, theirs = neutral.without(rebuilt, ours), neutral.without(shipped, others)
    one, other = (assemble(load(data), decoders.second) for data in (mine, theirs))
    finding = proof.check(one, other, extents)
    return (finding.faults[0] if finding.faults else ""), len(finding.assumptions)
