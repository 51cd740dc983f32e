"""Tables that the loader of PE images reads: base relocations, imports, exports, resources, debug.

All of them are contents with reference slots; what their order means is a fact.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError
from verifier.formats.pe.headers import DIRECTORIES
from verifier.formats.pe.symbols import exports
from verifier.semantic.layout.program import Address, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image
    from verifier.semantic.layout.program import Program

Row = tuple[int, int, int, int, int]

_UNDECIDED = {"clr", "load-config", "delay-import", "bound-import", "architecture",
              "global-pointer", "reserved"}  # fmt: skip
_MEASURED = {"security", "relocation"}  # settled by a rule; read to its last byte
_DIR64, _HIGHLOW, _ABSOLUTE = 10, 3, 0
_MOST = 1 << 20
_RESOURCES_MOST = 1 << 18


def rows(data: Buffer, image: Image, program: Program) -> list[Row]:
    """All slots of these tables; facts and doubts go to the program."""
    found: list[Row] = []
    for name in DIRECTORIES:
        address, size = image.directory(name)
        if not address and not size:
            continue
        narrow = name == "load-config" and program.machine == "x86"  # peload tells of it
        if name in _UNDECIDED and not narrow:
            program.doubts.append(f"Its {name} directory is not decided here.")
        mapped = 0 if name == "security" else Address(address)
        size = 0 if name in _MEASURED else size
        program.facts.append(("directory", name, mapped, size))
    found += _relocations(data, image, program)
    found += _imports(data, image, program)
    found += _exports(data, image, program)
    found += _resources(data, image)
    found += _debug(data, image)
    return found


def whole(data: Buffer, image: Image, address: int, size: int, what: str) -> bytes:
    """`size` bytes at an address; ParseError where the image does not hold them."""
    at = image.offset_of(address, size) if size else None
    if at is None:
        raise ParseError(f"{what} at {address:#x} is not in the image")
    return bytes(data[at : at + size])


def _relocations(data: Buffer, image: Image, program: Program) -> Iterator[Row]:
    """Words that the loader rebases (the .reloc section): strictly parsed, in order."""
    address, size = image.directory("relocation")
    if not size:
        return
    raw = whole(data, image, address, size, "The table of base relocations")
    piece = program.piece_at(address)
    assert piece is not None
    rest = bytes(piece.data or b"")[address - piece.address + size :]
    if piece.address != address or any(rest):
        raise ParseError("The section of base relocations holds something else")
    at, last, base = 0, -1, image.optional["ImageBase"]
    while at < size:
        page, length = struct.unpack_from("<II", raw, at) if at + 8 <= size else (0, 0)
        if length < 8 or length % 4 or at + length > size or page <= last or page % 4096:
            raise ParseError("The table of base relocations is malformed", at)
        entries = struct.unpack_from(f"<{(length - 8) // 2}H", raw, at + 8)
        for index, entry in enumerate(entries):
            kind = entry >> 12
            if kind == _ABSOLUTE:
                if index != len(entries) - 1 or entry:
                    raise ParseError("A base relocation does nothing, and is no padding", at)
                continue
            width = {_DIR64: 8, _HIGHLOW: 4}.get(kind)
            if width is None:
                raise ParseError(f"A base relocation has the type {kind}", at)
            place = page + (entry & 0xFFF)
            value = int.from_bytes(whole(data, image, place, width, "A rebased word"), "little")
            yield place, width, int(Kind.POINTER), value - base, 0
        last = page
        at += length


def _imports(data: Buffer, image: Image, program: Program) -> Iterator[Row]:
    """Descriptors in order, and each slot that the loader fills with a function's address."""
    address, size = image.directory("import")
    if not size:
        return
    total = 0
    for number in range(_MOST):
        at = address + 20 * number
        raw = struct.unpack("<5I", whole(data, image, at, 20, "An import descriptor"))
        names, _stamp, _chain, library, slots = raw
        if not any(raw):
            return
        label = _text(data, image, library)
        for column, target in ((0, names), (12, library), (16, slots)):
            if target:
                yield at + column, 4, int(Kind.POINTER), target, 0
        imported: list[str] = []
        yield from _thunks(data, image, program, (label, names, slots), imported)
        total += len(imported) + 1
        if total > _MOST:
            raise LimitError(f"The image has more than {_MOST} imports")
        program.facts.append(("import", number, label, *sorted(imported)))


