"""The decoders of each machine: `first` finds maps, `second` judges saved ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import aarch64, capstone_aarch64, capstone_x86, x86
from verifier.semantic.layout.program import table_of
from verifier.semantic.layout.x86 import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST = {"x86-64": x86.decode, "x86": x86.decode, "aarch64": aarch64.decode}
_SECOND = {
    "x86-64": capstone_x86.decode,
    "x86": capstone_x86.decode,
    "aarch64": capstone_aarch64.decode,
}


def first(data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """Decode with the decoder that is fast."""
    return _FIRST.get(machine, _none)(data, base, machine, atoms)


def second(data: bytes, base: int, machine: str, atoms: Sequence[int]) -> Code:
    """Decode with a decoder that shares nothing with the first one."""
    return _SECOND.get(machine, _none)(data, base, machine, atoms)


def _none(_data: bytes, _base: int, machine: str, _atoms: Sequence[int]) -> Code:
    empty = np.zeros(0, dtype=np.int64)
    return Code(empty, empty, table_of([]), [], [], doubts=(f"Code of {machine} is not decoded.",))
