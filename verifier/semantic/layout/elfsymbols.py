"""Symbols, relocations and the dynamic section of an ELF image, as facts and slots.

gABI 4 (symbol table, relocation) and 5 (dynamic section); psABI x86-64, relocation types;
symbol versions and the GNU hash table as the GNU C library reads them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.formats.elf.header import SHT_DYNAMIC, SHT_DYNSYM, SHT_RELA, SHT_SYMTAB
from verifier.semantic.layout import elfdynamic, relr
from verifier.semantic.layout.extent import FARTHEST
from verifier.semantic.layout.program import Address, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.formats.elf.image import Image
    from verifier.semantic.layout.program import Piece, Program

_OBJECT, _FUNC, _SECTION, _TLS, _IFUNC = 1, 2, 3, 6, 10
_RELR = 19
_LINKED = (b"_DYNAMIC", b"_GLOBAL_OFFSET_TABLE_")  # addresses, though ld calls them absolute
_UNDEFINED, _RESERVED = 0, 0xFF00
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_X86_64 = {"none": 0, "relative": 8, "irelative": 37, "jump": 7, "copy": 5}
_BEFORE_STUB = (0xD503245F, 0xA9BF7BF0)  # bti c; stp x16, x30, [sp, #-16]!
_AARCH64 = {"none": 0, "relative": 1027, "irelative": 1032, "jump": 1026, "copy": 1024}
RELOCATIONS = {"x86-64": _X86_64, "aarch64": _AARCH64}

Row = tuple[int, int, int, int, int]


def symbols(data: Buffer, image: Image, program: Program) -> None:
    """Facts of both symbol tables and of the dynamic section; names for addresses."""
    versions = elfdynamic.versions(data, image)
    for section in image.sections:
        if section.type in (SHT_DYNSYM, SHT_SYMTAB):
            _table(data, image, section, versions, program)
        elif section.type == SHT_DYNAMIC:
            elfdynamic.dynamic(data, image, section, program)
    elfdynamic.hashes(data, image)
    program.facts.append(("versions", *sorted(elfdynamic.named(data, image).values())))


def _table(
    data: Buffer, image: Image, section: Section, versions: list[str], program: Program
) -> None:
    raw = bytes(data[section.offset : section.offset + section.size])
    if len(raw) % _SYMBOL.size:
        raise ParseError(f"{section.label} does not hold whole symbols", section.offset)
    strings = elfdynamic.strings(data, image, section.link)
    dynamic = section.type == SHT_DYNSYM
    _counted(section, raw, versions if dynamic else [])
    for number, (name, info, other, where, value, size) in enumerate(_SYMBOL.iter_unpack(raw)):
        if not number:
            continue
        if value + size > FARTHEST:
            raise ParseError("A symbol is larger than any image", section.offset)
        text = elfdynamic.text_at(strings, name)
        kind = info & 15
        version = versions[number] if dynamic and number < len(versions) else ""
        placed = _UNDEFINED < where < _RESERVED and kind != _TLS
        place: object = Address(value) if placed or text in _LINKED else value
        home = _home(image, section, where)
        if kind == _SECTION and home is not None:
            place = value == home.addr or Address(value)
        maps = _maps(program, text)
        if maps and _marks(program, text, value):
            place = "in a table"  # where one object's part of it begins: read by no program
        told = home.label if home is not None else where
        program.facts.append(("symbol", dynamic, text, version, info, other, told, place, size))
        if placed and text and not maps and kind in (0, _OBJECT, _FUNC, _IFUNC):
            _name(program, text.decode("utf-8", "backslashreplace"), kind, value, size)


def _home(image: Image, table: Section, where: int) -> Section | None:
    """The section of a symbol; None for what lies in none."""
    if where == 0xFFFF:
        raise ParseError("A symbol's section does not fit its field", table.offset)
    if where >= _RESERVED:
        return None
    if where >= len(image.sections):
        raise ParseError("A symbol names a section that does not exist", table.offset)
    return image.sections[where]


def _counted(section: Section, raw: bytes, versions: list[str]) -> None:
    """The first symbol is none; local ones come first, and as many as the header says."""
    infos = raw[4 :: _SYMBOL.size]
    local = next((at for at, info in enumerate(infos) if info >> 4), len(infos))
    if any(raw[: _SYMBOL.size]) or section.info != local:
        raise ParseError(f"{section.label} does not begin as its header says", section.offset)
    if versions and len(versions) != len(infos):
        raise ParseError("There is not one version for each symbol", section.offset)


def _name(program: Program, text: str, kind: int, value: int, size: int) -> None:
    known = program.names.setdefault(value, [])
    if text not in known:
        known.append(text)
    if kind in (_FUNC, _IFUNC):
        program.sizes[value] = max(size, program.sizes.get(value, 0))
    elif kind == _OBJECT:
        program.objects[value] = max(size, program.objects.get(value, 0))


def code_starts(program: Program) -> Iterable[int]:
    """Addresses in code that symbols or facts call by name, or call as functions."""
    code = [piece for piece in program.pieces if piece.code and piece.content and piece.data]
    wanted = set(program.names) | {
        item.value
        for fact in program.facts
        if fact[0] in ("entry", "dynamic")
        for item in fact
        if isinstance(item, Address)
    }
    return (at for at in wanted if any(piece.address <= at < piece.end for piece in code))


def stubs(machine: str, piece: Piece) -> Iterable[int]:
    """Where the linker's stubs of imported functions begin.

    psABI x86-64, PLT: 16 bytes each. On AArch64 each is `[bti c;] adrp x16 …`, the first one
    stores two registers before.
    """
    if machine != "aarch64":
        return range(piece.address, piece.end, 16)
    words = [
        each for (each,) in struct.iter_unpack("<I", bytes(piece.data or b"")[: piece.size & ~3])
    ]
    found = []
    for index, word in enumerate(words):
        if word & 0x9F00001F == 0x90000010:
            back = index
            while back and words[back - 1] in _BEFORE_STUB:
                back -= 1
            found.append(piece.address + 4 * back)
    return found


def _maps(program: Program, text: bytes) -> bool:
    """Whether a symbol says no more than where code and data begin (AAELF64, mapping symbols)."""
    return program.machine == "aarch64" and text.split(b".")[0] in (b"$x", b"$d")


def _marks(program: Program, text: bytes, value: int) -> bool:
    """Whether a mapping symbol lies in a table that facts speak of; data in code is a doubt."""
    piece = program.piece_at(value)
    if piece is not None and piece.code and text[:2] == b"$d":
        program.doubts.append(f"Data stands among the code of {piece.name} at {value:#x}.")
    return piece is not None and not piece.content


def relocations(data: Buffer, image: Image, section: Section, program: Program) -> list[Row]:
    """The slots that the loader fills."""
    if section.type == _RELR:
        return relr.slots(data, section, program)
    kinds = RELOCATIONS.get(program.machine)
    if kinds is None or section.type != SHT_RELA:
        raise ParseError(f"Relocations of {section.label} are of a kind that is not decided here")
    raw = bytes(data[section.offset : section.offset + section.size])
    if len(raw) % _RELA.size:
        raise ParseError(f"{section.label} does not hold whole relocations", section.offset)
    names = _symbol_texts(data, image, section)
    rows: list[Row] = []
    first = elfdynamic.relative_count(data, image) if section.label == ".rela.dyn" else 0
    for at, info, addend in _RELA.iter_unpack(raw):
        kind, number = info & 0xFFFFFFFF, info >> 32
        if len(rows) < first and (kind != kinds["relative"] or number):
            raise ParseError("DT_RELACOUNT covers a relocation of another kind", section.offset)
        if kind == kinds["relative"] and not number:
            _initially(program, at, addend)
            rows.append((at, 8, int(Kind.POINTER), addend, 0))
        elif number >= len(names):
            raise ParseError("A relocation names a symbol that does not exist", section.offset)
        else:
            rows.append(_named(program, kinds, kind, (at, addend), names[number]))
    program.facts.append(("relocations", section.label, len(rows)))
    return rows


def _named(
    program: Program,
    kinds: dict[str, int],
    kind: int,
    place: tuple[int, int],
    name: tuple[str, int],
) -> Row:
    """The slot that a relocation fills with a symbol's address, or with what a resolver returns."""
    at, addend = place
    text = f"{kind}:{name[0]}"
    if kind == kinds["irelative"]:
        program.facts.append(("resolver", Address(at), Address(addend)))
        text, addend = f"{kind}:resolver", 0
    if kind in (kinds["jump"], kinds["irelative"]):
        _lazily(program, at)
    elif kind != kinds["copy"]:
        _initially(program, at, addend, name[1] + addend)
    if kind == kinds["jump"]:
        program.jumps.append(at)
    size = 0 if kind == kinds["copy"] else 8
    return at, size, int(Kind.SYMBOL), addend, program.symbol(text)


