"""One AArch64 function as lines of assembly in which references are names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.semantic.layout.assembled import Assembled

_NUMBER = re.compile(r"#-?(?:0x[0-9a-f]+|\d+)")
_TARGET = re.compile(r"#(0x[0-9a-f]+|\d+)$")
_PC = ("b", "bl", "cbz", "cbnz", "tbz", "tbnz", "adr")
_WORD = 4

Texts = tuple[str, str, str, str, str, int | None, int]
"""The parts of a `Line`, in its order."""


def lines(
    image: Assembled,
    span: tuple[int, int],
    raw: bytes,
    labels: dict[int, str],
    name: Callable[[int], tuple[str, str]],
) -> list[Texts]:
    """The instructions in `span` that do something; `raw` is their code."""
    import capstone  # type: ignore[import-untyped]  # noqa: PLC0415 - only for what differs

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.skipdata = True
    start, end = span
    mine = image.slots.between(start, end)
    slots = {
        at: (kind, target)
        for at, kind, target in zip(
            image.slots.at[mine].tolist(),
            image.slots.kind[mine].tolist(),
            image.slots.target[mine].tolist(),
            strict=True,
        )
    }
    found: list[Texts] = []
    for at, _size, mnemonic, operands in engine.disasm_lite(raw, start):
        if mnemonic == "nop":
            continue
        if at in slots:
            kind, target = slots[at]
            what, label = ("a page",) * 2 if kind == Kind.PAGE else name(target)
            token, shown, bare = (_with(operands, each) for each in (what, label, "→"))
            texts = (f"{mnemonic} {each}" for each in (token, shown))
            found.append((*texts, mnemonic, operands, f"{mnemonic} {bare}", target, at))
            continue
        inside = _inner(mnemonic, operands, labels, span)
        text = f"{mnemonic} {_with(operands, inside) if inside else operands}"
        found.append((text, text, mnemonic, operands, text, None, at))
    return found


def _inner(mnemonic: str, operands: str, labels: dict[int, str], span: tuple[int, int]) -> str:
    """The label of a place in the same function that a branch leads to; empty if none."""
    if mnemonic not in _PC and not mnemonic.startswith(("b.", "ldr")):
        return ""
    target = _TARGET.search(operands)
    if target is None or not span[0] <= int(target[1], 0) < span[1]:
        return ""
    return labels.get(int(target[1], 0), "")


def _with(operands: str, name: str) -> str:
    """The operands with a name for their last number, or behind them where there is none."""
    numbers = list(_NUMBER.finditer(operands))
    if not numbers:
        return f"{operands} {name}"
    last = numbers[-1]
    return operands[: last.start()] + name + operands[last.end() :]
