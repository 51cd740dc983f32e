"""Cut an ELF file into spans: headers by field, sections, notes, gaps, and what follows the end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from verifier.formats.base import Cutter, Layout
from verifier.formats.elf.agreement import quarrels
from verifier.formats.elf.header import (
    ET_REL,
    IDENT,
    PT_LOAD,
    PT_NOTE,
    SHF_ALLOC,
    SHF_COMPRESSED,
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_NOTE,
    SHT_PROGBITS,
    SHT_REL,
    SHT_RELA,
    SHT_STRTAB,
    SHT_SYMTAB,
    SHT_VERDEF,
    SHT_VERNEED,
    Header,
    Section,
    Segment,
    read_header,
    read_segments,
)
from verifier.formats.elf.image import Image, Note, Quarrel
from verifier.formats.elf.notes import cut_notes
from verifier.formats.elf.sections import read_sections

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.model import Span

XZ_MAGIC = b"\xfd7zXZ\0"
_CRC = 4


def layout(data: Buffer) -> Layout:
    """Spans of every byte; ParseError where structures overlap or leave the file."""
    header = read_header(data)
    segments = read_segments(data, header)
    sections = read_sections(data, header)
    found = quarrels(header, segments, sections)
    apart, overlaps = _apart(header, sections, found)
    found = (*found, *overlaps)
    cutter = Cutter("elf", data)
    _cut_headers(cutter, header, sections)
    notes: list[Note] = []
    kinds = _kinds(header, sections)
    for section in apart:
        notes += _cut_section(cutter, data, header, section, kinds.get(section.number, ""), found)
    if not sections:
        for segment in segments:
            if segment.type == PT_NOTE and segment.filesz:
                place = (segment.offset, segment.filesz, segment.align)
                order = header.shape.order
                notes += cut_notes(cutter, data, order, f"segment[{segment.number}]", place)
    _fill(cutter, len(data), segments, named=bool(sections))
    image = Image(header, segments, sections, tuple(notes), found)
    return cutter.finish(image)


def _apart(
    header: Header, sections: tuple[Section, ...], known: tuple[Quarrel, ...]
) -> tuple[list[Section], list[Quarrel]]:
    """Sections that overlap nothing; the others are not cut, and no rule speaks.

    Of two that overlap, one that contradicts the program headers gives way.
    """
    suspects = {item.where for item in known}
    sizes = header.shape.sizes
    taken = (
        (0, sizes[0]),
        (header.phoff, header.phoff + header.phnum * sizes[1]),
        (header.shoff, header.shoff + header.shnum * sizes[2]),
    )
    kept: list[Section] = []
    found: list[Quarrel] = []
    for section in sorted((item for item in sections if item.length), key=lambda one: one.offset):
        start, stop = section.offset, section.offset + section.length
        last = kept[-1] if kept else None
        if any(start < high and low < stop for low, high in taken):
            found.append(_overlap(section, "the headers"))
        elif last is None or start >= last.offset + last.length:
            kept.append(section)
        elif f"section[{last.label}]" in suspects:
            found.append(_overlap(kept.pop(), section.label))
            kept.append(section)
        else:
            found.append(_overlap(section, last.label))
    return kept, found


def _overlap(section: Section, other: str) -> Quarrel:
    return Quarrel(f"section[{section.label}]", f"It overlaps {other}.", section.offset)


def _cut_headers(cutter: Cutter, header: Header, sections: tuple[Section, ...]) -> None:
    shape = header.shape
    at = cutter.fields("ident", 0, IDENT)
    cutter.fields("header", at, shape.file)
    size = shape.sizes
    for index in range(header.phnum):
        at = header.phoff + index * size[1]
        cutter.fields(f"segment[{index}]", at, shape.segment, "segment")
    for section in sections:
        at = header.shoff + section.number * size[2]
        cutter.fields(f"section[{section.label}]", at, shape.section, "section")


def _cut_section(
    cutter: Cutter,
    data: Buffer,
    header: Header,
    section: Section,
    kind: str,
    found: tuple[Quarrel, ...],
) -> list[Note]:
    """The section as one span, or in the parts that rules speak of."""
    name = f"section[{section.label}]"
    start, size = section.offset, section.size
    if section.type == SHT_NOTE and not section.flags & SHF_COMPRESSED:
        place = (start, size, section.align)
        notes = cut_notes(cutter, data, header.shape.order, name, place)
        if notes:
            return notes
    raw = section.type == SHT_PROGBITS and not section.flags
    if raw and section.name == b".gnu_debuglink" and _cut_debuglink(cutter, data, section):
        return []
    if raw and section.name == b".gnu_debugaltlink" and _cut_altlink(cutter, data, section):
        return []
    stream = raw and not found and section.name == b".gnu_debugdata"
    if stream and bytes(data[start : start + 6]) == XZ_MAGIC:
        cutter.add(name, start, size, "gnu-debugdata.stream", "gnu_debugdata", "xz")
        return []
    loaded = "contents" if section.flags & SHF_ALLOC else "unloaded-contents"
    cutter.add(name, start, size, kind or f"section.{loaded}")
    return []


ALTLINK_SIZES = frozenset({16, 20})  # MD5 and SHA-1

_TABLES = {
    SHT_DYNSYM: "dynamic.symbols",
    SHT_DYNAMIC: "dynamic.entries",
    SHT_VERDEF: "dynamic.versions-defined",
    SHT_VERNEED: "dynamic.versions-needed",
    SHT_SYMTAB: "symbols.table",
}
_STRINGS = {SHT_DYNSYM: "dynamic.strings", SHT_SYMTAB: "symbols.strings"}


def _kinds(header: Header, sections: tuple[Section, ...]) -> dict[int, str]:
    """Rule fields of the sections that are tables, by section number: types and links decide."""
    result: dict[int, str] = {}
    for section in sections:
        if section.type in _TABLES:
            result[section.number] = _TABLES[section.type]
        loaded = header.type != ET_REL or section.flags & SHF_ALLOC
        if section.type in {SHT_REL, SHT_RELA} and not loaded:
            result[section.number] = "symbols.relocations"
        strings = section.link if section.type in _STRINGS else 0
        if 0 < strings < len(sections) and sections[strings].type == SHT_STRTAB:
            result[strings] = _STRINGS[section.type]
    return result


def _cut_altlink(cutter: Cutter, data: Buffer, section: Section) -> bool:
    """File name, zero byte, build-id of that file (GDB manual, separate debug files; dwz(1))."""
    raw = bytes(data[section.offset : section.offset + min(section.size, 1 << 16)])
    end = raw.find(b"\0") + 1
    if not end or section.size - end not in ALTLINK_SIZES:
        return False
    prefix = f"section[{section.label}]"
    cutter.fields(
        prefix, section.offset, (("name", end), ("build-id", section.size - end)), "debugaltlink"
    )
    return True


def _cut_debuglink(cutter: Cutter, data: Buffer, section: Section) -> bool:
    """File name, zero byte, padding to four, CRC-32 (GDB manual, separate debug files)."""
    raw = bytes(data[section.offset : section.offset + min(section.size, 1 << 16)])
    end = raw.find(b"\0")
    padding = -(end + 1) % 4
    if end < 1 or end + 1 + padding + _CRC != section.size:
        return False
    parts = (("name", end), ("terminator", 1), ("padding", padding), ("crc", _CRC))
    cutter.fields(f"section[{section.label}]", section.offset, parts, "debuglink")
    return True


def _fill(cutter: Cutter, size: int, segments: tuple[Segment, ...], *, named: bool) -> None:
    """Name what no header or section covers: by segment, between things, after the last thing."""
    loads = sorted(
        (item.offset, item.offset + item.filesz, item.number)
        for item in segments
        if item.type == PT_LOAD and item.filesz
    )
    cuts = sorted({edge for start, end, _index in loads for edge in (start, end)})
    starts = [start for start, _end, _index in loads]
    used: dict[str, int] = {}
    for before, start, end in _gaps(cutter.spans, size):
        last = end == size
        inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
        for at, stop in zip([start, *inner], [*inner, end], strict=True):
            place = bisect_right(starts, at) - 1
            loaded = place >= 0 and at < loads[place][1]
            name = f"gap[after {before}]"
            if loaded and not named:
                name = f"segment[{loads[place][2]}]"
            elif last and not loaded and stop == end:
                name = "overlay"
            count = used[name] = used.get(name, 0) + 1
            key = "segment.contents" if name.startswith("segment") else name.split("[")[0]
            cutter.add(name if count == 1 else f"{name}#{count}", at, stop - at, key)


def _gaps(spans: list[Span], size: int) -> list[tuple[str, int, int]]:
    """(label of what stands before, start, end) of each hole."""
    result = []
    at, before = 0, "start"
    for span in sorted(spans, key=lambda item: item.offset):
        if span.offset > at:
            result.append((before, at, span.offset))
        if span.end > at:
            at, before = span.end, span.name
    if at < size:
        result.append((before, at, size))
    return [(_short(name), start, end) for name, start, end in result]


def _short(name: str) -> str:
    """`.text` for a part of section[.text]; names of headers stay."""
    if not name.startswith("section["):
        return name
    return name[len("section[") : name.rfind("]")]
