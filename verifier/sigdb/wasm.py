"""Just enough WebAssembly to cut the code of YARA-X's rules apart: strict, and nothing is run.

Source: WebAssembly core specification 2.0, binary format. Code is cut behind
each call of one imported function, whose argument names the rule that ends there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"\0asm\1\0\0\0"
_IMPORTS, _CODE = 2, 10
_CALL, _CONST = 0x10, 0x41
_LEB, _TWO, _FOUR, _EIGHT, _TABLE, _TYPES, _PREFIX = range(1, 8)
_IMMEDIATES = {
    **dict.fromkeys((0x02, 0x03, 0x04, 0x0C, 0x0D, 0x10, 0x41, 0x42, 0xD0, 0xD2), _LEB),
    **dict.fromkeys((0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x3F, 0x40), _LEB),
    **dict.fromkeys((0x11, *range(0x28, 0x3F)), _TWO),
    0x0E: _TABLE, 0x1C: _TYPES, 0x43: _FOUR, 0x44: _EIGHT, 0xFC: _PREFIX,
}  # fmt: skip
_PLAIN = {0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1, *range(0x45, 0xC5)}
_PREFIXED = {8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}


class Piece(NamedTuple):
    """Bytes of a module: code up to a call and the constant pushed last before it, or others (-1).

    Pieces in their order hold every byte of the module but the lengths of functions
    and of the code, which follow from the rest.
    """

    argument: int
    code: bytes


class _Reader:
    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at = data, at
        self.end = len(data) if end is None else end

    def byte(self) -> int:
        if self.at >= self.end:
            raise ParseError("WebAssembly code is cut short", self.at)
        self.at += 1
        return self.data[self.at - 1]

    def skip(self, size: int) -> bytes:
        if size > self.end - self.at:
            raise ParseError("WebAssembly code is cut short", self.at)
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        """A LEB128 number; signed ones are read as what their bits say."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value
            if shift > 63:
                raise ParseError("A WebAssembly number has no end", self.at)

    def name(self) -> bytes:
        return self.skip(self.number())


def pieces(module: bytes, function: bytes) -> list[Piece]:
    """All code of a module, cut behind each call of the import whose name starts so."""
    if module[:8] != _MAGIC:
        raise ParseError("Compiled rules hold no WebAssembly module", 0)
    reader = _Reader(module, 8)
    called = -1
    found = [Piece(-1, _MAGIC)]
    while reader.at < reader.end:
        head = reader.at
        section, size = reader.byte(), reader.number()
        start = reader.at
        reader.skip(size)
        inner = _Reader(module, start, start + size)
        if section == _CODE:
            found.append(Piece(-1, bytes((_CODE,))))
            found += _functions(inner, called)
        else:
            found.append(Piece(-1, module[head : reader.at]))
            called = _imported(inner, function) if section == _IMPORTS else called
    return found


def _functions(reader: _Reader, called: int) -> Iterator[Piece]:
    """All functions; each must end where its length says."""
    count = reader.number()
    yield Piece(-1, count.to_bytes(8, "little"))
    for _ in range(count):
        length = reader.number()
        start = reader.at
        reader.skip(length)
        yield from _cut(_Reader(reader.data, start, reader.at), called)
    if reader.at != reader.end:
        raise ParseError("WebAssembly code goes on after its last function", reader.at)


def _imported(reader: _Reader, function: bytes) -> int:
    """The number of an imported function, -1 if it is not imported."""
    functions = 0
    found = -1
    for _ in range(reader.number()):
        reader.name()
        name, kind = reader.name(), reader.byte()
        if kind == 0:
            found = functions if name.startswith(function) else found
            functions += 1
            reader.number()
        elif kind == 3:
            reader.skip(2)
        else:
            reader.skip(1 if kind == 1 else 0)
            for _ in range(1 + (reader.byte() & 1)):
                reader.number()
    return found


def _cut(reader: _Reader, called: int) -> Iterator[Piece]:
    """One function's body, cut behind the calls."""
    start = reader.at
    for _ in range(reader.number()):  # groups of locals
        reader.number()
        reader.byte()
    constant = -1
    while reader.at < reader.end:
        opcode = reader.byte()
        if opcode == _CONST:
            constant = reader.number()
        elif opcode == _CALL:
            if reader.number() == called:
                yield Piece(constant, reader.data[start : reader.at])
                start = reader.at
        else:
            _pass(reader, opcode)
    if start < reader.at:
        yield Piece(-1, reader.data[start : reader.at])


def _pass(reader: _Reader, opcode: int) -> None:
    """Step over what follows an opcode."""
    if opcode in _PLAIN:
        return
    kind = _IMMEDIATES.get(opcode, 0)
    if kind == _PREFIX:
        counts = [_PREFIXED.get(reader.number(), 0)]
    elif kind == _TABLE:
        counts = [reader.number() + 1]
    elif kind in (_LEB, _TWO):
        counts = [kind]
    elif kind == _TYPES:
        counts = [reader.number()]
    elif kind in (_FOUR, _EIGHT):
        reader.skip(4 if kind == _FOUR else 8)
        return
    else:
        raise ParseError("WebAssembly code has an unknown instruction", reader.at - 1)
    for _ in range(counts[0]):
        reader.number()
