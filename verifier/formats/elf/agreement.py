"""Whether section headers and program headers tell one story about the file.

Tools trust one view, the loader the other. Where they disagree, a name or type
in one view says nothing about what the bytes are for in the other, and no rule
may rely on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats.elf.header import (
    ET_REL,
    PT_DYNAMIC,
    PT_INTERP,
    PT_LOAD,
    PT_NOTE,
    SHF_ALLOC,
    SHT_DYNAMIC,
    SHT_NOTE,
    SHT_PROGBITS,
    Header,
    Section,
    Segment,
)
from verifier.formats.elf.image import Quarrel

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORK = 1_000_000  # comparisons of a section with a segment
_MIRRORS = {PT_DYNAMIC: (SHT_DYNAMIC, "PT_DYNAMIC"), PT_INTERP: (SHT_PROGBITS, "PT_INTERP")}


def quarrels(
    header: Header, segments: tuple[Segment, ...], sections: tuple[Section, ...]
) -> tuple[Quarrel, ...]:
    """Every disagreement; none for files that have one view alone."""
    if not sections or not segments:
        return ()
    if header.type == ET_REL:
        return (Quarrel("e_phnum", "A relocatable file has program headers.", header.phoff),)
    if len(sections) * len(segments) > _WORK:
        summary = "There are too many sections and segments to compare the two views."
        return (Quarrel("e_shnum", summary, header.shoff),)
    filled = [item for item in sections if item.length]
    loads = [item for item in segments if item.type == PT_LOAD and item.filesz]
    return (
        *_loaded(filled, loads),
        *_notes(filled, [item for item in segments if item.type == PT_NOTE and item.filesz]),
        *_mirrors(filled, [item for item in segments if item.type in _MIRRORS and item.filesz]),
    )


def _loaded(sections: list[Section], loads: list[Segment]) -> Iterator[Quarrel]:
    for section in sections:
        where, at = f"section[{section.label}]", section.offset
        homes = [
            load
            for load in loads
            if at < load.offset + load.filesz and load.offset < at + section.length
        ]
        alloc = bool(section.flags & SHF_ALLOC)
        if alloc and not homes and loads:
            yield Quarrel(where, "The section is to be loaded, but no segment loads it.", at)
        for load in homes:
            if not alloc:
                summary = f"The section is not to be loaded, but segment {load.number} loads it."
                yield Quarrel(where, summary, at)
            elif at < load.offset or at + section.length > load.offset + load.filesz:
                yield Quarrel(where, f"Segment {load.number} loads a part of the section.", at)
            elif section.addr - load.vaddr != at - load.offset:
                summary = f"Segment {load.number} loads the section to another address."
                yield Quarrel(where, summary, at)


def _notes(sections: list[Section], segments: list[Segment]) -> Iterator[Quarrel]:
    """PT_NOTE must be made of note sections; Go's linker leaves note sections out of it."""
    for segment in segments:
        start, end = segment.offset, segment.offset + segment.filesz
        inside = [
            item for item in sections if start < item.offset + item.length and item.offset < end
        ]
        exact = (
            inside
            and min(item.offset for item in inside) == start
            and max(item.offset + item.length for item in inside) == end
        )
        if not exact or any(item.type != SHT_NOTE for item in inside):
            summary = "PT_NOTE does not cover whole note sections and nothing else."
            yield Quarrel(f"segment[{segment.number}]", summary, start)


def _mirrors(sections: list[Section], segments: list[Segment]) -> Iterator[Quarrel]:
    for segment in segments:
        kind, name = _MIRRORS[segment.type]
        place = (kind, segment.offset, segment.filesz)
        if not any((item.type, item.offset, item.size) == place for item in sections):
            summary = f"{name} and the sections disagree on where it lies."
            yield Quarrel(f"segment[{segment.number}]", summary, segment.offset)
    if not any(item.type == PT_DYNAMIC for item in segments):
        for section in sections:
            if section.type == SHT_DYNAMIC and section.flags & SHF_ALLOC:
                summary = "There is a dynamic section, but no PT_DYNAMIC."
                yield Quarrel(f"section[{section.label}]", summary, section.offset)
