"""Judge a saved map again, with another decoder than the one that found it, and no matcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier.errors import ParseError
from verifier.semantic.layout import capstone_x86, encode, neutral, proof
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
    mine = neutral.without(rebuilt, [(place[2], place[3]) for place in settled])
    theirs = neutral.without(shipped, [(place[0], place[1]) for place in settled])
    one, other = (assemble(load(data), capstone_x86.decode) for data in (mine, theirs))
    found = proof.check(one, other, encode.decode(layout["map"]))
    return (found.faults[0] if found.faults else ""), len(found.assumptions)
