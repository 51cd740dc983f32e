"""Read JSON that no two programs read differently: no repeated keys, no odd numbers or texts."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from verifier.errors import LimitError, ParseError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, most: int) -> bytes:
    """The bytes of a file that the user named; UsageError if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > most:
        raise LimitError(f"{path} is larger than {most} bytes.")
    return data


def json_of(data: bytes, what: str) -> Any:
    """Parse JSON without repeated keys, NaN, infinities or broken text."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite
        )
        if "\\u" in text:  # a lone surrogate parses, and cannot be written again
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{what} is not strict JSON: {error}.") from error
    return value


def object_of(data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object."""
    value = json_of(data, what)
    if not isinstance(value, dict):
        raise ParseError(f"{what} is no JSON object.")
    return value


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        keys = [key for key, _ in items]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value
