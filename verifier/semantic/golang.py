"""What a Go program says of its build, and which functions its runtime knows by name.

Build information: Go's `debug/buildinfo`; the table of functions: `runtime.pcHeader`
of Go 1.16 and later (src/runtime/symtab.go), which stripping does not take away.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.errors import ParseError
from verifier.formats.base import text
from verifier.limits import MIB
from verifier.model import Difference
from verifier.semantic.parts import is_elf, parts
from verifier.semantic.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.semantic.parts import Part

_MAGIC: Final = b"\xff Go buildinf:"
_INLINE: Final = 2
# Magic: words of the header. Functions, files, from Go 1.18 on the start of the code, then places
# of names, compilation units, files, counters, rows.
_TABLES: Final = {0xFFFFFFFA: 7, 0xFFFFFFF0: 8, 0xFFFFFFF1: 8}
_SEARCHED: Final = 32 * MIB  # bytes of the table of functions
_MODULES: Final = 5_000
_NAMES: Final = 16 * MIB  # bytes of names of functions
_SHOWN: Final = 100  # differences of one kind
_FRAME: Final = 16  # bytes of a marker around the list of modules


class Build(NamedTuple):
    """Version of Go, modules with their versions, and settings of the build."""

    version: str
    modules: dict[str, str]
    settings: dict[str, str]


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Nothing where neither file is a Go program."""
    one, other = build(shipped), build(rebuilt)
    if one is None and other is None:
        return
    mine, theirs = one or Build("no Go", {}, {}), other or Build("no Go", {}, {})
    if mine.version != theirs.version:
        summary = f"Shipped built with {mine.version}, rebuilt with {theirs.version}."
        yield Difference("toolchain", "Go", summary)
    yield from changed_versions("module", mine.modules, theirs.modules)
    for name in sorted(mine.settings.keys() | theirs.settings.keys()):
        if mine.settings.get(name) != theirs.settings.get(name):
            values = [
                quoted(side[name]) if name in side else "nothing"
                for side in (mine.settings, theirs.settings)
            ]
            yield Difference("build-setting", name, f"Shipped {values[0]}, rebuilt {values[1]}.")
    yield from _functions(shipped, rebuilt)


def changed_versions(
    noun: str, mine: dict[str, str], theirs: dict[str, str]
) -> Iterator[Difference]:
    """Dependencies (version by name) that one side alone has, or has in another version."""
    told = 0
    for name in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(name), theirs.get(name)
        if one == other:
            continue
        told += 1
        if told > _SHOWN:
            yield Difference("dependency-changed", "more", "More dependencies are not listed.")
            return
        if one is None:
            summary = f"Only the rebuilt program holds this {noun} ({other})."
            yield Difference("dependency-removed", name, summary)
        elif other is None:
            summary = f"Only the shipped program holds this {noun} ({one})."
            yield Difference("dependency-added", name, summary)
        else:
            yield Difference("dependency-changed", name, f"Shipped {one}, rebuilt {other}.")


def build(side: Side) -> Build | None:
    """The build information; None where the file has none."""
    for each in parts(side):
        if is_elf(side) and each.label not in {".go.buildinfo", ".data"}:
            continue
        if not is_elf(side) and each.label != ".data":
            continue
        raw = bytes(each.data(side)[:MIB])
        at = raw.find(_MAGIC)
        if at >= 0 and at % 16 == 0 and len(raw) >= at + 32:
            return _parse(side, raw, at)
    return None


def _parse(side: Side, raw: bytes, at: int) -> Build | None:
    if not raw[at + 15] & _INLINE:
        return _pointers(side, raw, at)
    version, end = _varied(raw, at + 32)
    modules, _end = _varied(raw, end)
    return _built(version, modules)


def _varied(raw: bytes, at: int) -> tuple[bytes, int]:
    """A text behind its length as a varint."""
    size = shift = 0
    for place in range(at, min(at + 5, len(raw))):
        size |= (raw[place] & 0x7F) << shift
        shift += 7
        if raw[place] < 0x80:
            if place + 1 + size > len(raw):
                break
            return raw[place + 1 : place + 1 + size], place + 1 + size
    raise ParseError("The build information of Go is cut short", at)


def _pointers(side: Side, raw: bytes, at: int) -> Build | None:
    """Before Go 1.18: addresses of two headers of texts. Read in ELF files alone."""
    width = raw[at + 14]
    if not is_elf(side) or width not in {4, 8}:
        return None
    code = (">" if raw[at + 15] & 1 else "<") + ("Q" if width == 8 else "I")
    found = []
    for place in (at + 16, at + 16 + width):
        header = _at(side, struct.unpack_from(code, raw, place)[0], 2 * width)
        address, size = struct.unpack(code + code[1], header)
        found.append(_at(side, address, min(size, MIB)))
    return _built(found[0], found[1])


def _at(side: Side, address: int, size: int) -> bytes:
    for section in side.layout.info.sections:
        inside = address - section.addr
        if section.addr and section.length and 0 <= inside <= section.length - size:
            start = section.offset + inside
            return bytes(side.data[start : start + size])
    raise ParseError(f"The build information of Go points at nothing ({address:#x})")