def _thunks(
    data: Buffer,
    image: Image,
    program: Program,
    library: tuple[str, int, int],
    imported: list[str],
) -> Iterator[Row]:
    """The slots of one library, which its table of names repeats; names go to `imported`."""
    label, names, slots = library
    width, mark = (8, 1 << 63) if image.magic == 0x20B else (4, 1 << 31)
    for place in range(_MOST):
        one = _word(data, image, (names or slots) + width * place, width)
        if names and one != _word(data, image, slots + width * place, width):
            raise ParseError(f"The imports of {label} are bound, or contradict each other")
        if not one:
            return
        text = f"#{one & 0xFFFF}" if one & mark else _hinted(data, image, one)
        imported.append(f"{label}!{text}")
        symbol = program.symbol(imported[-1])
        yield slots + width * place, width, int(Kind.SYMBOL), 0, symbol
        if names and not one & mark:
            yield names + width * place, width, int(Kind.POINTER), one, 0


def _hinted(data: Buffer, image: Image, address: int) -> str:
    hint = int.from_bytes(whole(data, image, address, 2, "A hint"), "little")
    return f"{_text(data, image, address + 2)} (hint {hint})"


def _word(data: Buffer, image: Image, address: int, width: int) -> int:
    return int.from_bytes(whole(data, image, address, width, "An import"), "little")


def _text(data: Buffer, image: Image, address: int) -> str:
    at = image.offset_of(address)
    raw = bytes(data[at : at + 4096]) if at is not None else b""
    end = raw.find(b"\0")
    if end < 0:
        raise ParseError(f"A name at {address:#x} has no end")
    return raw[:end].decode("utf-8", "backslashreplace")


def _exports(data: Buffer, image: Image, program: Program) -> Iterator[Row]:
    """Three arrays of addresses; functions inside of the directory are texts (forwarders)."""
    address, size = image.directory("export")
    if not size:
        return
    raw = whole(data, image, address, 40, "The export directory")
    name, _base, count, named, functions, names, ordinals = struct.unpack_from("<7I", raw, 12)
    if max(count, named) > _MOST:
        raise ParseError(f"The image exports {count} functions")
    for column, target in ((12, name), (28, functions), (32, names), (36, ordinals)):
        if target:
            yield address + column, 4, int(Kind.POINTER), target, 0
    for array, length in ((functions, count), (names, named)):
        for place in range(length):
            value = _word(data, image, array + 4 * place, 4)
            if value:
                yield array + 4 * place, 4, int(Kind.POINTER), value, 0
    for label, target in exports(data, image).items():
        inside = address <= target < address + size
        where = _text(data, image, target) if inside else Address(target)
        program.facts.append(("export", label, where))


def _resources(data: Buffer, image: Image) -> list[Row]:
    """The only addresses in a resource tree are those of its leaves' contents."""
    address, size = image.directory("resource")
    found: list[Row] = []
    waiting = [0]
    seen: set[int] = set()
    total = 0
    while waiting and size:
        at = waiting.pop()
        if at in seen:
            raise ParseError("The resources of the image are no tree")
        seen.add(at)
        head = whole(data, image, address + at, 16, "A resource directory")
        named, numbered = struct.unpack_from("<HH", head, 12)
        total += named + numbered
        if total > _RESOURCES_MOST:
            raise LimitError(f"The image has more than {_RESOURCES_MOST} resources")
        for entry in range(named + numbered):
            row = whole(data, image, address + at + 16 + 8 * entry, 8, "A resource")
            target = struct.unpack_from("<I", row, 4)[0]
            if target >> 31:
                waiting.append(target & 0x7FFFFFFF)
            else:
                place = address + target
                content = _word(data, image, place, 4)
                found.append((place, 4, int(Kind.POINTER), content, 0))
    return found


def _debug(data: Buffer, image: Image) -> Iterator[Row]:
    """Entries name the place of their data twice: in memory and in the file."""
    address, size = image.directory("debug")
    for at in range(address, address + size - 27, 28):
        raw = whole(data, image, at, 28, "A debug directory entry")
        _length, target, pointer = struct.unpack_from("<III", raw, 16)
        if target:
            if image.offset_of(target) != pointer:
                raise ParseError("A debug directory entry names two places")
            yield at + 20, 4, int(Kind.POINTER), target, 0
            yield at + 24, 4, int(Kind.MADE), target, 0
