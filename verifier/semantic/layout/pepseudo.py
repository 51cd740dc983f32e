"""The list of runtime pseudo relocations that mingw-w64 links into an image.

Its start-up code adds to each `target` how far the imported `symbol` lies from its slot
(mingw-w64, crt/pseudo-reloc.c, version 2: a header of 0, 0, 1, then symbol, target, bits).
The order of the list means nothing; no base relocation tells that its words are addresses.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.semantic.layout.program import Address, Kind, Piece, parted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.semantic.layout.petables import Row
    from verifier.semantic.layout.program import Program

_HEADER = struct.pack("<III", 0, 0, 1)
_BITS = {8, 16, 32, 64}


def split(program: Program, rows: Iterable[Row]) -> None:
    """Cut the list out of its section, as a piece that facts tell whole."""
    imported = {row[0] for row in rows if row[2] == Kind.SYMBOL}
    pieces: list[Piece] = []
    for piece in program.pieces:
        found = _list(piece, imported) if piece.content and not piece.code else None
        if found is None or piece.data is None:
            pieces.append(piece)
            continue
        start, end = found
        for symbol, target, bits in struct.iter_unpack("<III", piece.data[start + 12 : end]):
            program.facts.append(("pseudo relocation", Address(symbol), Address(target), bits))
        told = f"{piece.name} pseudo relocations"
        parts = [(piece.name, 0, start), (f"{told}' header", start, start + len(_HEADER))]
        parts += [(told, start + len(_HEADER), end), (f"{piece.name} after them", end, piece.size)]
        pieces += [
            each._replace(content=each.content and each.name != told)
            for each in parted(piece, parts)
        ]
    program.pieces = tuple(pieces)


def _list(piece: Piece, imported: set[int]) -> tuple[int, int] | None:
    """(start, end) of the list within a section, from its header on."""
    raw = bytes(piece.data or b"")
    at = raw.find(_HEADER)
    while at >= 0:
        end = at + 12
        while end + 12 <= len(raw):
            symbol, _target, bits = struct.unpack_from("<III", raw, end)
            if symbol not in imported or bits not in _BITS:
                break
            end += 12
        if end > at + 12:
            return at, end
        at = raw.find(_HEADER, at + 4)
    return None
