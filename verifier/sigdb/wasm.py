"""WebAssembly modules, read strictly into instructions; nothing is run.

Source: WebAssembly core specification 2.0, binary format, without what the
compiler of YARA-X does not write (tables, start, elements, data, custom
sections). Numbers must have their shortest form, so that equal instructions are
equal bytes: every byte of a module is in what is given back, or an error.
"""

from __future__ import annotations

from typing import NamedTuple

from verifier.errors import LimitError, ParseError

_MAGIC = b"\0asm\1\0\0\0"
_TYPES, _IMPORTS, _FUNCTIONS, _MEMORIES, _GLOBALS, _EXPORTS, _CODE = 1, 2, 3, 5, 6, 7, 10
_LOCALS = 1_000_000  # of all functions
_NUMBERS = b"\x7f\x7e\x7d\x7c"  # types of numbers: i32, i64, f32, f64
_PARAMETERS = 1_000  # of one function, which is what engines allow
_INSTRUCTIONS = 3_000_000  # of a module
BLOCK, LOOP, IF, ELSE, END, BR, BR_IF, BR_TABLE = 0x02, 0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x0E
RETURN, CALL, DROP, SELECT = 0x0F, 0x10, 0x1A, 0x1B
LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET = range(0x20, 0x25)
I32_CONST, I64_CONST, F32_CONST, F64_CONST = range(0x41, 0x45)
UNREACHABLE, NOP, TRUNCATIONS = 0x00, 0x01, 0xFC
_TRUNCATIONS = 8  # instructions behind that prefix
_UNSIGNED = {BR, BR_IF, CALL, *range(LOCAL_GET, GLOBAL_SET + 1)}
_SIGNED = {BLOCK, LOOP, IF, I32_CONST, I64_CONST}
LOADS, STORES = range(0x28, 0x36), range(0x36, 0x3F)
_MEMORY = {*LOADS, *STORES}
_PLAIN = {UNREACHABLE, NOP, ELSE, END, RETURN, DROP, SELECT, *range(0x45, 0xC5)}

Instruction = tuple[int, ...]
"""Opcode and immediates; floating-point constants as their bits, types as negative numbers."""


class Signature(NamedTuple):
    """The types of what a function takes and gives, one byte each."""

    takes: bytes
    gives: bytes


class Import(NamedTuple):
    """An imported function."""

    module: str
    name: str
    signature: Signature


class Function(NamedTuple):
    """A function of the module; `kinds` are the types of its locals without its parameters."""

    signature: Signature
    kinds: bytes
    body: list[Instruction]


class Module(NamedTuple):
    """`rest` are memories and globals, as they are written; `exports` are (name, kind, index)."""

    types: list[Signature]
    imports: list[Import]
    functions: list[Function]
    exports: list[tuple[str, int, int]]
    rest: list[tuple[int, bytes]]


class _Reader:
    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

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

    def number(self, signed: bool = False) -> int:
        """A LEB128 number in its shortest form, of 64 bits at most."""
        last = self.byte()
        if last < 0x80:
            return last - (last << 1 & 0x80) if signed else last
        value, shift, before = last & 0x7F, 7, last
        while last & 0x80:
            before, last = last, self.byte()
            value |= (last & 0x7F) << shift
            shift += 7
            if shift > 70:
                raise ParseError("A WebAssembly number has no end", self.at)
        negative = bool(signed and last & 0x40)
        if last == (0x7F if negative else 0) and (not signed or negative == bool(before & 0x40)):
            raise ParseError("A WebAssembly number is written longer than needed", self.at)
        return value - (1 << shift) if negative else value

    def name(self) -> str:
        start = self.at
        try:
            return self.skip(self.number()).decode()
        except UnicodeDecodeError as error:
            raise ParseError("A WebAssembly name is no UTF-8", start) from error

    def count(self) -> range:
        """The numbers of the items of a vector; each takes a byte at least."""
        count = self.number()
        if count > self.end - self.at:
            raise ParseError("A WebAssembly vector is longer than its section", self.at)
        return range(count)

    def done(self) -> None:
        if self.at != self.end:
            raise ParseError("A WebAssembly section goes on after its end", self.at)


