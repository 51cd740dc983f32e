"""Differences of meaning: imports, exports, callbacks, relocations into code, lone resources."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from verifier.formats.pe.directories import resource_leaves, string_at
from verifier.formats.pe.symbols import exports, name_at
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.content import Buffer
    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_LIBRARIES_MOST = 4_096
_IMPORTS_MOST = 100_000
_CALLBACKS_MOST = 1_024
_RELOCATIONS_MOST = 2_000_000
_WIDE = 0x20B
_SHOWN = 64  # differences of one kind


def explain(shipped: Side, rebuilt: Side) -> tuple[Difference, ...]:
    """What the two images import, export, call and hold differently. Places are shipped offsets."""
    found: list[Difference] = []
    for noun, read, sentence in _VIEWS:
        one = read(shipped.data, shipped.layout.info)
        other = read(rebuilt.data, rebuilt.layout.info)
        found += _changes(noun, one, other, sentence)
    return tuple(found)


def _changes(
    noun: str, one: Iterable[str], other: Iterable[str], sentence: str
) -> list[Difference]:
    # Names that both have are dropped first: the rest is what one alone has, in its order.
    ours, theirs = dict.fromkeys(one), dict.fromkeys(other)
    added = [name for name in ours if name not in theirs]
    removed = [name for name in theirs if name not in ours]
    lost = "missing" if noun == "resource" else "removed"  # as spans of that noun say
    return [
        Difference(f"{noun}-{what}", name, sentence.format(side=side))
        for what, side, names in (("added", "shipped", added), (lost, "rebuilt", removed))
        for name in names[:_SHOWN]
    ]


def imports(data: Buffer, image: Image) -> list[str]:
    """`KERNEL32.dll!CreateFileA` for each import, also delayed ones; `!#12` by ordinal."""
    return [*eager(data, image).values(), *delayed(data, image).values()]


def eager(data: Buffer, image: Image) -> dict[int, str]:
    """What the loader binds at start: the import by the address of the slot that it fills."""
    return _imports(data, image, "import", 20, (3, 0, 4))


def delayed(data: Buffer, image: Image) -> dict[int, str]:
    """What is bound when it is first called: the import by the address of its slot."""
    return _imports(data, image, "delay-import", 32, (1, 4, 3))


def _imports(
    data: Buffer, image: Image, directory: str, size: int, columns: tuple[int, int, int]
) -> dict[int, str]:
    address, length = image.directory(directory)
    result: dict[int, str] = {}
    width, total = (8 if image.magic == _WIDE else 4), 0
    for index in range(min(length // size + 1, _LIBRARIES_MOST) if length else 0):
        at = image.offset_of(address + index * size, size)
        row = struct.unpack_from(f"<{size // 4}I", data, at) if at is not None else (0,) * 8
        library, names, thunks = (row[column] for column in columns)
        if not library:
            break
        label = string_at(data, image, library)
        for number, name in enumerate(_thunks(data, image, names or thunks)):
            result[(thunks or names) + width * number] = f"{label}!{name}"
            total += 1
        if total > _IMPORTS_MOST:
            break
    return result


def _thunks(data: Buffer, image: Image, address: int) -> list[str]:
    code, size, mark = ("<Q", 8, 1 << 63) if image.magic == _WIDE else ("<I", 4, 1 << 31)
    result: list[str] = []
    while len(result) < _IMPORTS_MOST:
        at = image.offset_of(address + len(result) * size, size)
        value: int = struct.unpack_from(code, data, at)[0] if at is not None else 0
        if not value:
            break
        name = f"#{value & 0xFFFF}" if value & mark else string_at(data, image, value + 2)
        result.append(name or f"?{value:#x}")
    return result


def callbacks(data: Buffer, image: Image) -> list[int]:
    """Relative addresses of what the loader calls for each thread, before the entry point."""
    address, size = image.directory("tls")
    code, width = ("<Q", 8) if image.magic == _WIDE else ("<I", 4)
    at = image.offset_of(address, 4 * width) if size else None
    if at is None:
        return []
    base = image.optional["ImageBase"]
    array = struct.unpack_from(code, data, at + 3 * width)[0] - base
    result: list[int] = []
    while len(result) < _CALLBACKS_MOST:
        place = image.offset_of(array + len(result) * width, width)
        value: int = struct.unpack_from(code, data, place)[0] if place is not None else 0
        if not value:
            break
        result.append(value - base)
    return result


def _called(data: Buffer, image: Image) -> list[str]:
    """The callbacks by name, where one begins there: it says the same wherever it stands."""
    return [
        name_at(data, image, each, exact=True) or f"sub_{each:x}" for each in callbacks(data, image)
    ]


def relocations(data: Buffer, image: Image) -> list[str]:
    """Base relocations that patch executable sections, as `.text+0x123 (type 10)`."""
    address, size = image.directory("relocation")
    at = image.offset_of(address, size) if size else None
    result: list[str] = []
    if at is None:
        return result
    end = at + size
    while at + 8 <= end and len(result) < _RELOCATIONS_MOST:
        page, length = struct.unpack_from("<II", data, at)
        if length < 8 or at + length > end:
            break
        for entry in struct.unpack_from(f"<{(length - 8) // 2}H", data, at + 8):
            section = image.section_at(page + (entry & 0xFFF)) if entry >> 12 else None
            if section is not None and section.executable:
                inside = page + (entry & 0xFFF) - section.address
                result.append(f"{section.label}+{inside:#x} (type {entry >> 12})")
        at += length
    return result


_VIEWS: tuple[tuple[str, Callable[[Any, Any], Iterable[str]], str], ...] = (
    ("import", imports, "Only the {side} image imports this."),
    ("export", exports, "Only the {side} image exports this."),
    ("tls-callback", _called, "The loader calls this function of the {side} image alone."),
    ("relocation", relocations, "Only the {side} image lets the loader patch code here."),
    ("resource", resource_leaves, "Only the {side} image has this resource."),
)
