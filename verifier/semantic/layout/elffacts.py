"""What the headers of an ELF image say, as facts; what they contradict, as doubts (gABI 4, 5)."""

from __future__ import annotations

import hashlib
import itertools
import struct
from typing import TYPE_CHECKING

import numpy as np

from verifier.errors import ParseError
from verifier.formats.elf.header import (
    SHF_ALLOC,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_STRTAB,
    SHT_SYMTAB,
)
from verifier.semantic.layout import elfsegments
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image
    from verifier.semantic.layout.frames import Frame
from verifier.semantic.layout.program import Ints, Piece, Program

DEBUG = b".debug_"
_GAP_MOST = 1 << 20


def numbers(values: Iterable[int]) -> Ints:
    """Sorted addresses."""
    found = sorted(values)
    if found and (found[0] < -FARTHEST or found[-1] > FARTHEST):
        raise ParseError("An address is larger than any of an image")
    return np.array(found, dtype=np.int64)


def none() -> Ints:
    """No addresses."""
    return np.zeros(0, dtype=np.int64)


def headers(data: Buffer, image: Image, program: Program) -> None:
    """Facts of the file header, segments and sections, and of all contents that is not loaded."""
    header = image.header
    raw = bytes(data[:64])  # all but the entry point and the place of the section headers
    program.facts.append(("header", raw[:24], raw[32:40], raw[48:64]))
    program.facts.append(("entry", Address(header.entry) if header.entry else None))
    program.facts.append(("counts", header.phnum, header.shnum, header.shstrndx))
    labels = [section.label for section in image.sections]
    for section in image.sections:
        _section(data, image, section, labels, program)
    loads = sorted(image.loads(), key=lambda item: item.vaddr)
    for segment in image.segments:
        elfsegments.segment(image, segment, program)
    if loads != list(image.loads()):
        program.doubts.append("Segments are not loaded in the order of their addresses.")
    for one, other in itertools.pairwise(loads):
        if one.vaddr + one.memsz > other.vaddr:
            program.doubts.append(f"Segments {one.number} and {other.number} overlap in memory.")
    for load in loads:
        elfsegments.filled(data, image, load, program)
    _apart(program)
    _outside(data, image, program)


def _section(
    data: Buffer, image: Image, section: Section, labels: list[str], program: Program
) -> None:
    def label(index: int) -> str:
        return labels[index] if 0 < index < len(labels) else str(index)

    info = label(section.info) if section.flags & 0x40 else section.info
    if section.type == SHT_SYMTAB:
        info = 0  # the number of local symbols: which ones is told by the symbols
    program.facts.append(
        (
            "section" if section.flags & SHF_ALLOC else "unloaded section",
            *(section.number, section.name, section.type, section.flags),
            *(section.align, section.entsize, label(section.link), info),
            0 if section.flags & SHF_ALLOC else section.addr,
        )
    )
    if not section.number:
        program.facts.append(
            ("null", bytes(data[image.header.shoff :][: image.header.shape.sizes[2]]))
        )
    if not section.flags & SHF_ALLOC:
        program.facts.append(("unloaded address", section.number, section.addr))
    elif section.type == SHT_NOBITS:
        place = section.addr - section.offset
        homes = {load.vaddr - load.offset for load in image.loads()}
        ends = {load.offset + load.filesz for load in image.loads()}
        usual = place in homes or section.offset in ends
        program.facts.append(("place of zeros", section.number, usual or place))
    _contents(data, image, section, program)


def _contents(data: Buffer, image: Image, section: Section, program: Program) -> None:
    """Contents that are told whole: notes, texts, and what is not loaded."""
    raw = data[section.offset : section.offset + section.length]
    loaded = bool(section.flags & SHF_ALLOC)
    if section.type == SHT_NOTE or (section.name == b".interp" and loaded):
        program.facts.append(("contents", section.label, bytes(raw)))
    elif section.type == SHT_NOBITS and section.flags & 0x400:
        program.facts.append(("threads", section.label, section.size))
    elif section.type == SHT_STRTAB:
        texts = b"\0".join(sorted(bytes(raw).split(b"\0")))
        program.facts.append(("texts", section.label, hashlib.sha256(texts).digest()))
        used = section.number == image.header.shstrndx or any(
            each.type == SHT_SYMTAB and each.link == section.number for each in image.sections
        )
        if not loaded and not used:
            program.doubts.append(f"No table uses the texts of {section.label}.")
    elif not loaded and section.type not in (SHT_SYMTAB, SHT_NOBITS):
        name = "debug" if section.name.startswith(DEBUG) else "unloaded"
        program.facts.append((name, section.label, hashlib.sha256(raw).digest()))


def _apart(program: Program) -> None:
    for one, other in zip(program.pieces, program.pieces[1:], strict=False):
        if one.end > other.address:
            program.doubts.append(f"{one.name} and {other.name} overlap in memory.")


def _outside(data: Buffer, image: Image, program: Program) -> None:
    """Bytes of the file that nothing speaks of are zeros between its parts."""
    header = image.header
    sizes = header.shape.sizes
    taken = [
        (0, sizes[0]),
        (header.phoff, header.phoff + header.phnum * sizes[1]),
        (header.shoff, header.shoff + header.shnum * sizes[2]),
        *((item.offset, item.offset + item.length) for item in image.sections),
        (len(data), len(data)),
    ]
    at = 0
    for start, stop in sorted(taken):
        gap = data[at:start]
        if len(gap) > _GAP_MOST or any(bytes(gap)):
            program.doubts.append(f"The file holds bytes of no part at {at:#x}.")
        at = max(at, stop)


def frame_header(piece: Piece | None, table: Piece, frames: list[Frame]) -> None:
    """`.eh_frame_hdr` is the sorted index of `.eh_frame`; ParseError where it is not.

    LSB, Core, .eh_frame_hdr: version 1, encodings 0x1b, 0x03, 0x3b as GNU ld and lld write.
    """
    if piece is None or piece.data is None:
        if piece is None:
            return
        raise ParseError("The index of the unwind table is not in the file")
    raw = bytes(piece.data)
    if raw[:4] != b"\x01\x1b\x03\x3b" or len(raw) < 12:
        raise ParseError("The index of the unwind table has an unknown form")
    pointer, count = struct.unpack_from("<iI", raw, 4)
    if piece.address + 4 + pointer != table.address or len(raw) < 12 + 8 * count:
        raise ParseError("The index of the unwind table speaks of another table")
    found = list(struct.iter_unpack("<ii", raw[12 : 12 + 8 * count]))
    starts = [start + piece.address for start, _where in found]
    if starts != sorted(starts) or set(starts) != {frame.begin for frame in frames}:
        raise ParseError("The index of the unwind table names other functions")
    if any(raw[12 + 8 * count :]) or count != len(frames):
        raise ParseError("The index of the unwind table has another length")
    whole = bytes(table.data or b"")
    for start, where in found:
        place = where + piece.address - table.address
        if not 0 <= place <= len(whole) - 12:
            raise ParseError("The index of the unwind table leaves it")
        begin = struct.unpack_from("<i", whole, place + 8)[0] + table.address + place + 8
        if begin != start + piece.address:
            raise ParseError("The index of the unwind table names another function's entry")
