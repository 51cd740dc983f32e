"""What one pass over a database's payload tells: checksum, length, and its first `.info`."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from verifier import limits
from verifier.formats import tarheader
from verifier.formats.clamav import header
from verifier.formats.tarheader import BLOCK

_LARGEST = limits.MIB  # of an .info; real ones have some kilobytes


class Info(NamedTuple):
    """`crc` and `size` are what a gzip trailer must say; `listing` is the `.info`, if any.

    `cache` keeps what checks found out, so that several rules ask once.
    """

    crc: int
    size: int
    header_crc: int | None
    listing: bytes | None
    cache: dict[str, object]

    def listed(self, name: str) -> bytes | None:
        """A field of the `.info`'s first line; None without `.info`, or if it has no such field."""
        if self.listing is None:
            return None
        values = self.listing.partition(b"\n")[0].split(b":")
        place = header.NAMES.index(name)
        return values[place] if place < len(values) else None


class Watch:
    """Takes a payload chunk by chunk, and keeps no more of it than its first `.info`."""

    def __init__(self) -> None:
        self.crc = 0
        self.size = 0
        self.listing: bytes | None = None
        self._skip = 0  # bytes that belong to the current member
        self._wanted = -1  # bytes of the .info; -1 while none is being taken
        self._kept = bytearray()
        self._over = False

    def __call__(self, chunk: bytes, /) -> None:
        """Take the next part."""
        self.crc = zlib.crc32(chunk, self.crc)
        self.size += len(chunk)
        if not self._over:
            self.walk(chunk)

    @property
    def over(self) -> bool:
        """Whether the rest of the payload is of no interest."""
        return self._over

    def walk(self, chunk: bytes) -> None:
        """Follow the tar headers, without counting the bytes."""
        at = 0
        while at < len(chunk) and not self._over:
            if self._skip:
                step = min(self._skip, len(chunk) - at)
                self._skip -= step
            else:
                step = min((BLOCK if self._wanted < 0 else self._wanted) - len(self._kept), 1 << 30)
                self._kept += chunk[at : at + step]
                step = min(step, len(chunk) - at)
                self._full()
            at += step

    def _full(self) -> None:
        """Act on a whole header, or on the whole `.info`."""
        if self._wanted >= 0:
            if len(self._kept) == self._wanted:
                self.listing, self._over = bytes(self._kept), True
            return
        if len(self._kept) < BLOCK:
            return
        block = tarheader.split(bytes(self._kept))
        self._kept.clear()
        size = tarheader.number(block.size)
        if not block.name[0] or size is None:
            self._over = True
        elif not is_listing(tarheader.cstring(block.name)):
            self._skip = -(-size // BLOCK) * BLOCK
        elif 0 < size <= _LARGEST:
            self._wanted = size
        else:
            self._over = True


def is_listing(name: bytes) -> bool:
    """Whether ClamAV takes a member of this name for an `.info` (by its end, in any case)."""
    return name.lower().endswith(b".info")
