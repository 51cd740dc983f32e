"""AArch64 code once more, from capstone's text: for checking a saved map with another decoder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from verifier.semantic.layout.program import Kind, table_of
from verifier.semantic.layout.x86 import Code, Flow, Registers

if TYPE_CHECKING:
    from collections.abc import Sequence

_REGISTER = re.compile(r"(?<![\w.])[xw](\d+)\b|(?<![\w.#])(fp|lr)\b")
_TARGET = re.compile(r"#(-?0x[0-9a-f]+|-?\d+)$")
_SUM = re.compile(r"x\d+, (?:x(\d+)|(fp|lr)), #(0x[0-9a-f]+|\d+)$|")
_FIELD = re.compile(r"\[(?:x(\d+)|(fp|lr))(?:, #(0x[0-9a-f]+|\d+))?\]$")
_NAMES = {"fp": 29, "lr": 30}
_ALL = 0x1FF
_READS = {"cmp", "cmn", "tst", "ccmp", "ccmn", "cbz", "cbnz", "tbz", "tbnz", "br", "blr", "ret",
          "msr", "braa", "brab", "blraa", "blrab", "braaz", "brabz", "blraaz", "blrabz",
          "dc", "ic", "at", "tlbi", "sys", "b", "bl"}  # fmt: skip
_KEEPS = {"movk", "bfi", "bfxil", "bfm", "bfc", "pacia", "pacib", "pacda", "pacdb", "paciza",
          "pacizb", "pacdza", "pacdzb", "autia", "autib", "autda", "autdb", "autiza", "autizb",
          "autdza", "autdzb", "xpaci", "xpacd"}  # fmt: skip
_ADR, _IMM12 = 0x60FFFFE0, 0x003FFC00  # fields of numbers
_IP = 0x30000  # x16 and x17
_TOUCHED = dict.fromkeys(("pacia1716", "pacib1716", "autia1716", "autib1716"), (_IP, _IP))
_TOUCHED |= dict.fromkeys(("svc", "hvc", "smc"), (_ALL, _ALL)) | {"bl": (0, 1 << 30)}
_SCALED = {"ldr", "str", "ldrb", "strb", "ldrh", "strh", "ldrsb", "ldrsh", "ldrsw", "prfm"}
_ENDS = {"ret", "retaa", "retab", "eret", "eretaa", "eretab", "drps", "brk", "hlt", "udf"}
_JUMPS = {"br", "braa", "brab", "braaz", "brabz"}
_CALLS = {"blr", "blraa", "blrab", "blraaz", "blrabz"}
_FLOWS = {"nop": (Flow.PADS, 0), "b": (Flow.ENDS, Kind.BRANCH), "bl": (Flow.CALLS, Kind.CALL)}
_FLOWS |= dict.fromkeys(_ENDS, (Flow.ENDS, 0))
_FLOWS |= dict.fromkeys(_JUMPS, (Flow.JUMPS_FAR, 0))
_FLOWS |= dict.fromkeys(_CALLS, (Flow.CALLS, 0))
_PAIRS = {"stp", "ldp", "ldpsw", "stnp", "ldnp"}
_SINGLES = {*_SCALED, "ldur", "stur", "ldurb", "sturb", "ldurh", "sturh", "ldursb", "ldursh",
            "ldursw", "prfum", "ldtr", "sttr", "ldtrb", "sttrb", "ldtrh", "sttrh", "ldtrsb",
            "ldtrsh", "ldtrsw"}  # fmt: skip
_LOADS = {*_PAIRS, *_SINGLES}


def decode(data: bytes, base: int, _machine: str, _atoms: Sequence[int]) -> Code:
    """As `aarch64.decode`."""
    import capstone  # type: ignore[import-untyped]  # noqa: PLC0415 - only for checking

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.skipdata = True
    whole = len(data) // 4 * 4
    sweep = _Sweep()
    for place, size, name, operands in engine.disasm_lite(data[:whole], base):
        for at in range(place, place + size, 4):  # what does not decode may come in one
            raw = data[at - base : at - base + 4]
            sweep.take(at, int.from_bytes(raw, "little"), name, operands)
    rest = [base + whole] if len(data) != whole or base % 4 else []
    return Code(
        np.array([*sweep.starts, *rest], dtype=np.int64),
        np.array([*sweep.flows, *(Flow.NEXT for _ in rest)], dtype=np.int64),
        table_of(sweep.rows),
        [*sweep.bad, *rest],
        sweep.indirect,
        np.array(sweep.normal, dtype="<u4").tobytes() + data[whole:],
        Registers(*(np.array(column, dtype=np.int64) for column in sweep.columns)),
    )


class _Sweep:
    def __init__(self) -> None:
        self.starts: list[int] = []
        self.flows: list[int] = []
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.bad: list[int] = []
        self.indirect: list[int] = []
        self.normal: list[int] = []
        self._known: dict[int, tuple[int, int]] = {}
        # uses, defs, page, base, offset, taken
        self.columns: tuple[list[int], ...] = ([], [], [], [], [], [])

    def take(self, at: int, word: int, name: str, operands: str) -> None:
        self.starts.append(at)
        group = word >> 25 & 15
        if group in (0, 1, 2, 3) or name[0] == ".":
            self._unknown(at, word, group)
            return
        flow, kind = _nature(name)
        self.flows.append(flow)
        if flow == Flow.JUMPS_FAR:
            self.indirect.append(at)
        field = self._reference(at, name, operands, kind)
        page, base, offset, taken = -1, -1, 0, 0
        if name == "adrp" and (found := _TARGET.search(operands)):
            page = int(found[1], 0)
            page, field = (-1 if page >> 63 else page), (0 if page >> 63 else _ADR)
        elif name == "add" and (found := _SUM.match(operands)) and found[3]:
            base, offset, taken = _number(found[1], found[2]), int(found[3], 0), 1
        elif name in _SCALED and (found := _FIELD.search(operands)):
            base, offset = _number(found[1], found[2]), int(found[3] or "0", 0)
        self.normal.append(word & ~(field if base < 0 else _IMM12))
        if word not in self._known:
            self._known[word] = _touched(name, operands, word)
        row = (*self._known[word], page, base, offset, taken)
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    def _reference(self, at: int, name: str, operands: str, kind: int) -> int:
        """Note a branch, an `adr` or a literal; returns the bits that hold its distance."""
        literal = name in ("ldr", "ldrsw", "prfm") and "[" not in operands
        if not (kind or literal or name == "adr"):
            return 0
        kind = kind or (Kind.ACCESS if literal else Kind.TAKEN)
        found = _TARGET.search(operands)
        target = int(found[1], 0) if found else -1
        if target < 0 or target >> 63:
            self.bad.append(at)
        else:
            self.rows.append((at, 4, kind, target, 0))
        return _field(name)

    def _unknown(self, at: int, word: int, group: int) -> None:
        """What is no instruction, or one that only its fields are known of."""
        reserved = group == 0 and not word >> 31 and word >> 16
        if group in (1, 3) or reserved or not word:
            self.bad.append(at)
        self.flows.append(Flow.NEXT if word >> 16 else Flow.ENDS)
        self.normal.append(word)
        could = _fields(word)
        for column, value in zip(self.columns, (could, could, -1, -1, 0, 0), strict=True):
            column.append(value)


def _number(plain: str | None, name: str | None) -> int:
    return int(plain) if plain else _NAMES[name or ""]


def _nature(name: str) -> tuple[int, int]:
    if name in _FLOWS:
        return _FLOWS[name]
    if name.startswith(("b.", "bc.")) or name in ("cbz", "cbnz", "tbz", "tbnz"):
        return Flow.BRANCHES, Kind.BRANCH
    return Flow.NEXT, 0


def _field(name: str) -> int:
    """The bits that hold the distance."""
    if name in ("b", "bl"):
        return 0x03FFFFFF
    if name in ("tbz", "tbnz"):
        return 0x0007FFE0
    return _ADR if name == "adr" else 0x00FFFFE0


def _fields(word: int) -> int:
    found = 0
    for shift in (0, 5, 10, 16):
        number = word >> shift & 31
        found |= 0 if number == 31 else 1 << number
    return found


def _set(text: str) -> int:
    found = 0
    for plain, name in _REGISTER.findall(text):
        found |= 1 << _number(plain, name)
    return found


def _touched(name: str, operands: str, word: int) -> tuple[int, int]:
    """(registers read, registers written) as bit sets."""
    if name == "hint":  # one that has no name yet
        return (_IP, _IP) if word & 0xF00 in (0x100, 0x500) else (0, 0)
    if name in _TOUCHED:
        return _TOUCHED[name]
    if name in _CALLS:
        return _set(operands), 1 << 30
    if name in _READS:
        return _set(operands) or (1 << 30 if name == "ret" else 0), 0
    return _moved(name, operands, word)


def _moved(name: str, operands: str, word: int) -> tuple[int, int]:
    """As `_touched`, of what loads, stores or computes."""
    split = operands.rfind("[")  # one before it is of a vector's element
    before, bracket, inner = operands[:split], split >= 0, operands[split + 1 :]
    if name in ("rmif", "setf8", "setf16"):
        return _fields(word), _fields(word)
    if bracket and word >> 25 & 5 == 4:
        return _memory(name, before, inner, word)
    if word >> 25 & 5 == 4 and name not in _LOADS:
        return _fields(word), _fields(word)
    first, _comma, rest = operands.partition(",")
    written = _set(first) if first[:1] in "xwfl" else 0
    read = _set(rest) if written or first[:1] in "wx" else _set(operands)
    return read | (written if name in _KEEPS else 0), written


def _memory(name: str, before: str, inner: str, word: int) -> tuple[int, int]:
    """Loads and stores: what stands before the bracket is moved, what is in it is read."""
    vectors = before.startswith("{")
    if name not in _LOADS and not vectors:
        return _fields(word), _fields(word)
    moved, place = _set(before), _set(inner)
    base = _set(inner.partition(",")[0].partition("]")[0])
    after = inner.partition("]")[2]
    written = base if after else 0
    if name.startswith(("st", "pr")) or vectors:
        return moved | place, written
    return place, moved | written
