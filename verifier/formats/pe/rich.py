"""The Rich header: which tools made the objects, written by Microsoft's linker after the DOS stub.

`DanS`, three zeros, pairs of (product and build, count), all XORed with a key;
then `Rich` and the key in clear. The key is a checksum over the DOS header, the
stub and the pairs. So where stub and pairs are equal the key is equal too: no
rule is needed, and none is there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from verifier.formats.pe.directories import Piece
from verifier.formats.pe.products import PRODUCTS

if TYPE_CHECKING:
    from verifier.content import Buffer

_DANS = int.from_bytes(b"DanS", "little")
_MOST = 0x1000  # bytes between the DOS header and the NT headers that are searched


class Rich(NamedTuple):
    """A Rich header: where it starts and ends, its key, its (product and build, count) pairs."""

    offset: int
    end: int
    key: int
    entries: tuple[tuple[int, int], ...]


def find(data: Buffer, start: int, nt: int) -> Rich | None:
    """The Rich header between the DOS header and the NT headers, if it is well formed."""
    gap = bytes(data[start : min(nt, start + _MOST)])
    mark = gap.rfind(b"Rich")
    if mark < 0 or mark % 4 or mark + 8 > len(gap):
        return None
    key = int.from_bytes(gap[mark + 4 : mark + 8], "little")
    words = [word ^ key for word in struct.unpack_from(f"<{mark // 4}I", gap)]
    if _DANS not in words:
        return None
    first = words.index(_DANS)
    pairs = words[first + 4 :]
    if words[first + 1 : first + 4] != [0, 0, 0] or len(pairs) % 2:
        return None
    entries = tuple(zip(pairs[::2], pairs[1::2], strict=True))
    return Rich(start + 4 * first, start + mark + 8, key, entries)


def checksum(data: Buffer, rich: Rich) -> int:
    """The key that the DOS header (without e_lfanew), the stub and the entries call for."""
    total = rich.offset
    for index, byte in enumerate(bytes(data[: rich.offset])):
        if not 0x3C <= index < 0x40:
            total += _rotated(byte, index)
    for product, count in rich.entries:
        total += _rotated(product, count)
    return total & 0xFFFFFFFF


def entry_name(product: int) -> str:
    """`Masm1400/30795`: the tool, by its number where its name is not known, and its build."""
    tool = product >> 16
    return f"{PRODUCTS.get(tool, tool)}/{product & 0xFFFF}"


def pieces(data: Buffer, start: int, nt: int) -> list[Piece]:
    """Stub, Rich header and what follows it, up to the NT headers."""
    found = find(data, start, nt)
    if found is None:
        return [Piece("stub", start, nt - start)]
    at = found.offset
    result = [Piece("stub", start, at - start), Piece("rich.start", at, 16)]
    at += 16
    result.append(Piece("rich.entries", at, 8 * len(found.entries)))
    at += 8 * len(found.entries)
    result += [Piece("rich.mark", at, 4), Piece("rich.key", at + 4, 4)]
    return [*result, Piece("stub.rest", found.end, nt - found.end)]


def _rotated(value: int, by: int) -> int:
    by %= 32
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF
