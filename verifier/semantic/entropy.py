"""Sections that are plain on one side and compressed, encrypted or packed on the other."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from verifier.model import Difference
from verifier.semantic.parts import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.formats.base import Side

_SMALLEST: Final = 1_024  # bytes of a section for which the figure means something
_SAMPLE: Final = 1 << 14
_SAMPLES: Final = 16  # evenly spread
_SECTIONS: Final = 64
_JUMP: Final = 1.5  # bits for each byte
_DENSE: Final = 7.2  # bits for each byte from which on content looks packed


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Sections of both images whose density differs much, and new dense ones that run."""
    for one, other in changed(shipped, rebuilt)[:_SECTIONS]:
        mine = None if one is None else density(one.data(shipped))
        theirs = None if other is None else density(other.data(rebuilt))
        label = (one or other).label  # type: ignore[union-attr]
        if mine is None and theirs is None:
            continue
        if one is not None and other is not None and mine is not None and theirs is not None:
            if abs(mine - theirs) < _JUMP or max(mine, theirs) < _DENSE:
                continue
            which = "shipped" if mine > theirs else "rebuilt"
            summary = (
                f"Shipped {mine:.1f}, rebuilt {theirs:.1f} bits of information a byte: the {which}"
                " one looks compressed, encrypted or packed."
            )
            yield Difference("entropy", label, summary, one.offset, one.length)
        elif other is None and one is not None and one.executable and (mine or 0) >= _DENSE:
            summary = f"Only the shipped image has this dense executable section ({mine:.1f} bits)."
            yield Difference("entropy", label, summary, one.offset, one.length)


def density(data: Buffer) -> float | None:
    """Shannon entropy in bits a byte, of samples of large data; None for too little data."""
    if len(data) < _SMALLEST:
        return None
    step = max(_SAMPLE, len(data) // _SAMPLES)
    sample = b"".join(bytes(data[at : at + _SAMPLE]) for at in range(0, len(data), step))
    counts = Counter(sample).values()
    return -sum(each / len(sample) * math.log2(each / len(sample)) for each in counts)
