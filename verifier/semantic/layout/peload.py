"""The load configuration of a 32-bit PE image: its list of handlers of exceptions (SafeSEH).

PE format specification, "The Load Configuration Structure (Image Only)": from offset 60 on the
address of the security cookie, of the list, and its length. What says more (control flow guard,
lock prefixes) is not decided.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.semantic.layout.petables import whole
from verifier.semantic.layout.program import Address, Kind, Piece, parted

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image
    from verifier.semantic.layout.petables import Row
    from verifier.semantic.layout.program import Program

_ADDRESSES = (32, 56)  # of lock prefixes and edits
_COOKIE, _LIST, _COUNT, _LEAST = 60, 64, 68, 72
_MOST = 0x200  # bytes of the structure in any version of Windows so far
_HANDLERS_MOST = 1 << 16


def handlers(
    data: Buffer, image: Image, program: Program, rows: list[Row], starts: set[int]
) -> None:
    """Handlers become facts and starts of code; their list a piece that facts tell whole.

    Anything else than this list and a cookie is a doubt.
    """
    address, size = image.directory("load-config")
    if not address or program.machine != "x86":
        return
    length = int.from_bytes(whole(data, image, address, 4, "The load configuration"), "little")
    if not _LEAST <= length <= _MOST or not 0 < size <= length:
        program.doubts.append("The length of its load configuration is not decided here.")
        return
    raw = whole(data, image, address, length, "The load configuration")
    rebased = {row[0]: row[3] for row in rows if row[2] == Kind.POINTER and row[1] == 4}
    words = {at: int.from_bytes(raw[at : at + 4], "little") for at in range(0, length - 3, 4)}
    told = {at for at in (_COOKIE, _LIST) if words[at]}
    inside = {at for at in rebased if address <= at < address + length}
    other = any(words[at] for at in _ADDRESSES) or any(raw[_LEAST:])
    if other or inside != {address + at for at in told} or (words[_COUNT] and _LIST not in told):
        program.doubts.append("Its load configuration says more than is decided here.")
        return
    program.objects[address] = max(length, program.objects.get(address, 0))
    if words[_COUNT]:
        _listed(data, image, program, (rebased[address + _LIST], words[_COUNT]), starts)


def _listed(
    data: Buffer, image: Image, program: Program, where: tuple[int, int], starts: set[int]
) -> None:
    first, count = where
    if count > _HANDLERS_MOST:
        program.doubts.append(f"It has {count} handlers of exceptions.")
        return
    found = struct.unpack(f"<{count}I", whole(data, image, first, 4 * count, "Handlers"))
    home = program.piece_at(first)
    code = [each for each in program.pieces if each.code and each.content]
    runs = all(any(each.address <= at < each.end for each in code) for at in found)
    plain = home is not None and home.content and not home.code and first + 4 * count <= home.end
    if not plain or not runs or list(found) != sorted(set(found)):
        program.doubts.append("Its list of handlers of exceptions is malformed.")
        return
    starts.update(found)
    program.facts += [("handler of exceptions", Address(at)) for at in found]
    pieces: list[Piece] = []
    for piece in program.pieces:
        begin = first - piece.address
        stop = begin + 4 * count
        told = f"{piece.name} handlers"
        parts = [(piece.name, 0, begin), (told, begin, stop)]
        parts.append((f"{piece.name} after handlers", stop, piece.size))
        cut = parted(piece, parts) if piece is home else [piece]
        pieces += [each._replace(content=each.content and each.name != told) for each in cut]
    program.pieces = tuple(pieces)
