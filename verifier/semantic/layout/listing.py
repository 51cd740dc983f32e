"""One function as lines of assembly in which references are names, so that two can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from verifier.formats.base import text
from verifier.semantic.layout import a64listing, armlisting
from verifier.semantic.layout.x86 import Flow

if TYPE_CHECKING:
    from verifier.semantic.layout.assembled import Assembled

_NUMBER = re.compile(r"[+-]?(?<!\w)(?:0x[0-9a-f]+|\d+)\b")
_WORD = 8
_STRING = 48  # bytes of a text that stand for its address


class Line(NamedTuple):
    """One instruction: what it is for comparison, what a person reads, and its parts.

    `bare` is the token with an arrow for the target; `target` the address, None without one.
    """

    token: str
    shown: str
    mnemonic: str
    operands: str
    bare: str
    target: int | None
    at: int


Namer = Callable[[int], tuple[str, str]]
"""For an address: what it is in terms of the shipped image (for tokens), and its name."""

_ARROW = "→"


@cache
def _formatter() -> Any:
    from iced_x86 import Formatter, FormatterSyntax  # noqa: PLC0415 - only for what differs

    formatter = Formatter(FormatterSyntax.INTEL)
    formatter.hex_prefix, formatter.hex_suffix = "0x", ""
    formatter.uppercase_hex = False
    formatter.branch_leading_zeros = False
    formatter.rip_relative_addresses = False
    formatter.space_after_operand_separator = True
    formatter.small_hex_numbers_in_decimal = False
    formatter.show_branch_size = False
    return formatter


def listing(image: Assembled, start: int, end: int, name: Namer) -> list[Line]:
    """The instructions of [start, end) that do something, in order."""
    piece = image.piece_at(start)
    if piece is None or piece.data is None:
        return []
    raw = bytes(piece.data[start - piece.address : end - piece.address])
    if image.program.machine == "aarch64":
        labels = _labels(image, start, end)
        return [Line(*each) for each in a64listing.lines(image, (start, end), raw, labels, name)]
    if image.program.machine == "arm":
        labels = _labels(image, start, end)
        return [Line(*each) for each in armlisting.lines(image, (start, end), raw, labels, name)]
    if image.program.machine.startswith("x86"):
        return _x86(image, start, raw, name)
    return []


def _x86(image: Assembled, start: int, raw: bytes, name: Namer) -> list[Line]:
    from iced_x86 import Decoder, Mnemonic  # noqa: PLC0415 - as above

    end = start + len(raw)
    bits = 64 if image.program.machine == "x86-64" else 32
    formatter = _formatter()
    slots = image.slots
    mine = slots.between(start, end)
    places = slots.at[mine].tolist()
    rebased = {
        at: (int(kind), target)
        for at, kind, target in zip(
            places, slots.kind[mine].tolist(), slots.target[mine].tolist(), strict=True
        )
    }
    found: list[Line] = []
    labels = _labels(image, start, end)
    for instruction in Decoder(bits, raw, ip=start):
        if instruction.mnemonic in (Mnemonic.NOP, Mnemonic.INT3):
            continue
        mnemonic = formatter.format_mnemonic(instruction).strip()
        operands = formatter.format_all_operands(instruction)
        token = shown = bare = operands
        outer: int | None = None
        target = instruction.near_branch_target
        if not target and instruction.is_ip_rel_memory_operand:
            target = instruction.ip_rel_memory_address
        if target:
            inside = labels.get(target) if start <= target < end else None
            what, label = (inside, inside) if inside else name(target)
            spelled = f"0x{target:x}"
            token, shown = operands.replace(spelled, what), operands.replace(spelled, label)
            bare = operands.replace(spelled, inside or _ARROW)
            outer = None if inside else target
            shown = _through(mnemonic, shown, label)
        for at in range(instruction.ip, instruction.ip + instruction.len):
            if at in rebased and not target:
                outer = rebased[at][1]
                what, label = name(outer)
                token, shown = f"{_plain(operands)} -> {what}", f"{operands} -> {label}"
                spelled = f"0x{outer + image.program.base:x}"
                if spelled in operands:
                    shown = _through(mnemonic, operands.replace(spelled, label), label)
                bare = f"{_plain(operands)} -> {_ARROW}"
        texts = f"{mnemonic} {token}", f"{mnemonic} {shown}"
        found.append(Line(*texts, mnemonic, operands, f"{mnemonic} {bare}", outer, instruction.ip))
    return found


def _through(mnemonic: str, shown: str, label: str) -> str:
    """A call through a slot that has a function's name, told as a call of that function."""
    indirect = shown.endswith(f"[{label}]") and "+0x" not in label
    return label if indirect and mnemonic in ("call", "jmp") else shown


def _plain(operands: str) -> str:
    """Operands without their numbers, for words that the loader rebases."""
    return _NUMBER.sub("#", operands)


def _labels(image: Assembled, start: int, end: int) -> dict[int, str]:
    """Every instruction of the function by its number among those that do something."""
    first, last = np.searchsorted(image.instructions, (start, end))
    found: dict[int, str] = {}
    number = 0
    for at, flow in zip(
        image.instructions[first:last].tolist(), image.flows[first:last].tolist(), strict=True
    ):
        found[at] = f".{number}"
        if flow != Flow.PADS:
            number += 1
    return found


def string_at(image: Assembled, address: int) -> str:
    """The text that begins at an address of data, quoted; empty if there is none.

    Words that are references are none, even if their bytes can be read as letters.
    """
    piece = image.piece_at(address)
    if piece is None or piece.data is None or piece.code:
        return ""
    at = address - piece.address
    raw = bytes(piece.data[at : at + _STRING])
    end = raw.find(b"\0")
    raw = raw if end < 0 else raw[:end]
    if len(raw) < 2 or not all(32 <= byte < 127 or byte in (9, 10) for byte in raw):
        return ""
    mine = image.slots.between(address - _WORD + 1, address + len(raw))
    if np.any(image.slots.at[mine] + image.slots.size[mine] > address):
        return ""
    return '"' + text(raw) + ("…" if end < 0 else "") + '"'
