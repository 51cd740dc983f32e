"""Method bodies: instructions with what their tokens name (ECMA-335, II.25.4 and III)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.errors import ParseError
from verifier.semantic.dotnet import schema

if TYPE_CHECKING:
    from verifier.semantic.dotnet.names import Names

_TOKEN, _SWITCH = -1, -2
_CALLS: Final = frozenset({0x28, 0x6F, 0x73, 0xFE06, 0xFE07})  # call, callvirt, newobj, ldftn …
_LOAD_TEXT: Final = 0x72
_PLAIN: Final = (
    "00-0d 14-1e 25 26 2a 46-6e 76 7a 82-8b 8e 90-a2 b3-ba c3 d1-dc df e0 "
    "fe00-fe05 fe0f fe11 fe13 fe14 fe17 fe18 fe1a fe1d fe1e"
)
_TOKENS: Final = "27-29 6f-75 79 7b-81 8c 8d 8f a3-a5 c2 c6 d0 fe06 fe07 fe15 fe16 fe1c"
_MOST: Final = 200_000  # instructions of one method


def _widths() -> dict[int, int]:
    """Operand bytes by opcode; two-byte opcodes are 0xFE00 and the second byte."""
    found = dict.fromkeys(_opcodes(_PLAIN), 0) | dict.fromkeys(_opcodes(_TOKENS), _TOKEN)
    found |= dict.fromkeys(_opcodes("0e-13 1f 2b-37 de fe12 fe19"), 1)
    found |= dict.fromkeys(_opcodes("fe09-fe0e"), 2)
    found |= dict.fromkeys(_opcodes("20 22 38-44 dd"), 4)
    return found | {0x21: 8, 0x23: 8, 0x45: _SWITCH}


def _opcodes(listed: str) -> list[int]:
    """`00-0d 14` as numbers."""
    found: list[int] = []
    for item in listed.split():
        first, _, last = item.partition("-")
        found += range(int(first, 16), int(last or first, 16) + 1)
    return found


_WIDTHS: Final = _widths()


class Body(NamedTuple):
    """One method's code, with names instead of tokens, so that two assemblies can be compared.

    `steps` are (opcode, operand); `frame` is the header, locals and handlers.
    """

    steps: tuple[tuple[int, str | bytes], ...]
    frame: tuple[str, ...]

    def calls(self) -> list[str]:
        """What it calls, in order."""
        return [str(operand) for opcode, operand in self.steps if opcode in _CALLS]

    def texts(self) -> list[str]:
        """The texts that it loads."""
        return [str(operand) for opcode, operand in self.steps if opcode == _LOAD_TEXT]


class Raw(NamedTuple):
    """A method body cut out of the file: code, locals' token, flags and handlers."""

    code: bytes
    stack: int
    local: int
    init: bool
    handlers: tuple[tuple[int, ...], ...]


def cut(at: bytes) -> Raw:
    """The body that begins `at`; ParseError where it is cut short."""
    if at[:1] and at[0] & 3 == 2:
        size = at[0] >> 2
        if len(at) < 1 + size:
            raise ParseError("A method body is cut short")
        return Raw(at[1 : 1 + size], 8, 0, init=False, handlers=())
    if len(at) < 12 or at[0] & 3 != 3:
        raise ParseError("A method body has no known header")
    flags, stack, size, local = struct.unpack_from("<HHII", at)
    if flags >> 12 != 3 or 12 + size > len(at):
        raise ParseError("A method body is cut short")
    handlers = _handlers(at, 12 + size) if flags & 8 else ()
    return Raw(at[12 : 12 + size], stack, local, bool(flags & 0x10), handlers)


def _handlers(at: bytes, end: int) -> tuple[tuple[int, ...], ...]:
    """(flags, try offset, try length, handler offset, handler length, token or filter)."""
    result: list[tuple[int, ...]] = []
    place = end + -end % 4
    for _ in range(64):
        head = at[place : place + 4]
        if len(head) < 4:
            raise ParseError("The handlers of a method are cut short")
        fat = head[0] & 0x40
        size = int.from_bytes(head[1:4], "little") if fat else head[1]
        code = "<IIIIII" if fat else "<HHBHBI"
        width = struct.calcsize(code)
        body = at[place + 4 : place + 4 + (max(size, 4) - 4) // width * width]
        if len(body) % width or size < 4:
            raise ParseError("The handlers of a method are cut short")
        result.extend(struct.iter_unpack(code, body))
        if not head[0] & 0x80:
            break
        place += size + -size % 4
    return tuple(result)


def body(raw: Raw, names: Names) -> Body:
    """The body with names instead of tokens."""
    steps: list[tuple[int, str | bytes]] = []
    code, at = raw.code, 0
    while at < len(code):
        opcode = code[at]
        at += 1
        if opcode == 0xFE:
            opcode = 0xFE00 | int.from_bytes(code[at : at + 1], "little")
            at += 1
        width = _WIDTHS.get(opcode)
        if width is None or len(steps) > _MOST:
            raise ParseError(f"A method has the unknown instruction {opcode:#x}", at)
        if width == _TOKEN:
            operand: str | bytes = names.token(int.from_bytes(code[at : at + 4], "little"))
            width = 4
        else:
            if width == _SWITCH:
                width = 4 + 4 * int.from_bytes(code[at : at + 4], "little")
            operand = code[at : at + width]
        at += width
        if at > len(code):
            raise ParseError("The last instruction of a method is cut short", at)
        steps.append((opcode, operand))
    return Body(tuple(steps), tuple(_frame(raw, names)))


def _frame(raw: Raw, names: Names) -> list[str]:
    found = [f"stack {raw.stack}", f"zeroed {raw.init}"]
    if raw.local:
        found.append(f"locals {names.of(schema.STAND_ALONE, raw.local & 0xFFFFFF)}")
    for flags, first, size, start, length, last in raw.handlers:
        caught = names.token(last) if not flags & 7 else str(last if flags & 7 == 1 else 0)
        found.append(f"handler {flags} {first}+{size} {start}+{length} {caught}")
    return found
