"""PE images that differ by their base alone: one is what the loader makes of the other.

Windows loads an image at another base by adding the distance to each word that the table of base
relocations names (PE format specification, .reloc). Where that turns the rebuilt file into the
shipped one, bit for bit, both are the same in memory wherever they are loaded: no code need be
read, nothing is assumed but what all maps assume. Starts nothing heavy.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from verifier.formats.pe.headers import DIRECTORIES
from verifier.formats.pe.layout import layout
from verifier.semantic.layout import neutral
from verifier.semantic.layout.extent import Extent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image

NOTE = (
    "The two differ by the address at which they are meant to be loaded, and in what the loader"
    " itself changes for it. It is assumed that the program observes no addresses."
)
_DIR64, _HIGHLOW, _ABSOLUTE = 10, 3, 0
_MACHINES = {0x8664: (0x20B, _DIR64, 8, (1 << 47) - 0x10000),
             0x14C: (0x10B, _HIGHLOW, 4, (1 << 31) - 0x20000)}  # fmt: skip
_STRIPPED = 1  # IMAGE_FILE_RELOCS_STRIPPED
_STEP = 0x10000  # bases are multiples of it
_FIELD = {8: 24, 4: 28}  # of ImageBase in the optional header
_COFF = 24  # bytes before the optional header


DEBUG = "Debug information differs; no program reads it, and it was not compared."
_DISCARDABLE, _EXECUTABLE = 0x02000000, 0x20000000


class Rebased(NamedTuple):
    """The map of two such images, and what it rests on."""

    extents: tuple[Extent, ...]
    assumptions: tuple[str, ...]


def find(
    shipped: Buffer,
    rebuilt: Buffer,
    theirs: Sequence[tuple[int, int]],
    mine: Sequence[tuple[int, int]],
) -> Rebased | None:
    """The map of two images of which one is the other at another base; None for all others.

    Args:
        shipped: the shipped file.
        rebuilt: the rebuilt file.
        theirs: (offset, length) of what other rules have settled in the shipped file.
        mine: the same of the rebuilt file.

    Raises:
        VerifierError: an image is not well-formed.
    """
    one, other = neutral.without(rebuilt, mine), neutral.without(shipped, theirs)
    if len(one) != len(other) or bytes(one[:2]) != b"MZ":
        return None
    image, twin = layout(one).info, layout(other).info
    start, end = image.optional["ImageBase"], twin.optional["ImageBase"]
    if start == end or image.machine not in _MACHINES or not _sound(image, twin):
        return None
    places, width = _places(one, image), _MACHINES[image.machine][2]
    if not places:
        return None
    if not _moved(one, other, places, end - start, width):
        return None
    copy = bytearray(one)
    for at in places:
        copy[at : at + width] = other[at : at + width]
    field = image.nt + _COFF + _FIELD[width]
    copy[field : field + width] = end.to_bytes(width, "little")
    debug = _debug(copy, other, image)
    if memoryview(copy) != memoryview(other):
        return None
    return Rebased(
        tuple(
            Extent(each.address, each.address, each.content)
            for each in image.sections
            if each.content
        ),
        (DEBUG,) if debug else (),
    )


def _debug(copy: bytearray, other: Buffer, image: Image) -> bool:
    """Take over debug sections of the other file; whether they differ.

    They hold addresses that no relocation names. Loaders may discard them, and nothing leads there.
    """
    found = False
    named = {image.directory(name)[0] for name in DIRECTORIES}
    for section in image.sections:
        start, end = section.pointer, section.pointer + section.content
        apart = not any(section.address <= at < section.address + section.raw_size for at in named)
        flags = section.flags & (_DISCARDABLE | _EXECUTABLE)
        if section.label.startswith(".debug_") and flags == _DISCARDABLE and apart:
            found = found or copy[start:end] != other[start:end]
            copy[start:end] = other[start:end]
    return found


def _sound(image: Image, twin: Image) -> bool:
    """Whether both bases are ones that loaders take, and alike to what depends on them."""
    _magic, _kind, _width, most = _MACHINES[image.machine]
    bases = [each.optional["ImageBase"] for each in (image, twin)]
    size = image.optional["SizeOfImage"]
    if any(not base or base % _STEP or base + size > most for base in bases):
        return False
    return (bases[0] >> 32 > 0) == (bases[1] >> 32 > 0)  # what randomisation has to choose from


def _places(data: Buffer, image: Image) -> list[int]:
    """Offsets of all words that the loader rebases; none where something is not plain."""
    known = _MACHINES.get(image.machine)
    flags = int.from_bytes(data[image.nt + 22 : image.nt + 24], "little")
    if known is None or image.optional["Magic"] != known[0] or flags & _STRIPPED:
        return []
    by_address = sorted((each.address, max(each.virtual_size, each.content)) for each in
                        image.sections)  # fmt: skip
    by_offset = sorted((each.pointer, each.stored) for each in image.sections if each.stored)
    for parts in (by_address, by_offset):
        if any(start + size > after for (start, size), (after, _more) in pairwise(parts)):
            return []
    address, size = image.directory("relocation")
    at = image.offset_of(address, size) if size else None
    if at is None:
        return []
    found = []
    for place, kind in _entries(bytes(data[at : at + size])):
        offset = image.offset_of(place, known[2])
        table = offset is not None and offset < at + size and at < offset + known[2]
        if kind != known[1] or offset is None or offset < image.table_end or table:
            return []
        found.append(offset)
    found.sort()
    apart = all(one + known[2] <= other for one, other in pairwise(found))
    return found if apart else []


def _entries(raw: bytes) -> Iterator[tuple[int, int]]:
    """(address, type) of each base relocation; type -1 where the table is malformed."""
    at = 0
    while at < len(raw):
        page, length = struct.unpack_from("<II", raw, at) if at + 8 <= len(raw) else (0, 0)
        if length < 8 or length % 4 or at + length > len(raw):
            yield 0, -1
            return
        for (entry,) in struct.iter_unpack("<H", raw[at + 8 : at + length]):
            if entry:
                yield page + (entry & 0xFFF), entry >> 12
        at += length


def _moved(one: Buffer, other: Buffer, places: list[int], distance: int, width: int) -> bool:
    """Whether each word moved by the distance of the bases."""
    form = struct.Struct("<Q" if width == 8 else "<I")
    limit = 1 << 8 * width
    return all(
        (form.unpack_from(one, at)[0] + distance) % limit == form.unpack_from(other, at)[0]
        for at in places
    )
