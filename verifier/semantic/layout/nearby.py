"""Large images of which a few bytes differ and nothing moved: only the functions around are read.

The whole of a library of 100 MB need not be decoded to say that one instruction of it changed.
Where nothing moved, no map can make two images one program, so that nothing is proven here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier import content, limits
from verifier.errors import ParseError
from verifier.formats.base import text
from verifier.formats.elf.header import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_RELA,
    SHT_SYMTAB,
)
from verifier.formats.elf.layout import layout as elf_layout
from verifier.formats.pe.layout import layout as pe_layout
from verifier.formats.pe.symbols import name_at
from verifier.semantic.demangle import shown
from verifier.semantic.layout import called, changes, elfdynamic, x86
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.functions import Changed, Functions
from verifier.semantic.layout.listing import listing, string_at
from verifier.semantic.layout.program import Piece, Program, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.content import Buffer
    from verifier.formats.elf.image import Image
    from verifier.model import Place
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Ints

LARGE = limits.IMAGES_LARGE  # bytes of one image from which on this is worth it
_RUNS_MOST = 64  # places that differ
_JOIN = 16
_STUB = 16  # bytes of a linker's stub
_FUNCTION_MOST = 4 * limits.MIB


class View(NamedTuple):
    """What is needed of an image: sections, where functions begin and end, and names."""

    machine: str
    pieces: tuple[Piece, ...]
    starts: Ints
    name: Callable[[int], str]
    slot: Callable[[int], str]  # the imported function whose address the loader writes there


def explain(
    kind: str, shipped: Buffer, rebuilt: Buffer, places: Sequence[Place]
) -> tuple[Functions, Assembled] | None:
    """The functions that differ, and names of the shipped image; None where more must be read."""
    spans = [
        (place.offset, place.length)
        for place in places
        if (place.offset, place.length) == (place.rebuilt_offset, place.rebuilt_length)
        and place.name.startswith("section[")
    ]
    if len(shipped) != len(rebuilt) or len(shipped) < LARGE or len(spans) != len(places):
        return None
    runs: list[int] = []
    for offset, length in spans:
        one, other = shipped[offset : offset + length], rebuilt[offset : offset + length]
        for run in content.runs(one, other, _JOIN):
            runs.append(offset + run.offset)
            if len(runs) > _RUNS_MOST:
                return None
    views = [(elf if kind == "elf" else _pe)(data) for data in (rebuilt, shipped)]
    if not all(view.machine == "x86-64" and len(view.starts) for view in views):
        return None
    return _functions(views[0], views[1], sorted(runs))


def _functions(one: View, other: View, runs: list[int]) -> tuple[Functions, Assembled] | None:
    changed: list[Changed] = []
    seen: set[int] = set()
    last: Assembled | None = None
    for at in runs:
        piece = next((each for each in other.pieces if _holds(each, at)), None)
        if piece is None:
            return None
        if not piece.code:
            continue
        address = piece.address + at - piece.offset
        start, end = _around(other, piece, address)
        if start in seen:
            continue
        if _around(one, piece, address) != (start, end) or end - start > _FUNCTION_MOST:
            return None
        seen.add(start)
        images = [cut(view, start, end) for view in (one, other)]
        lines = [listing(image, start, end, _namer(view, image)) for view, image in
                 zip((one, other), images, strict=True)]  # fmt: skip
        change = changes.compare(lines[0], lines[1], lambda a, b: a == b)
        change = change or changes.Change("bytes", "Its bytes differ.", "")
        changed.append(Changed(start, start, change))
        last = images[1]
        last.program.names = {
            each.b: [other.name(each.b)] for each in changed if other.name(each.b)
        }
    if last is None:
        return None
    return Functions(len(other.starts), [], [], changed, [], 0), last


def _holds(piece: Piece, at: int) -> bool:
    return piece.data is not None and piece.offset <= at < piece.offset + piece.stored


def _around(view: View, piece: Piece, address: int) -> tuple[int, int]:
    """The function around an address: from its start up to the next one's."""
    index = int(np.searchsorted(view.starts, address, side="right")) - 1
    start = int(view.starts[index]) if index >= 0 else piece.address
    end = int(view.starts[index + 1]) if index + 1 < len(view.starts) else piece.end
    return max(start, piece.address), min(end, piece.end)


def cut(view: View, start: int, end: int) -> Assembled:
    """An image of one function, with the other sections around it for names and texts."""
    pieces = []
    for piece in view.pieces:
        if piece.address <= start < piece.end:
            assert piece.data is not None
            data = piece.data[start - piece.address : end - piece.address]
            pieces.append(Piece(piece.name, start, end - start, data, code=True))
        else:
            pieces.append(piece._replace(content=False))
    starts = np.array([start], dtype=np.int64)
    program = Program(view.machine, tuple(pieces), starts, slots_of([]), [])
    program.whole = True
    return assemble(program, x86.decode)


def _namer(view: View, image: Assembled) -> Callable[[int], tuple[str, str]]:
    def name(address: int) -> tuple[str, str]:
        label = view.name(address) or string_at(image, address) or view.slot(address)
        label = label or _leads_on(view, address) or image.program.label(address)
        return f"@{address:x}", shown(text(label.encode("utf-8", "surrogateescape")))

    return name


