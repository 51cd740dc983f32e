"""Modules and global variables: the serialised structure that conditions look fields up in.

Source: YARA-X, lib/src/types (TypeValue, Struct, Array, Map, Func), and what the
wheel 1.23.0 writes: eight types of integers stand where the source has one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.sigdb.bincode import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPTH = 60  # structures in structures
_UNKNOWN, _BOOL, _FLOAT, _INTEGERS, _TEXT, _REGEX = 0, 1, 2, range(3, 11), 11, 12
_STRUCT, _ARRAY, _MAP, _FUNCTION = range(13, 17)
_SHOWN = 40  # bytes of a value


def fields(data: bytes) -> list[tuple[str, str]]:
    """The name of each field of the outermost structure, and its value as text.

    Raises:
        ParseError: the structure is broken, or holds something that is not known here.
    """
    reader = Reader(memoryview(data))
    found: list[tuple[str, str]] = []
    for _ in reader.items():
        name, start = reader.text(), reader.at
        reader.unsigned()  # the number of a field in a message of protocol buffers
        _value(reader, 0)
        raw = data[start : reader.at]
        found.append((name, raw.hex() if len(raw) <= _SHOWN else hashlib.sha256(raw).hexdigest()))
    if data[reader.at :] != b"\0\1\0":  # no such message, the outermost one, no enumeration
        raise ParseError("Modules and variables are no outermost structure", reader.at)
    if len({name for name, _ in found}) != len(found):
        raise ParseError("Two modules or variables have one name", reader.at)
    return found


def _value(reader: Reader, depth: int) -> None:
    """Read one value with its type."""
    if depth > _DEPTH:
        raise LimitError(f"Structures stand in each other more than {_DEPTH} times.")
    kind = reader.unsigned()
    if kind in _NESTED:
        _NESTED[kind](reader, depth)
    elif kind == _TEXT:
        _maybe(reader, reader.raw)
        _constraints(reader)
    elif kind == _REGEX:
        if reader.boolean():
            reader.text()
    elif kind in (_BOOL, _FLOAT) or kind in _INTEGERS:
        plain: dict[int, Callable[[], object]]
        plain = {_BOOL: reader.boolean, _FLOAT: lambda: reader.take(8)}
        _maybe(reader, plain.get(kind, reader.unsigned))
    elif kind != _UNKNOWN:
        raise ParseError("A module or variable is of no known type", reader.at)


def _maybe(reader: Reader, step: Callable[[], object]) -> None:
    """A constant (0), a variable (1), or a value that is only known later (2)."""
    variant = reader.unsigned()
    if variant > 2:
        raise ParseError("A value is neither constant nor variable", reader.at)
    if variant < 2:
        step()


def _constraints(reader: Reader) -> None:
    """Lower case (0), upper case (1), a length (2)."""
    if reader.boolean():
        for _ in reader.items():
            variant = reader.unsigned()
            if variant > 2:
                raise ParseError("A text is constrained in no known way", reader.at)
            if variant == 2:
                reader.unsigned()


def _struct(reader: Reader, depth: int) -> None:
    for _ in reader.items():
        reader.text()
        reader.unsigned()
        _value(reader, depth + 1)
    if reader.boolean():
        reader.text()
    reader.boolean()
    reader.boolean()


def _array(reader: Reader, depth: int) -> None:
    kind = reader.unsigned()
    if kind > 4:
        raise ParseError("An array is of no known type", reader.at)
    for _ in reader.items():
        if kind == 4:
            _struct(reader, depth + 1)
        else:
            (reader.unsigned, lambda: reader.take(8), reader.boolean, reader.raw)[kind]()


def _map(reader: Reader, depth: int) -> None:
    kind = reader.unsigned()
    if kind > 1:
        raise ParseError("The keys of a map are of no known type", reader.at)
    if reader.boolean():
        _value(reader, depth + 1)
    for _ in reader.items():
        (reader.unsigned if kind == 0 else reader.raw)()
        _value(reader, depth + 1)


def _function(reader: Reader, depth: int) -> None:
    for _ in reader.items():
        reader.text()
        for _ in reader.items():
            reader.text()
            _value(reader, depth + 1)
        _value(reader, depth + 1)
        if reader.boolean():
            reader.text()
    if reader.boolean():
        reader.text()


_NESTED = {_STRUCT: _struct, _ARRAY: _array, _MAP: _map, _FUNCTION: _function}
