"""ELF files of which nothing can be proven, read loosely so that their functions can be compared.

Programs at fixed addresses, objects, 32-bit images. Each has a doubt, which no proof survives:
what is guessed here, or read wrongly, spoils a report and never a verdict.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats.elf.header import (
    ET_REL,
    SHF_ALLOC,
    SHF_COMPRESSED,
    SHF_EXECINSTR,
    SHF_TLS,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_PROGBITS,
    SHT_REL,
    SHT_RELA,
    SHT_SYMTAB,
)
from verifier.semantic.layout import arm, elfdynamic, frames, guesses, unlinked
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.program import Address, Kind, Piece, Program, slots_of

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image

MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "aarch64"}
_EXEC, _DYN = 2, 3
FIXED = (
    "It is no position-independent image, so that numbers and addresses in it cannot be told apart."
)
_UNLINKED = "It is an object that no linker has laid out yet: what its order means is not decided."
_NARROW = "Only 64-bit little-endian ELF images are decided."
_OBJECT, _FUNC, _SECTION, _TLS, _IFUNC = 1, 2, 3, 6, 10
_RESERVED = 0xFF00
_CONTENTS = {SHT_PROGBITS, SHT_NOBITS, 14, 15, 16}
_TABLES = (b".eh_frame", b".eh_frame_hdr", b".ARM.exidx", b".ARM.extab", b".interp")
_MADE = (".got", ".plt")
_FUNCTIONS_MOST = 4_000_000
_NAMES_MOST = 16  # of one address
# What the loader fills, by machine: rebased words, words that symbols fill (glob, jump, absolute).
_LOADED = {
    3: (8, {1, 6, 7}),
    40: (23, {2, 21, 22}),
    62: (8, {1, 6, 7}),
    183: (1027, {257, 1025, 1026}),
}


class Symbol(NamedTuple):
    """One symbol; `address` is where it was put here, which objects do not say."""

    name: str
    kind: int
    where: int
    value: int
    size: int
    address: int


def load(data: Buffer, image: Image) -> Program:
    """The image with the reason why it proves nothing; `whole` if its functions can be compared.

    Raises:
        VerifierError: it is not well-formed.
    """
    machine = MACHINES.get(image.header.machine, f"machine {image.header.machine}")
    program = Program(machine, (), np.zeros(0, dtype=np.int64), slots_of([]), [])
    kind = image.header.type
    program.doubts.append(_UNLINKED if kind == ET_REL else _NARROW if kind == _DYN else FIXED)
    program.debug = {
        section.label: data[section.offset : section.offset + section.length]
        for section in image.sections
        if section.name.startswith(b".debug_") and not section.flags & SHF_COMPRESSED
    }
    known = image.header.machine in MACHINES and image.header.shape.order == "<"
    if not known or kind not in (ET_REL, _EXEC, _DYN):
        return program
    try:
        _fill(data, image, program)
        program.whole = True
    except VerifierError as error:
        program.doubts.append(str(error))
    return program


def _fill(data: Buffer, image: Image, program: Program) -> None:
    object_file, word = image.header.type == ET_REL, image.header.shape.bits // 8
    if object_file:
        placed = unlinked.place(image)
        program.debug = {}  # its addresses are relocated too, and name no place
    else:
        placed = {each.number: each.addr for each in image.sections if each.flags & SHF_ALLOC}
    pieces = [
        _piece(data, section, placed[section.number])
        for section in image.sections
        if section.number in placed and (section.size or section.type != SHT_NOBITS)
    ]
    program.pieces = tuple(sorted(pieces, key=lambda piece: (piece.address, piece.size)))
    if max((piece.end for piece in pieces), default=0) > FARTHEST:
        raise ParseError("A section lies beyond all addresses")
    symbols = {
        section.number: _symbols(data, image, section, placed)
        for section in image.sections
        if section.type in (SHT_SYMTAB, SHT_DYNSYM)
    }
    if object_file:
        rows = unlinked.resolve(data, image, program, placed, symbols)
    else:
        rows = _relocations(data, image, program, symbols)
    modes = _names(program, [each for table in symbols.values() for each in table])
    program.facts.append(("entry", Address(image.header.entry)))
    _starts(program, image.header.entry, word)
    fixed = image.header.type == _EXEC
    if fixed:
        rows += guesses.words(program, {row[0] for row in rows}, word)
    program.slots = slots_of(rows)
    if program.machine == "arm":
        program.modes = arm.modes(program, modes, image.header.entry)
        if not any(mode == "d" for _at, mode in program.modes):
            arm.guess(program)
        program.reader = partial(arm.decode, program, fixed)
    elif program.machine.startswith("x86"):
        program.reader = partial(guesses.decode, program, fixed)


def _starts(program: Program, entry: int, word: int) -> None:
    """Where code is known to begin: names, unwind tables, the entry point, stubs."""
    starts = set(program.names) | set(program.sizes) | _unwound(program, word)
    code = [piece for piece in program.pieces if piece.code and piece.content]
    starts |= {piece.address for piece in code}
    starts.add(entry & ~1 if program.machine == "arm" else entry)
    if program.machine == "arm":
        starts.update(at for piece in code if piece.made for at, _slot in arm.stubs(piece))
    found = np.array(sorted(starts), dtype=np.int64)
    keep = np.zeros(len(found), dtype=np.bool_)
    for piece in code:
        keep |= (found >= piece.address) & (found < piece.end)
    program.starts = found[keep]


def _piece(data: Buffer, section: Section, address: int) -> Piece:
    stored = None
    if section.type != SHT_NOBITS:
        stored = data[section.offset : section.offset + section.size]
        if len(stored) != section.size:
            raise ParseError(f"{section.label} is longer than the file", section.offset)
    threads = section.flags & SHF_TLS and stored is None
    return Piece(
        section.label,
        address,
        0 if threads else section.size,
        stored,
        code=bool(section.flags & SHF_EXECINSTR),
        content=section.type in _CONTENTS and section.name not in _TABLES and not threads,
        made=section.label.startswith(_MADE),
        offset=section.offset,
        stored=len(stored) if stored is not None else 0,
    )


def _symbols(data: Buffer, image: Image, table: Section, placed: dict[int, int]) -> list[Symbol]:
    wide = image.header.shape.bits == 64
    form = struct.Struct("<IBBHQQ" if wide else "<IIIBBH")
    raw = bytes(data[table.offset : table.offset + table.length])
    if len(raw) % form.size:
        raise ParseError(f"{table.label} does not hold whole symbols", table.offset)
    if len(raw) // form.size > _FUNCTIONS_MOST:
        raise LimitError(f"{table.label} holds {len(raw) // form.size} symbols")
    strings = elfdynamic.strings(data, image, table.link)
    found = []
    for fields in form.iter_unpack(raw):
        if wide:
            name, info, _other, where, value, size = fields
        else:
            name, value, size, info, _other, where = fields
        text = elfdynamic.text_at(strings, name) if name < len(strings) else b""
        address = value
        if image.header.type == ET_REL:
            address = placed[where] + value if where in placed else -1
        if max(value, address) + size > FARTHEST:
            raise ParseError("A symbol is larger than any image", table.offset)
        shown = text.decode("utf-8", "backslashreplace")
        found.append(Symbol(shown, info & 15, where, value, size, address))
    return found


def _names(program: Program, symbols: list[Symbol]) -> list[tuple[int, str]]:
    """What symbols call addresses, and where mapping symbols of ARM begin code and data."""
    modes: list[tuple[int, str]] = []
    for each in symbols:
        placed = 0 < each.where < _RESERVED and each.kind not in (_SECTION, _TLS)
        if not placed or each.address < 0 or each.name.startswith(".L"):
            continue  # .L: a place inside of something, which assemblers name
        if each.name[:1] == "$" and program.machine in ("arm", "aarch64"):
            if each.name[1:2] in ("a", "t", "d"):
                modes.append((each.address, each.name[1]))
            continue
        code, address = each.kind in (_FUNC, _IFUNC), each.address
        if code and program.machine == "arm":
            modes.append((address & ~1, "T" if address & 1 else "A"))
            address &= ~1
        if each.name:
            _call(program, each, address)
        if code:
            program.sizes[address] = max(each.size, program.sizes.get(address, 0))
        elif each.kind == _OBJECT:
            program.objects[address] = max(each.size, program.objects.get(address, 0))
    return modes


def _call(program: Program, symbol: Symbol, address: int) -> None:
    known = program.names.setdefault(address, [])
    if symbol.name not in known and len(known) < _NAMES_MOST:
        known.append(symbol.name)


def _relocations(
    data: Buffer, image: Image, program: Program, symbols: dict[int, list[Symbol]]
) -> list[tuple[int, int, int, int, int]]:
    """The words that the loader fills."""
    word = image.header.shape.bits // 8
    relative, named = _LOADED[image.header.machine]
    rows = []
    for section in image.sections:
        if section.type not in (SHT_RELA, SHT_REL) or not section.flags & SHF_ALLOC:
            continue
        table = symbols.get(section.link, [])
        for at, kind, number, addend in unlinked.entries(data, image, section):
            if kind == relative:
                target = addend if section.type == SHT_RELA else _word(program, at, word)
                target &= ~1 if program.machine == "arm" else -1
                rows.append((at, word, int(Kind.POINTER), target, 0))
            elif number < len(table) and table[number].name:
                symbol = program.symbol(table[number].name)
                size = word if kind in named else 0
                rows.append((at, size, int(Kind.SYMBOL), addend, symbol))
    return [row for row in rows if program.piece_at(row[0]) is not None]


def _word(program: Program, at: int, size: int) -> int:
    piece = program.piece_at(at)
    if piece is None or piece.data is None:
        return 0
    raw = bytes(piece.data[at - piece.address : at - piece.address + size])
    return int.from_bytes(raw, "little")


def _unwound(program: Program, word: int) -> set[int]:
    """Where functions begin as unwind tables say; sizes with them. What is malformed says none."""
    found: set[int] = set()
    for piece in program.pieces:
        if piece.data is None:
            continue
        if piece.name.split("#")[0] == ".eh_frame":
            try:
                for frame in frames.frames(piece, word)[0]:
                    found.add(frame.begin)
                    program.sizes.setdefault(frame.begin, frame.size)
            except VerifierError:
                continue
        elif piece.name == ".ARM.exidx":
            for at in range(0, piece.size - 7, 8):
                offset = int.from_bytes(piece.data[at : at + 4], "little")
                offset = offset - (1 << 31) if offset & (1 << 30) else offset
                found.add((piece.address + at + offset) & ~1)
    return found
