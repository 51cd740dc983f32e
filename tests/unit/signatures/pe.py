"""The least of PE that these tests need, apart from the code under test."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Image:
    """A signed PE file: its certificate table, and the flat Authenticode hash of the rest."""

    data: bytes
    checksum: int
    directory: int
    table_offset: int
    table: bytes

    def digest(self, name: str) -> bytes:
        """Flat Authenticode hash by hashlib name; the file before the table is padded to 8."""
        hashed = hashlib.new(name, self.data[: self.checksum])
        hashed.update(self.data[self.checksum + 4 : self.directory])
        rest = self.data[self.directory + 8 : self.table_offset]
        hashed.update(rest + bytes(-self.table_offset % 8))
        return hashed.digest()


def read_image(data: bytes) -> Image:
    start = struct.unpack_from("<I", data, 0x3C)[0] + 24
    magic = struct.unpack_from("<H", data, start)[0]
    directory = start + {0x20B: 112, 0x10B: 96}[magic] + 4 * 8
    offset, size = struct.unpack_from("<II", data, directory)
    if size:
        assert offset + size == len(data)
    return Image(data, start + 64, directory, offset or len(data), data[offset : offset + size])


def cached(digest: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """The same digest, computed once per algorithm."""
    known: dict[str, bytes] = {}

    def look_up(name: str) -> bytes:
        if name not in known:
            known[name] = digest(name)
        return known[name]

    return look_up
