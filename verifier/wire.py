"""Named tuples as JSON: as objects for reports, as plain lists between processes.

Workers answer in JSON and never in pickle: what parsed a hostile file must not
be able to run code in the process that gives the verdict. Between processes
the encoder of the standard library does the writing, and what is read is held
to the type hints, field by field.
"""

from __future__ import annotations

import base64
import json
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from verifier.errors import ParseError

T = TypeVar("T")

_Reader = Callable[[Any], Any]
_encode = json.JSONEncoder(
    separators=(",", ":"), default=lambda value: base64.b64encode(value).decode("ascii")
).encode


def to_data(value: object) -> Any:
    """`value` as dicts, lists, strings, numbers and None. Bytes become base64 text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {str(key): to_data(item) for key, item in value.items()}
    names = getattr(value, "_fields", None)
    if names is not None:
        return {name: to_data(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [to_data(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def dumps(value: object) -> bytes:
    """Compact JSON of a named tuple, as lists in the order of its fields."""
    return _encode(value).encode("ascii")


def loads(kind: type[T], text: bytes) -> T:
    """Read what `dumps` wrote for the type `kind`; ParseError on anything else."""
    try:
        return typing.cast("T", _reader(kind)(json.loads(text)))  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ParseError(f"This is not a {getattr(kind, '__name__', kind)}: {error}.") from error


def from_data(kind: type[T], data: object) -> T:
    """Read what `to_data` made of a `kind`; ParseError on anything else, such as unknown keys.

    Keys may be absent where the field has a default.
    """
    try:
        return typing.cast("T", _reader(kind, objects=True)(data))  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ParseError(f"This is not a {getattr(kind, '__name__', kind)}: {error}.") from error


@cache
def _reader(kind: Any, *, objects: bool = False) -> _Reader:
    """What reads one type: scalars, named tuples, `tuple[X, ...]`, `dict[str, X]`, `X | None`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _tuple_reader(arguments, objects)
    if kind is object:
        return lambda data: data
    if origin is dict:
        inner = _reader(arguments[1], objects=objects)
        return lambda data: {key: inner(item) for key, item in _checked(dict, data).items()}
    if origin is typing.Union or isinstance(kind, types.UnionType):
        some = next(item for item in arguments if item is not types.NoneType)
        inner = _reader(some, objects=objects)
        return lambda data: None if data is None else inner(data)
    if hasattr(kind, "_fields"):
        return _object_reader(kind) if objects else _named_reader(kind)
    return _scalar_reader(kind)


def _tuple_reader(arguments: tuple[Any, ...], objects: bool) -> _Reader:
    if arguments[-1] is Ellipsis:
        inner = _reader(arguments[0], objects=objects)
        return lambda data: tuple([inner(item) for item in _checked(list, data)])
    parts = [_reader(item, objects=objects) for item in arguments]
    return lambda data: tuple(
        [read(item) for read, item in zip(parts, _checked(list, data), strict=True)]
    )


def _named_reader(kind: Any) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = [_reader(hints[name]) for name in kind._fields]

    def read(data: Any) -> Any:
        fields = zip(readers, _checked(list, data), strict=True)
        return kind._make([inner(item) for inner, item in fields])

    return read


def _object_reader(kind: Any) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = {name: _reader(hints[name], objects=True) for name in kind._fields}
    needed = set(kind._fields) - kind._field_defaults.keys()

    def read(data: Any) -> Any:
        found = _checked(dict, data)
        if not found.keys() <= readers.keys() or not needed <= found.keys():
            odd = sorted(found.keys() ^ set(kind._fields))
            raise TypeError(f"{kind.__name__} has unknown or missing keys: {odd[0][:80]!r}")
        return kind(**{name: readers[name](item) for name, item in found.items()})

    return read


def _scalar_reader(kind: Any) -> _Reader:
    if kind is bytes:
        return lambda data: base64.b64decode(data, validate=True)
    if issubclass(kind, Enum):
        return typing.cast("_Reader", kind)
    if kind is float:
        return lambda data: float(data) if type(data) is int else _checked(float, data)
    return lambda data: _checked(kind, data)


def _checked(kind: Any, data: Any) -> Any:
    if type(data) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(data).__name__}")
    return data