def _initially(program: Program, at: int, *values: int) -> None:
    """What stands in a slot is not read: linkers leave zeros, the addend, or the address."""
    piece = program.piece_at(at)
    if piece is None or at + 8 > piece.end:
        raise ParseError(f"A relocation fills {at:#x}, which is not in the image")
    if piece.data is not None:
        found = bytes(piece.data[at - piece.address : at - piece.address + 8])
        known = {(value % (1 << 64)).to_bytes(8, "little") for value in values}
        if any(found) and found not in known:
            raise ParseError(f"The slot at {at:#x} holds what no linker leaves there")


def _lazily(program: Program, at: int) -> None:
    """Before it is bound, the slot of a function leads back into its own stub."""
    piece = program.piece_at(at)
    if piece is not None and piece.data is not None and at + 8 <= piece.end:
        value = int.from_bytes(piece.data[at - piece.address : at - piece.address + 8], "little")
        if value:
            program.facts.append(("unbound", Address(at), Address(value)))


def _symbol_texts(data: Buffer, image: Image, section: Section) -> list[tuple[str, int]]:
    """(name and version, value) of each symbol of the table that relocations speak of."""
    if not 0 < section.link < len(image.sections):
        return [("", 0)]
    table = image.sections[section.link]
    if table.type not in (SHT_DYNSYM, SHT_SYMTAB):
        raise ParseError(f"{section.label} speaks of no table of symbols", section.offset)
    strings = elfdynamic.strings(data, image, table.link)
    versions = elfdynamic.versions(data, image)
    raw = bytes(data[table.offset : table.offset + table.size])
    found = []
    for number, fields in enumerate(_SYMBOL.iter_unpack(raw[: len(raw) // 24 * 24])):
        text = elfdynamic.text_at(strings, fields[0]).decode("utf-8", "backslashreplace")
        version = versions[number] if number < len(versions) else ""
        found.append((f"{text}@{version}/{fields[3] == 0}", fields[4]))
    return found
