"""An ELF image as a `Program`: shared objects and position-independent executables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats.elf.header import (
    SHF_ALLOC,
    SHF_COMPRESSED,
    SHF_EXECINSTR,
    SHF_TLS,
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_REL,
    SHT_RELA,
    SHT_STRTAB,
    SHT_VERDEF,
    SHT_VERNEED,
)
from verifier.formats.elf.layout import layout
from verifier.semantic.layout import elffacts, elfsymbols, frames, unproven
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.program import Piece, Program, slots_of

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image

_MACHINES = {62: "x86-64", 183: "aarch64"}
_DYN = 3
_PARTS_MOST = 1 << 20  # segments times sections
_INIT_ARRAY, _FINI_ARRAY, _PREINIT_ARRAY, _HASH, _RELR = 14, 15, 16, 5, 19
_GNU_HASH, _VERSYM, _UNWIND = 0x6FFFFFF6, 0x6FFFFFFF, 0x70000001
_TOLD = {SHT_DYNSYM, SHT_STRTAB, _HASH, _GNU_HASH, _VERSYM, SHT_VERNEED, SHT_VERDEF, SHT_RELA,
         SHT_REL, _RELR, SHT_NOTE, SHT_DYNAMIC}  # fmt: skip
_WHOLE = {_INIT_ARRAY, _FINI_ARRAY, _PREINIT_ARRAY}
_LINKER = {b".got", b".got.plt", b".plt", b".plt.got", b".plt.sec"}
_FRAMES = {b".eh_frame", b".eh_frame_hdr"}


def load(data: Buffer) -> Program:
    """The image; what can never be decided of it is in `doubts`.

    Raises:
        VerifierError: it is not well-formed.
    """
    image: Image = layout(data).info
    if len(image.segments) * len(image.sections) > _PARTS_MOST:
        raise LimitError(
            f"It has {len(image.segments)} segments and {len(image.sections)} sections"
        )
    shape = image.header.shape
    if image.header.type != _DYN or (shape.bits, shape.order) != (64, "<"):
        return unproven.load(data, image)
    pieces = _pieces(data, image)
    program = Program(
        _MACHINES.get(image.header.machine, f"machine {image.header.machine}"),
        pieces,
        *(elffacts.none(), slots_of([])),
        [],
    )
    program.debug = {
        section.label: data[section.offset : section.offset + section.length]
        for section in image.sections
        if section.name.startswith(elffacts.DEBUG) and not section.flags & SHF_COMPRESSED
    }
    program.doubts += [f"{item.where}: {item.summary}" for item in image.quarrels]
    try:
        _fill(data, image, program)
        program.whole = True
    except VerifierError as error:
        program.doubts.append(str(error))
    return program


def _fill(data: Buffer, image: Image, program: Program) -> None:
    elffacts.headers(data, image, program)
    elfsymbols.symbols(data, image, program)
    starts = set(elfsymbols.code_starts(program))
    rows: list[tuple[int, int, int, int, int]] = []
    for section in image.sections:
        if section.type in (SHT_RELA, SHT_REL, _RELR) and section.flags & SHF_ALLOC:
            rows += elfsymbols.relocations(data, image, section, program)
    by_name = {piece.name: piece for piece in program.pieces}
    if piece := by_name.get(".eh_frame"):
        found, facts = frames.frames(piece)
        program.facts += facts
        program.marks[piece.end - 4] = "end of the unwind table"
        starts.update(frame.begin for frame in found)
        program.sizes.update({frame.begin: frame.size for frame in found})
        program.tables = sorted({frame.table for frame in found if frame.table})
        for address in program.tables:
            table = program.piece_at(address)
            if table is None or table.data is None:
                raise ParseError("A function's exception table lies outside of the image")
            rows += frames.type_slots(table, address)
        elffacts.frame_header(by_name.get(".eh_frame_hdr"), piece, found)
    for piece in program.pieces:
        if piece.code and piece.content:
            starts.add(piece.address)
            if piece.made and piece.data is not None:
                starts.update(elfsymbols.stubs(program.machine, piece))
    program.starts = elffacts.numbers(starts)
    program.slots = slots_of(rows)


def _pieces(data: Buffer, image: Image) -> tuple[Piece, ...]:
    for section in image.sections:
        if section.flags & SHF_ALLOC and section.align > 1 and section.addr % section.align:
            raise ParseError(f"{section.label} is not aligned as it says")
        if section.addr + section.size > FARTHEST:
            raise ParseError(f"{section.label} lies beyond all addresses")
    found = [
        _piece(data, section)
        for section in image.sections
        if section.flags & SHF_ALLOC and (section.size or section.type != SHT_NOBITS)
    ]
    if any(piece.end >> 62 for piece in found):
        raise ParseError("A section lies outside of every address space")
    return tuple(sorted(found, key=lambda piece: (piece.address, piece.size)))


def _piece(data: Buffer, section: Section) -> Piece:
    stored = None
    if section.type != SHT_NOBITS:
        stored = data[section.offset : section.offset + section.size]
        if len(stored) != section.size:
            raise ParseError(f"{section.label} is longer than the file", section.offset)
    threads = section.flags & SHF_TLS and stored is None  # takes no room in the image
    told = section.type in _TOLD or section.name in _FRAMES or section.name == b".interp"
    return Piece(
        section.label,
        section.addr,
        0 if threads else section.size,
        stored,
        code=bool(section.flags & SHF_EXECINSTR),
        content=not told and not threads,
        whole=section.type in _WHOLE
        or section.name.decode("latin-1").isidentifier()  # may be walked: __start_…, __stop_…
        or bool(section.flags & SHF_TLS)
        or section.name in (b".init", b".fini"),
        made=section.name in _LINKER,
        offset=section.offset,
        stored=len(stored) if stored is not None else 0,
    )
