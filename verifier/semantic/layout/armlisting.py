"""One ARM or Thumb function as lines of assembly in which references are names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.semantic.layout import arm

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.semantic.layout.a64listing import Texts
    from verifier.semantic.layout.assembled import Assembled

_NUMBER = re.compile(r"#?-?(?:0x[0-9a-f]+|\b\d+)$")
_TARGET = re.compile(r"(?:^|, )#(0x[0-9a-f]+|\d+)$")
_IDLE = ("nop", "nop.w")


def lines(
    image: Assembled,
    span: tuple[int, int],
    raw: bytes,
    labels: dict[int, str],
    name: Callable[[int], tuple[str, str]],
) -> list[Texts]:
    """The instructions and words in `span` that mean something; `raw` is their code."""
    start, end = span
    mine = image.slots.between(start, end)
    slots = dict(zip(image.slots.at[mine].tolist(), image.slots.target[mine].tolist(), strict=True))
    symbols = dict(
        zip(image.slots.at[mine].tolist(), image.slots.symbol[mine].tolist(), strict=True)
    )
    found: list[Texts] = []
    for at, _size, mnemonic, operands in arm.instructions(image.program.modes, raw, start):
        if mnemonic in _IDLE:
            continue
        if at in slots:
            target = slots[at]
            symbol = image.program.symbols[symbols[at]]
            what, label = (symbol, symbol) if symbol else name(target)
            token, shown, bare = (_with(operands, each) for each in (what, label, "→"))
            texts = (f"{mnemonic} {token}", f"{mnemonic} {shown}")
            outer = None if symbol else target
            found.append((*texts, mnemonic, operands, f"{mnemonic} {bare}", outer, at))
            continue
        hit = _TARGET.search(operands) if mnemonic[0] in "bc" else None
        inside = labels.get(int(hit[1], 0), "") if hit else ""
        text = f"{mnemonic} {_with(operands, inside) if inside else operands}"
        found.append((text, text, mnemonic, operands, text, None, at))
    return found


def _with(operands: str, name: str) -> str:
    return _NUMBER.sub(name.replace("\\", "\\\\"), operands, count=1)