def read(data: bytes) -> Module:
    """A whole module.

    Raises:
        ParseError: it is broken, or holds something that is not known here.
    """
    if data[:8] != _MAGIC:
        raise ParseError("This is no WebAssembly module", 0)
    reader = _Reader(data, 8, len(data))
    empty = (_TYPES, _IMPORTS, _FUNCTIONS, _EXPORTS, _CODE)  # until they are seen
    sections = {number: _Reader(b"\0", 0, 1) for number in empty}
    last = 0
    rest: list[tuple[int, bytes]] = []
    while reader.at < reader.end:
        number, size = reader.byte(), reader.number()
        if number <= last:
            raise ParseError("WebAssembly sections stand in a wrong order", reader.at)
        last = number
        start = reader.at
        content = reader.skip(size)
        if number in (_MEMORIES, _GLOBALS):
            rest.append((number, content))
        elif number in sections:
            sections[number] = _Reader(data, start, start + size)
        else:
            raise ParseError(f"A WebAssembly section of type {number} is not known here", start)
    types = _types(sections[_TYPES])
    imports = _imports(sections[_IMPORTS], types)
    heads = _heads(sections[_FUNCTIONS], types)
    exports = _exports(sections[_EXPORTS])
    return Module(types, imports, _code(sections[_CODE], heads), exports, rest)


def _types(reader: _Reader) -> list[Signature]:
    found = []
    for _ in reader.count():
        if reader.byte() != 0x60:
            raise ParseError("A WebAssembly type is no function's", reader.at)
        takes = reader.skip(reader.number())
        found.append(Signature(takes, reader.skip(reader.number())))
        _check_types(takes + found[-1].gives)
        if len(takes) + len(found[-1].gives) > _PARAMETERS:
            raise LimitError(f"A WebAssembly type has more than {_PARAMETERS} parameters.")
    reader.done()
    return found


def _check_types(kinds: bytes) -> None:
    if kinds.strip(_NUMBERS):
        raise ParseError("A WebAssembly value is no number")


def _type(reader: _Reader, types: list[Signature]) -> Signature:
    number = reader.number()
    if number >= len(types):
        raise ParseError("A WebAssembly function is of no known type", reader.at)
    return types[number]


def _imports(reader: _Reader, types: list[Signature]) -> list[Import]:
    found = []
    for _ in reader.count():
        module, name = reader.name(), reader.name()
        if reader.byte() != 0:
            raise ParseError("Something else than a function is imported", reader.at)
        found.append(Import(module, name, _type(reader, types)))
    reader.done()
    return found


def _heads(reader: _Reader, types: list[Signature]) -> list[Signature]:
    found = [_type(reader, types) for _ in reader.count()]
    reader.done()
    return found


def _exports(reader: _Reader) -> list[tuple[str, int, int]]:
    found = [(reader.name(), reader.byte(), reader.number()) for _ in reader.count()]
    reader.done()
    return found


def _code(reader: _Reader, heads: list[Signature]) -> list[Function]:
    """All functions; each must end where its length says."""
    found: list[Function] = []
    left, locals_ = _INSTRUCTIONS, _LOCALS
    if len(reader.count()) != len(heads):
        raise ParseError("There are more or fewer bodies than functions", reader.at)
    for head in heads:
        length = reader.number()
        start = reader.at
        reader.skip(length)
        inner = _Reader(reader.data, start, reader.at)
        kinds = _kinds(inner, locals_)
        locals_ -= len(kinds)
        body = []
        while inner.at < inner.end:
            body.append(_instruction(inner))
        left -= len(body)
        if left < 0:
            raise LimitError(f"A WebAssembly module has more than {_INSTRUCTIONS} instructions.")
        found.append(Function(head, kinds, body))
    reader.done()
    return found


def _kinds(reader: _Reader, most: int) -> bytes:
    """The types of a function's locals."""
    found = bytearray()
    for _ in reader.count():
        count, kind = reader.number(), reader.byte()
        if count > most - len(found):
            raise LimitError(f"WebAssembly functions have more than {_LOCALS} locals.")
        _check_types(bytes((kind,)))
        found += bytes((kind,)) * count
    return bytes(found)


def _instruction(reader: _Reader) -> Instruction:
    opcode = reader.byte()
    if opcode in _PLAIN:
        return (opcode,)
    if opcode in _UNSIGNED or opcode in _SIGNED:
        return opcode, reader.number(signed=opcode in _SIGNED)
    if opcode in _MEMORY:
        return opcode, reader.number(), reader.number()
    if opcode == BR_TABLE:
        return opcode, *(reader.number() for _ in reader.count()), reader.number()
    if opcode in (F32_CONST, F64_CONST):
        return opcode, int.from_bytes(reader.skip(4 if opcode == F32_CONST else 8), "little")
    number = reader.number() if opcode == TRUNCATIONS else _TRUNCATIONS
    if number >= _TRUNCATIONS:
        raise ParseError("WebAssembly code has an unknown instruction", reader.at - 1)
    return opcode, number
