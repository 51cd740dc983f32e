"""Decode the second of two images that are much alike: only the atoms that differ are read again.

For finding a map alone; whoever judges one decodes both images in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import decoders, x86

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from verifier.semantic.layout.program import Ints
    from verifier.semantic.layout.x86 import Code

_Known = tuple[bytes, list[int], "Code"]


class Remembering:
    """`decoders.first` for x86 that reads only those atoms again which differ from the last image.

    Every atom is decoded alone, or as if it were: what one holds says nothing of another.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, int], _Known] = {}

    def __call__(self, data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
        """As `decoders.first`."""
        if not machine.startswith("x86"):
            return decoders.first(data, base, machine, atoms)
        key = base, machine, len(data)
        inside = [at for at in atoms if base <= at < base + len(data)]
        before = self._known.get(key)
        if before is None or before[1] != inside:
            code = x86.decode(data, base, machine, atoms)
        else:
            code = _again(data, base, machine, before)
        self._known[key] = data, inside, code
        return code._replace(flows=code.flows.copy(), bad=list(code.bad))


def _again(data: bytes, base: int, machine: str, before: _Known) -> Code:
    """The code of `data`, whose atoms begin where those of an image known before do."""
    known, atoms, code = before
    if data == known:
        return code
    pair = [np.frombuffer(each, dtype=np.uint8) for each in (data, known)]
    cuts = np.array(sorted({base, *atoms, base + len(data)}), dtype=np.int64)
    where = np.searchsorted(cuts, np.flatnonzero(pair[0] != pair[1]) + base, side="right") - 1
    spoilt = np.zeros(len(cuts), dtype=np.bool_)
    spoilt[where] = True
    places = [(int(cuts[at]), int(cuts[at + 1])) for at in np.flatnonzero(spoilt).tolist()]
    new = x86.decode_parts(data, base, machine, places)

    def kept(addresses: Ints) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = ~spoilt[np.searchsorted(cuts, addresses, side="right") - 1]
        return result

    def merged(old: list[int], more: list[int]) -> list[int]:
        places = np.array(old, dtype=np.int64)
        return sorted([*places[kept(places)].tolist(), *more])

    old = kept(code.starts)
    starts = np.concatenate([code.starts[old], new.starts])
    order = np.argsort(starts, kind="stable")
    rows = np.concatenate([code.rows[kept(code.rows[:, 0])], new.rows])
    return code._replace(
        starts=starts[order],
        flows=np.concatenate([code.flows[old], new.flows])[order],
        rows=rows[np.argsort(rows[:, 0], kind="stable")],
        bad=merged(code.bad, new.bad),
        indirect=merged(code.indirect, new.indirect),
        fields=x86.fields(data, base) if code.fields else None,
    )
