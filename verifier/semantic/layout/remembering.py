"""Decode the second of two images that are much alike: what it shares with the first is not read.

For finding a map alone; whoever judges a saved one decodes both images in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import alike, decoders, spliced, x86

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.semantic.layout.x86 import Code

_LEAST = 1 << 12  # bytes of code from which on this is worth it
_MOST = 16  # sections that are remembered


class Remembering:
    """`decoders.first`, which reads only those atoms of x86 code that it has not read before.

    Every atom is decoded alone, or as if it were: what one holds says nothing of another.
    """

    def __init__(self) -> None:
        self._known: list[tuple[str, alike.Section, Code]] = []

    def __call__(self, data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
        """As `decoders.first`."""
        if not machine.startswith("x86") or len(data) < _LEAST:
            return decoders.first(data, base, machine, atoms)
        inside = [at for at in atoms if base < at < base + len(data)]
        cuts = np.unique(np.array([base, *inside, base + len(data)], dtype=np.int64))
        section = alike.Section(base, data, cuts)
        code = self._code(section, machine)
        self._known = [each for each in self._known if not _same(each[1], section)]
        self._known = [*self._known[1 - _MOST :], (machine, section, code)]
        fields = x86.fields(data, base) if machine == "x86" else None
        return code._replace(flows=code.flows.copy(), bad=list(code.bad), fields=fields)

    def _code(self, new: alike.Section, machine: str) -> Code:
        known = [(section, code) for which, section, code in self._known if which == machine]
        for section, code in known:
            if _same(section, new) and len(np.setdiff1d(section.cuts, new.cuts)) == 0:
                return x86.refined(code, new.data, new.base, machine, new.cuts.tolist())
        if not known:
            return x86.decode(new.data, new.base, machine, new.cuts.tolist())
        nearest = min(known, key=lambda each: abs(len(each[0].data) - len(new.data)))
        code, left = alike.copied(*nearest, new)
        return spliced.replaced(code, left, x86.decode_parts(new.data, new.base, machine, left))


def _same(one: alike.Section, other: alike.Section) -> bool:
    return one.base == other.base and one.data == other.data
