"""Functions and unwind information of x64 PE images (x64 exception handling, RUNTIME_FUNCTION)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.semantic.layout.frames import frames, type_slots
from verifier.semantic.layout.petables import whole
from verifier.semantic.layout.program import Address, Kind, parted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image
    from verifier.semantic.layout.petables import Row
    from verifier.semantic.layout.program import Piece, Program

UNWINDING = (".eh_frame", ".eh_fram")  # linkers cut names at eight bytes in stripped images
I386 = 0x14C  # the machine of 32-bit images
_HANDLERS, _CHAINED = 3, 4
_SCOPES_MOST = 256


def rows(data: Buffer, image: Image, program: Program, starts: set[int]) -> list[Row]:
    """The slots in unwind information; functions become facts and starts of code."""
    address, size = image.directory("exception")
    if not size or program.machine != "x86-64":
        return []
    raw = whole(data, image, address, size // 12 * 12, "The table of functions")
    piece = program.piece_at(address)
    rest = bytes(piece.data or b"")[address - piece.address + size // 12 * 12 :] if piece else b""
    if piece is None or piece.address != address or any(rest):
        raise ParseError("The section of the table of functions holds something else")
    found: list[Row] = []
    last = -1
    done: set[int] = set()
    for begin, end, unwind in struct.iter_unpack("<III", raw):
        if begin <= last or end <= begin:
            raise ParseError("The table of functions is not in order")
        last = begin
        starts.add(begin)
        program.sizes.setdefault(begin, end - begin)
        program.facts.append(("function", Address(begin), end - begin, Address(unwind)))
        if unwind not in done:
            done.add(unwind)
            found += _unwind(data, image, program, unwind)
    return found


def _unwind(data: Buffer, image: Image, program: Program, at: int) -> list[Row]:
    """References in one UNWIND_INFO: its handler and that one's data, or the chained function."""
    head = whole(data, image, at, 4, "Unwind information")
    flags, count = head[0] >> 3, head[2]
    after = at + 4 + 2 * (count + count % 2)
    size = after - at
    found: list[Row] = []
    if flags & _CHAINED:
        words = struct.unpack("<III", whole(data, image, after, 12, "A chained function"))
        found = [(after + 4 * i, 4, int(Kind.POINTER), word, 0) for i, word in enumerate(words)]
        size += 12
    elif flags & _HANDLERS:
        handler = struct.unpack("<I", whole(data, image, after, 4, "A handler"))[0]
        found = [(after, 4, int(Kind.POINTER), handler, 0)]
        found += _handled(program, after + 4)
        size += 4
    program.objects[at] = max(size, program.objects.get(at, 0))
    return found


def _handled(program: Program, at: int) -> list[Row]:
    """A handler's data: an exception table of the Itanium ABI, or a table of scopes of C."""
    piece = program.piece_at(at)
    if piece is None or piece.data is None or at + 4 > piece.end:
        return []
    inside = at - piece.address
    if piece.data[inside] == 0xFF:
        program.tables.append(at)
        return type_slots(piece, at)
    count = int.from_bytes(piece.data[inside : inside + 4], "little")
    if not 0 < count < _SCOPES_MOST or inside + 4 + 16 * count > len(piece.data):
        return []
    found: list[Row] = []
    for place in range(at + 4, at + 4 + 16 * count, 4):
        value = int.from_bytes(piece.data[place - piece.address :][:4], "little")
        home = program.piece_at(value)
        if value > 1 and home is None:
            return []
        if value > 1:
            found.append((place, 4, int(Kind.POINTER), value, 0))
    return found


def unwinding(program: Program, rows: list[Row], starts: set[int]) -> None:
    """The `.eh_frame` of 32-bit images, as DWARF unwinding reads it: facts and starts of code.

    References to types in exception tables become slots.
    The runtime is told where the table begins; it may leave out what stands before.
    """
    piece = next((each for each in program.pieces if each.name in UNWINDING), None)
    if program.machine != "x86" or piece is None or piece.data is None:
        return
    if any(piece.address <= row[0] < piece.end for row in rows):
        program.doubts.append("The unwind table holds addresses that the loader rebases.")
        return
    pointed = sorted({row[3] for row in rows if piece.address < row[3] < piece.end})
    tables: set[int] = set()
    for number, part in enumerate(_parts(piece)):
        found, facts = frames(part, 4)
        program.facts += [(*fact, number) for fact in facts]
        for frame in found:
            starts.add(frame.begin)
            program.sizes.setdefault(frame.begin, frame.size)
            tables |= {frame.table} - {0}
    program.tables += sorted(tables)
    _apart(program, rows, starts)
    for address in program.tables:
        home = program.piece_at(address)
        if home is None or home.data is None:
            raise ParseError("A function's exception table lies outside of the image")
        rows += type_slots(home, address)
    for place in pointed:
        before = piece._replace(size=place - piece.address)
        earlier = tuple(
            Address(frame.begin) for part in _parts(before) for frame in frames(part, 4)[0]
        )
        program.marks[place] = f"the unwind table after {len(earlier)} functions"
        program.facts.append(("unwinding before", *earlier))


def _apart(program: Program, rows: list[Row], starts: set[int]) -> None:
    """Cut exception tables out of code, behind which linkers lay them, as pieces of their own."""
    pieces: list[Piece] = []
    for piece in program.pieces:
        mine = [at for at in program.tables if piece.address <= at < piece.end]
        if not piece.code or not mine or piece.data is None:
            pieces.append(piece)
            continue
        first = mine[0]
        end = min((at for at in starts if mine[-1] < at < piece.end), default=piece.end)
        known = (*starts, *(row[0] for row in rows), *(row[3] for row in rows))
        inside = any(first <= at < end for at in known)
        if inside or mine[-1] >= end:
            raise ParseError("Exception tables lie among code")
        tables, last = f"{piece.name} tables", end - piece.address
        parts = [(piece.name, 0, first - piece.address), (tables, first - piece.address, last)]
        parts.append((f"{piece.name} after tables", last, piece.size))
        cut = parted(piece, parts)
        pieces += [each._replace(code=each.name != tables) for each in cut]
    program.pieces = tuple(pieces)


def _parts(piece: Piece) -> Iterator[Piece]:
    """The tables between words of zero, each of which ends one: libraries bring more than one."""
    data = bytes(piece.data or b"")[: piece.size]
    start = at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        at += 4 + length
        if not length:
            yield piece._replace(
                address=piece.address + start, size=at - start, data=memoryview(data[start:at])
            )
            start = at
    if at != len(data):
        raise ParseError("An entry of the unwind table leaves it", start)
    if start < at:
        rest = memoryview(data[start:at])
        yield piece._replace(address=piece.address + start, size=at - start, data=rest)
