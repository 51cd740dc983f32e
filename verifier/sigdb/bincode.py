"""Strict reader of bincode 2 in its standard configuration.

Source: bincode's specification: integers of up to 250 are one byte, else 251,
252 or 253 and then 2, 4 or 8 bytes, little-endian; signed ones in zigzag; a
sequence or text is its length and then its items. Longer ways to write a number
than needed are refused, so that one meaning has one form.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from verifier.content import Buffer

_SIZES = {251: 2, 252: 4, 253: 8}
_LEAST = {251: 251, 252: 1 << 16, 253: 1 << 32}
ITEMS = 4_000_000  # of all sequences together


class Reader:
    """Reads a buffer from `at` on."""

    def __init__(self, data: Buffer, at: int = 0) -> None:
        self.data = data
        self.at = at
        self._left = ITEMS

    def byte(self) -> int:
        """One byte."""
        if self.at >= len(self.data):
            raise ParseError("The file ends inside a value", self.at)
        self.at += 1
        return self.data[self.at - 1]

    def optional(self) -> int | None:
        """An unsigned integer, if it is there."""
        return self.unsigned() if self.boolean() else None

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self.data) - self.at:
            raise ParseError("A value reaches beyond the file's end", self.at)
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def unsigned(self) -> int:
        """An unsigned integer."""
        start = self.at
        first = self.byte()
        if first < 251:
            return first
        if first not in _SIZES:
            raise ParseError("A number is of no known size", start)
        value = int.from_bytes(self.take(_SIZES[first]), "little")
        if value < _LEAST[first]:
            raise ParseError("A number is written longer than needed", start)
        return value

    def signed(self) -> int:
        """A signed integer."""
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)

    def boolean(self) -> bool:
        """A truth value, or whether an optional value is there."""
        value = self.byte()
        if value > 1:
            raise ParseError("A truth value is neither 0 nor 1", self.at - 1)
        return value == 1

    def double(self) -> float:
        """A floating-point number of eight bytes."""
        (value,) = struct.unpack("<d", self.take(8))
        return float(value)

    def raw(self) -> bytes:
        """Bytes of a length given before them."""
        return self.take(self.unsigned())

    def text(self) -> str:
        """A text in UTF-8."""
        start = self.at
        try:
            return self.raw().decode()
        except UnicodeDecodeError as error:
            raise ParseError("A text is no UTF-8", start) from error

    def items(self) -> range:
        """The numbers of the items of a sequence; each takes a byte at least."""
        count = self.unsigned()
        if count > len(self.data) - self.at:
            raise ParseError("A sequence is longer than the file", self.at)
        self._left -= count
        if self._left < 0:
            raise LimitError(f"The sequences of a file have more than {ITEMS} items.")
        return range(count)
