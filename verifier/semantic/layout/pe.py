"""A PE image as a `Program` (PE format specification; x64 exception handling for `.pdata`)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats.pe import meaning
from verifier.formats.pe.layout import layout
from verifier.semantic.layout import (
    called,
    elffacts,
    peframes,
    peload,
    pepseudo,
    pesymbols,
    petables,
)
from verifier.semantic.layout.program import Address, Piece, Program, slots_of

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image, Section

_MACHINES = {0x8664: "x86-64", 0x14C: "x86"}
_CODE, _DATA, _ZEROS, _EXECUTE, _WRITE = 0x20, 0x40, 0x80, 0x20000000, 0x80000000
_RELOCS_STRIPPED = 1
_ZEROS_MOST = 64 * limits.MIB  # that sections with contents are filled up with
_CODE_ZEROS_MOST = limits.MIB  # the same of code, where linkers leave less than a page
_WHOLE = {".CRT", ".tls", ".rsrc"}
_SUMS = {"SizeOfCode": _CODE, "SizeOfInitializedData": _DATA, "SizeOfUninitializedData": _ZEROS}
_PLACES = {"BaseOfCode", "BaseOfData", "AddressOfEntryPoint", "ImageBase", "SizeOfImage"}


def load(data: Buffer) -> Program:
    """The image; what can never be decided of it is in `doubts`.

    Raises:
        VerifierError: it is not well-formed.
    """
    image: Image = layout(data).info
    _bounded(image)
    pieces = tuple(sorted((_piece(data, image, each) for each in image.sections), key=_by_place))
    program = Program(
        _MACHINES.get(image.machine, f"machine {image.machine:#x}"),
        pieces,
        *(elffacts.none(), slots_of([])),
        [],
        relative=True,
    )
    program.base = image.optional["ImageBase"]
    program.debug = {
        each.label: data[each.pointer : each.pointer + each.content]
        for each in image.sections
        if each.label.startswith(".debug_")
    }
    if image.machine not in _MACHINES:
        program.doubts.append("Only x86 and x86-64 images are decided.")
        return program
    try:
        _fill(data, image, program)
        program.whole = True
    except VerifierError as error:
        program.doubts.append(str(error))
    return program


def _bounded(image: Image) -> None:
    """Raise LimitError where reading the image would be to read zeros that the file lacks."""
    zeros, coded = 0, 0
    for each in image.sections:
        if each.content:
            lacking = max(0, each.virtual_size - each.content)
            zeros += lacking
            coded += lacking if each.flags & _EXECUTE else 0
    if zeros > _ZEROS_MOST:
        raise LimitError(f"The image takes {zeros} bytes of memory more than the file holds")
    if coded > _CODE_ZEROS_MOST:
        raise LimitError(f"The file lacks {coded} bytes of the image's code")


def _by_place(piece: Piece) -> tuple[int, int]:
    return piece.address, piece.size


def _fill(data: Buffer, image: Image, program: Program) -> None:
    _headers(data, image, program)
    for one, other in zip(program.pieces, program.pieces[1:], strict=False):
        if one.end > other.address:
            program.doubts.append(f"{one.name} and {other.name} overlap in memory.")
    rows = petables.rows(data, image, program)
    pepseudo.split(program, rows)
    starts = set(pesymbols.names(data, image, program))
    peload.handlers(data, image, program, rows, starts)
    program.known = called.known(data, image)
    program.callbacks = meaning.callbacks(data, image)
    rows += peframes.rows(data, image, program, starts)
    peframes.unwinding(program, rows, starts)
    if len({piece.name for piece in program.pieces}) < len(program.pieces):
        raise ParseError("Two parts of the image bear one name")
    for piece in program.pieces:
        if piece.code and piece.content:
            starts.add(piece.address)
    program.starts = elffacts.numbers(starts)
    program.slots = slots_of(rows)


def _headers(data: Buffer, image: Image, program: Program) -> None:
    """Every field of the headers, those that follow from the sections as their difference."""
    optional = image.optional
    flags = int.from_bytes(data[image.nt + 22 : image.nt + 24], "little")
    stamp = image.stamp
    fixed = sorted(
        (name, value) for name, value in optional.items() if name not in _PLACES | _SUMS.keys()
    )
    program.facts += [
        ("dos", bytes(data[: image.nt])),
        ("coff", image.machine, flags, stamp, bytes(data[image.nt + 20 : image.nt + 22])),
        ("signature", bytes(data[image.nt : image.nt + 4])),
        ("symbols", _symbols(data, image)),
        ("optional", *fixed),
        ("image-base", optional["ImageBase"] % 0x10000),
        (
            "entry",
            Address(optional["AddressOfEntryPoint"]) if optional["AddressOfEntryPoint"] else 0,
        ),
    ]
    for name in ("BaseOfCode", "BaseOfData"):
        if name in optional:
            homes = [piece.name for piece in program.pieces if piece.address == optional[name]]
            program.facts.append((name, *homes) if homes else (name, optional[name]))
    for name, kind in _SUMS.items():
        total = sum(_size(image, each) for each in image.sections if each.flags & kind)
        program.facts.append((name, optional[name] - total))
    last = max((piece.end for piece in program.pieces), default=0)
    program.facts.append(
        ("SizeOfImage", optional["SizeOfImage"] - _up(last, optional["SectionAlignment"]))
    )
    if flags & _RELOCS_STRIPPED:
        program.doubts.append(
            "It has no base relocations, so that numbers and addresses in it cannot be told apart."
        )
    _sections(data, image, program)
    _overlay(data, image, program)


def _symbols(data: Buffer, image: Image) -> bytes | None:
    """Where the header says that symbols are, if they are not there: then facts tell nothing."""
    return None if image.symbols else bytes(data[image.nt + 12 : image.nt + 20])


def _size(image: Image, section: Section) -> int:
    align = image.optional["FileAlignment"] or 1
    return section.raw_size or _up(section.virtual_size, align)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align if align else value


def _sections(data: Buffer, image: Image, program: Program) -> None:
    table = image.table_end - 40 * len(image.sections)
    at = image.table_end
    ordered = sorted((each for each in image.sections if each.stored), key=lambda one: one.pointer)
    for number, section in enumerate(image.sections):
        raw = bytes(data[table + 40 * number + 24 : table + 40 * number + 36])
        unused = () if section.stored else (section.pointer, section.raw_size)
        program.facts.append(("section", number, section.label, section.flags, raw, unused))
        slack = data[section.pointer + section.content : section.pointer + section.stored]
        if len(slack) > limits.MIB or any(bytes(slack)):
            program.doubts.append(f"{section.label} holds bytes behind its size.")
        if section.label.startswith(".debug_"):
            content = data[section.pointer : section.pointer + section.content]
            program.facts.append(("debug", section.label, hashlib.sha256(content).digest()))
    for section in ordered:
        if section.pointer < at:
            program.doubts.append(f"{section.label} lies over another part of the file.")
        gap = data[at : section.pointer]
        if len(gap) > limits.MIB or any(bytes(gap)):
            program.doubts.append(f"The file holds bytes of no section at {at:#x}.")
        at = section.pointer + section.stored


def _overlay(data: Buffer, image: Image, program: Program) -> None:
    """What follows the sections, apart from COFF symbols, which are facts of their own."""
    end = max([image.table_end, *(each.pointer + each.stored for each in image.sections)])
    parts = [(end, len(data))]
    if image.symbols and image.strings:
        parts = [(end, image.symbols.offset), (image.strings.end, len(data))]
    for start, stop in parts:
        raw = bytes(data[start:stop])
        if any(raw):
            program.facts.append(("overlay", hashlib.sha256(raw).digest()))


def _piece(data: Buffer, image: Image, section: Section) -> Piece:
    """A section in memory: contents filled up with zeros to its size."""
    size = section.virtual_size or section.raw_size
    stored: Buffer | None = None
    if section.content:
        stored = data[section.pointer : section.pointer + section.content]
        if size > len(stored):
            stored = memoryview(bytes(stored) + bytes(size - len(stored)))
    told = {image.directory("relocation")[0], image.directory("exception")[0]} - {0}
    debug = section.label.startswith(".debug_")
    return Piece(
        section.label,
        section.address,
        size,
        stored,
        code=bool(section.flags & _EXECUTE),
        content=section.address not in told
        and not debug
        and not (section.label in peframes.UNWINDING and image.machine == peframes.I386),
        whole=section.label in _WHOLE,
        made=section.label == ".idata",
        offset=section.pointer,
        stored=section.content,
    )