def _leads_on(view: View, address: int) -> str:
    """The imported function that a stub of the linker jumps to; empty if it is none."""
    piece = next((each for each in view.pieces if each.address <= address < each.end), None)
    if piece is None or not piece.code or piece.data is None:
        return ""
    at = address - piece.address
    slot = called.jump_slot(bytes(piece.data[at : at + _STUB]), address, wide=True)
    found = "" if slot is None else view.slot(slot)
    return f"{found}@plt" if found and "!" not in found else found


def elf(data: Buffer) -> View:
    """The view of an ELF image, with functions as its unwind index tells them."""
    image = elf_layout(data).info
    shape = image.header.shape
    machine = "x86-64" if (image.header.machine, shape.bits, shape.order) == (62, 64, "<") else ""
    pieces = tuple(
        Piece(
            *(each.label, each.addr, each.size, data[each.offset : each.offset + each.size]),
            code=bool(each.flags & SHF_EXECINSTR),
            offset=each.offset,
            stored=each.size,
        )
        for each in image.sections
        if each.flags & SHF_ALLOC and each.type != SHT_NOBITS
    )
    index = image.section(".eh_frame_hdr")
    starts = np.zeros(0, dtype=np.int64)
    if index is not None:
        raw = bytes(data[index.offset : index.offset + index.size])
        if raw[:4] == b"\x01\x1b\x03\x3b":
            count = min(struct.unpack_from("<I", raw, 8)[0], (len(raw) - 12) // 8)
            table = np.frombuffer(raw, dtype="<i4", count=2 * count, offset=12)
            starts = np.unique(table[::2].astype(np.int64) + index.addr)
    tables = [each for each in image.sections if each.type in (SHT_SYMTAB, SHT_DYNSYM)]
    names = _Names()
    for table in tables if machine else ():
        names.add(data, table, elfdynamic.strings(data, image, table.link))
    return View(machine, pieces, starts, names.at, _slots(data, image) if machine else names.at)


_RELA = np.dtype([("at", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
_FILLED = (6, 7)  # R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT


def _slots(data: Buffer, image: Image) -> Callable[[int], str]:
    """Names for the slots that the loader fills with a function's address, read when asked for."""
    tables = []
    for each in image.sections:
        if each.type == SHT_RELA and each.flags & SHF_ALLOC and not each.size % _RELA.itemsize:
            rows = np.frombuffer(data[each.offset : each.offset + each.size], dtype=_RELA)
            tables.append((each, rows[np.isin(rows["kind"], _FILLED)]))

    def name(address: int) -> str:
        for section, rows in tables:
            hits = np.flatnonzero(rows["at"] == address)
            if len(hits) and 0 < section.link < len(image.sections):
                symbols = image.sections[section.link]
                at = symbols.offset + _SYMBOL.itemsize * int(rows["symbol"][hits[0]])
                strings = elfdynamic.strings(data, image, symbols.link)
                where = int.from_bytes(data[at : at + 4], "little")
                return elfdynamic.text_at(strings, where).decode("utf-8", "replace")
        return ""

    return name


_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("where", "<u2"), ("value", "<u8"),
     ("size", "<u8")]
)  # fmt: skip


class _Names:
    """Symbols by address, their names read only when asked for."""

    def __init__(self) -> None:
        self._tables: list[tuple[Ints, Ints, bytes]] = []

    def add(self, data: Buffer, section: object, strings: bytes) -> None:
        offset, size = section.offset, section.size  # type: ignore[attr-defined]
        if size % _SYMBOL.itemsize:
            raise ParseError("A table does not hold whole symbols", offset)
        table = np.frombuffer(data[offset : offset + size], dtype=_SYMBOL)
        kept = table[(table["where"] != 0) & np.isin(table["info"] & 15, (0, 1, 2, 10))]
        order = np.argsort(kept["value"], kind="stable")
        values = kept["value"][order].astype(np.int64)
        self._tables.append((values, kept["name"][order].astype(np.int64), strings))

    def at(self, address: int) -> str:
        """The name of a symbol at just this address."""
        for values, names, strings in self._tables:
            index = int(np.searchsorted(values, address, side="right")) - 1
            if index >= 0 and values[index] == address:
                return elfdynamic.text_at(strings, int(names[index])).decode("utf-8", "replace")
        return ""


def _pe(data: Buffer) -> View:
    image = pe_layout(data).info
    pieces = tuple(
        Piece(
            *(
                each.label,
                each.address,
                each.content,
                data[each.pointer : each.pointer + each.content],
            ),
            code=each.executable,
            offset=each.pointer,
            stored=each.content,
        )
        for each in image.sections
        if each.content
    )
    address, size = image.directory("exception")
    at = image.offset_of(address, size) if size else None
    starts = np.zeros(0, dtype=np.int64)
    if at is not None:
        table = np.frombuffer(data[at : at + size // 12 * 12], dtype="<u4").astype(np.int64)
        starts = np.unique(table[::3])
    machine = "x86-64" if image.machine == 0x8664 else ""
    slots = called.known(data, image)
    return View(
        machine,
        pieces,
        starts,
        lambda where: "" if where in slots else name_at(data, image, where),
        lambda where: slots.get(where, ""),
    )
