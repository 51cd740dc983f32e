"""The COFF symbols of a PE image as facts and names, and its exports as names."""

from __future__ import annotations

import hashlib
import re
import struct
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import ParseError
from verifier.formats.pe.symbols import exports
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image
    from verifier.semantic.layout.program import Program

_SYMBOL = struct.Struct("<8sIhHBB")
_FILE, _STATIC, _EXTERNAL, _WEAK = 103, 3, 2, 105
_FUNCTION = 0x20
_ABSOLUTE = -1
_BASES = (b"image_base", b"ImageBase")  # what GNU ld calls the address of the image
# GNU ld numbers what it adds for automatic imports in the order of its inputs.
_NUMBERED = re.compile(rb"(\b__(?:fu|nm))\d+(?=_)")


def names(data: Buffer, image: Image, program: Program) -> set[int]:
    """Addresses in code that exports and symbols name; names go to the program."""
    found: set[int] = set()
    for label, address in exports(data, image).items():
        _name(program, address, label)
        found.add(address)
    if image.optional["AddressOfEntryPoint"]:
        found.add(image.optional["AddressOfEntryPoint"])
    if image.symbols and image.strings:
        found |= _coff(data, image, program)
    code = [piece for piece in program.pieces if piece.code and piece.content and piece.data]
    return {at for at in found if any(piece.address <= at < piece.end for piece in code)}


def _name(program: Program, address: int, label: str) -> None:
    known = program.names.setdefault(address, [])
    if label not in known:
        known.append(label)


def _coff(data: Buffer, image: Image, program: Program) -> set[int]:
    assert image.symbols is not None
    assert image.strings is not None
    raw = bytes(data[image.symbols.offset : image.symbols.end])
    strings = bytes(data[image.strings.offset : image.strings.end])
    texts = b"\0".join(sorted(_NUMBERED.sub(rb"\1", strings[4:]).split(b"\0")))
    program.facts.append(("texts", "coff", hashlib.sha256(texts).digest()))
    found: set[int] = set()
    number, total = 0, len(raw) // 18
    while number < total:
        name, value, section, kind, storage, more = _SYMBOL.unpack_from(raw, 18 * number)
        aux = raw[18 * (number + 1) : 18 * (number + 1 + more)]
        number += 1 + more
        numbered = _text(name, strings)
        label = _NUMBERED.sub(rb"\1", numbered)
        place: object = value
        home: object = section
        if 0 < section <= len(image.sections):
            home = image.sections[section - 1].label
            address = image.sections[section - 1].address + value
            place = Address(address)
            inside = label != numbered  # a number of an instruction, which is filled at run time
            plain = not inside and not label.startswith(b".") and (not more or kind == _FUNCTION)
            if storage in (_EXTERNAL, _STATIC) and plain:
                _name(program, address, label.decode("utf-8", "backslashreplace"))
                if kind == _FUNCTION or storage == _EXTERNAL:
                    found.add(address)
            told = program.piece_at(address)
            if told is not None and not told.content:
                place = 0  # a part of a table that facts tell whole
            if storage == _STATIC and label.startswith(b".") and more and not any(aux[:4]):
                place = 0  # where nothing of an input begins: its part of the section is empty
        if section == _ABSOLUTE and label.strip(b"_") in _BASES:
            place = value - image.optional["ImageBase"] % (1 << 32)
        if storage == _FILE:
            place = 0  # the index of the next file's symbol
        if storage == _WEAK:
            aux = aux[4:]  # the index of the symbol that takes its place
        program.facts.append(("symbol", label, home, place, kind, storage, aux))
    return found


def _text(name: bytes, strings: bytes) -> bytes:
    if name[:4] != b"\0\0\0\0":
        return name.rstrip(b"\0")
    at = int.from_bytes(name[4:], "little")
    end = strings.find(b"\0", at, at + limits.NAME_BYTES)
    if end < 0:
        raise ParseError("A symbol's name does not end in the table of names")
    return strings[at:end]
