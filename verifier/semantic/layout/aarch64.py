"""AArch64 code: flow and references of all words at once, by numpy.

Arm Architecture Reference Manual for A-profile, C4 (A64 instruction set encoding).
`capstone_aarch64` decodes the same once more; `pages` joins addresses that are made in two steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout import a64registers
from verifier.semantic.layout.program import Ints, Kind, table_of
from verifier.semantic.layout.x86 import Code, Flow

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

WORD = 4
_NOP = 0xD503201F
_IMM26, _IMM19, _IMM14, _IMM12 = 0x03FFFFFF, 0x00FFFFE0, 0x0007FFE0, 0x003FFC00
_ADR = 0x60FFFFE0
_MOST = 1 << 62


def decode(data: bytes, base: int, _machine: str, _atoms: Sequence[int]) -> Code:
    """Decode `data` at address `base`. Instructions are words, so that no start can be missed."""
    count = len(data) // WORD
    words = np.frombuffer(data, dtype="<u4", count=count).astype(np.int64)
    places = base + WORD * np.arange(count, dtype=np.int64)
    bad = _no_code(words)
    registers = a64registers.registers(words, places)
    rows: list[tuple[int, int, int, int, int]] = []
    normal = words.copy()
    for found, kind, targets, field in _references(words, places):
        chosen = found & ~bad
        ends = targets[chosen]
        odd = (ends < 0) | (ends >= _MOST)  # no address of an image: these bytes are data
        bad[np.flatnonzero(chosen)[odd]] = True
        normal[chosen] &= ~field
        at = places[chosen][~odd].tolist()
        rows += [(one, WORD, int(kind), two, 0) for one, two in zip(at, ends[~odd], strict=True)]
    normal[registers.page >= 0] &= ~_ADR
    normal[registers.base >= 0] &= ~_IMM12
    flows = _flows(words)
    indirect = places[(flows == Flow.JUMPS_FAR) & ~bad].tolist()
    odd_end = [base + WORD * count] if len(data) % WORD or base % WORD else []
    return Code(
        np.append(places, odd_end).astype(np.int64),
        np.append(flows, [Flow.NEXT] * len(odd_end)).astype(np.int64),
        table_of(
            [(at, size, kind, int(target), symbol) for at, size, kind, target, symbol in rows]
        ),
        [*places[bad].tolist(), *odd_end],
        indirect,
        normal.astype("<u4").tobytes() + data[WORD * count :],
        registers,
    )


def signed(words: Ints, low: int, width: int) -> Ints:
    """The signed field of `width` bits from bit `low` on."""
    shift = 64 - width
    field: Ints = ((words >> low) << shift) >> shift
    return field


def _no_code(words: Ints) -> Mask:
    """Words in groups that are not allocated, and zeros (C4.1)."""
    group = (words >> 25) & 15
    reserved = (group == 0) & (words >> 31 == 0) & (words >> 16 != 0)
    found: Mask = (group == 1) | (group == 3) | reserved | (words == 0)
    return found


def _references(words: Ints, places: Ints) -> list[tuple[Mask, Kind, Ints, int]]:
    """(which words, kind, target, bits of the field) of each encoding that names an address."""
    far = (words & 0x7C000000) == 0x14000000
    links = words >> 31 == 1
    jump = places + 4 * signed(words, 0, 26)
    near = places + 4 * signed(words, 5, 19)
    compare = ((words & 0xFF000000) == 0x54000000) | ((words & 0x7E000000) == 0x34000000)
    test = (words & 0x7E000000) == 0x36000000
    literal = (words & 0x3B000000) == 0x18000000
    adr = (words & 0x9F000000) == 0x10000000
    taken = places + 4 * signed(words, 5, 19) + ((words >> 29) & 3)
    return [
        (far & links, Kind.CALL, jump, _IMM26),
        (far & ~links, Kind.BRANCH, jump, _IMM26),
        (compare, Kind.BRANCH, near, _IMM19),
        (test, Kind.BRANCH, places + 4 * signed(words, 5, 14), _IMM14),
        (literal, Kind.ACCESS, near, _IMM19),
        (adr, Kind.TAKEN, taken, _ADR),
    ]


def _flows(words: Ints) -> Ints:
    flows = np.full(len(words), Flow.NEXT, dtype=np.int64)
    far = (words & 0x7C000000) == 0x14000000
    flows[far] = np.where(words[far] >> 31 == 1, Flow.CALLS, Flow.ENDS)
    conditional = ((words & 0xFF000000) == 0x54000000) | ((words & 0x7C000000) == 0x34000000)
    flows[conditional] = Flow.BRANCHES
    register = (words & 0xFE000000) == 0xD6000000
    operation = (words >> 21) & 15
    flows[register & ((operation & 7) == 0)] = Flow.JUMPS_FAR  # br, braa, brab
    flows[register & ((operation & 7) == 1)] = Flow.CALLS  # blr, blraa, blrab
    flows[register & ((operation & 7) > 1)] = Flow.ENDS  # ret, eret, drps
    flows[(words & 0xFFE0001F) == 0xD4200000] = Flow.ENDS  # brk
    flows[(words & 0xFFE0001F) == 0xD4400000] = Flow.ENDS  # hlt
    flows[words >> 16 == 0] = Flow.ENDS  # udf
    flows[words == _NOP] = Flow.PADS
    return flows