def _built(version: bytes, listed: bytes) -> Build:
    """The lines between two markers: `path`, `mod`, `dep`, `=>` and `build`, by tabs."""
    body = listed[_FRAME:-_FRAME] if len(listed) > 2 * _FRAME else b""
    modules: dict[str, str] = {}
    settings: dict[str, str] = {}
    last = ""
    for line in body.split(b"\n")[:_MODULES]:
        kind, *fields = text(line.replace(b"\t", b"\n"), 4_000).split("\\n")
        if kind in {"mod", "dep"} and len(fields) >= 2:
            last = fields[0]
            modules[last] = " ".join(field for field in fields[1:] if field)
        elif kind == "=>" and len(fields) >= 2:
            modules[last] = f"{modules.get(last, '')} replaced by {' '.join(fields)}".strip()
        elif kind == "build" and fields:
            name, _, value = fields[0].partition("=")
            settings[name] = value
        elif kind == "path" and fields:
            settings["main package"] = fields[0]
    return Build(text(version), modules, settings)


def _functions(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    one, other = functions(shipped), functions(rebuilt)
    if one is None or other is None:
        return
    for change, which, names in (
        ("added", "shipped", one - other),
        ("removed", "rebuilt", other - one),
    ):
        # The program's own packages before those that Go brings, which have no dot.
        ordered = sorted(names, key=lambda name: (b"." not in name.partition(b"/")[0], name))
        own = [name for name in ordered if not name.startswith((b"go:", b"type:"))]
        for name in own[:_SHOWN]:
            summary = f"Only the {which} program has this function of Go."
            yield Difference(f"function-{change}", text(name, 300), summary)
        if len(own) > _SHOWN:
            summary = f"{len(own) - _SHOWN} more functions are not listed."
            yield Difference(f"function-{change}", "more", summary)


def is_go(side: Side) -> bool:
    """Whether a program was built by Go's own compiler."""
    return any(_table(side, each) is not None for each in parts(side))


class Table(NamedTuple):
    """The table of functions: its bytes, the words of its header, byte order, size of a word."""

    raw: bytes
    words: tuple[int, ...]
    order: str
    width: int

    @property
    def names(self) -> tuple[int, int]:
        """Where the names begin and end."""
        return self.words[-5], self.words[-4]

    @property
    def rows(self) -> int:
        """Where the rows begin."""
        return self.words[-1]


def function_table(side: Side) -> Table | None:
    """The table of functions; None without one that is known. ParseError where it is cut short."""
    for each in parts(side):
        at = _table(side, each)
        if at is None:
            continue
        raw = bytes(each.data(side)[at : at + _SEARCHED])
        order = "<" if raw[:1] != b"\xff" else ">"
        count = _TABLES[struct.unpack_from(f"{order}I", raw)[0]]
        code = f"{order}{count}{'Q' if raw[7] == 8 else 'I'}"
        if len(raw) < 8 + struct.calcsize(code):
            raise ParseError("The table of Go's functions is cut short", each.offset + at)
        found = Table(raw, struct.unpack_from(code, raw, 8), order, raw[7])
        start, end = found.names
        if not start < end <= len(raw) or end - start > _NAMES or found.rows > len(raw):
            raise ParseError("The table of Go's functions is cut short", each.offset + at)
        return found
    return None


def functions(side: Side) -> set[bytes] | None:
    """Names of all functions, inlined ones too; None without a table that is known."""
    table = function_table(side)
    if table is None:
        return None
    start, end = table.names
    return {name for name in table.raw[start:end].split(b"\0") if name}


def addresses(side: Side) -> dict[int, str]:
    """Name by offset from the start of `.text`, of programs by Go 1.18 and later; else empty.

    For whoever names functions of a stripped program. Rows: (offset of the code, offset of
    what is known of it, whose second word is the place of the name).
    """
    table = function_table(side)
    if table is None or len(table.words) < 8:
        return {}
    raw, start, rows = table.raw, table.names[0], table.rows
    count = min(table.words[0], (len(raw) - rows) // 8)
    found: dict[int, str] = {}
    row = struct.Struct(f"{table.order}II")
    for entry, known in row.iter_unpack(raw[rows : rows + 8 * count]):
        if rows + known + 8 > len(raw):
            raise ParseError("A row of the table of Go's functions is cut short")
        at = start + row.unpack_from(raw, rows + known)[1]
        end = raw.find(b"\0", at, at + 1_024)
        found[entry] = text(raw[at : end if end >= 0 else at])
    return found


def code_end(table: Table) -> int:
    """Where the last function ends, from the start of `.text`: the last row has no function."""
    at = table.rows + 8 * table.words[0]
    if at + 4 > len(table.raw):
        raise ParseError("The table of Go's functions is cut short")
    return int(struct.unpack_from(f"{table.order}I", table.raw, at)[0])


def _table(side: Side, each: Part) -> int | None:
    """Where the table begins in a section; known by its header alone."""
    if is_elf(side):
        if each.label not in {".gopclntab", ".data.rel.ro.gopclntab"} or each.length < 64:
            return None
        head = bytes(each.data(side)[:8])
        magics = int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")
        known = not _TABLES.keys().isdisjoint(magics)
        return 0 if known and head[4:6] == b"\0\0" and head[7] in {4, 8} else None
    if each.label not in {".rdata", ".text"}:
        return None
    raw = bytes(each.data(side)[:_SEARCHED])
    for magic in _TABLES:
        for pointer in (b"\x08", b"\x04"):
            at = raw.find(magic.to_bytes(4, "little") + b"\0\0\x01" + pointer)
            if at >= 0 and at + 64 < len(raw):
                return at
    return None
