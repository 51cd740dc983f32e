"""Segments of an ELF image: as facts, in terms of the sections that they hold (gABI 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats.elf.header import PT_LOAD, SHF_ALLOC, SHF_TLS, SHT_NOBITS

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.elf.header import Segment
    from verifier.formats.elf.image import Image
    from verifier.semantic.layout.program import Program

_PT_TLS, _PT_PHDR, _PT_RELRO = 7, 6, 0x6474E552
_GAP_MOST = 1 << 20
_PAGE = 4096
_PAGES = {"x86-64": (_PAGE,), "aarch64": (_PAGE, 0x10000)}  # sizes that kernels are built with


def segment(image: Image, one: Segment, program: Program) -> None:
    """The fact of one segment; doubts where it contradicts the sections."""
    held = _held(image, one)
    if one.type == _PT_PHDR and not _headers(image, one):
        program.doubts.append("PT_PHDR does not say where the program headers are.")
    if one.type == PT_LOAD and one.filesz and (one.vaddr - one.offset) % _PAGE:
        program.doubts.append(f"No page can hold the start of segment {one.number}.")
    if one.paddr not in (one.vaddr, 0):
        program.doubts.append(f"Segment {one.number} has another physical address.")
    sizes: tuple[int, ...] = ()
    if one.type == _PT_TLS:
        sizes = (one.filesz, one.memsz)
    elif not held and one.type not in (PT_LOAD, _PT_PHDR):
        sizes = (one.offset, one.vaddr, one.filesz, one.memsz)
    elif one.type != PT_LOAD:
        sizes = (one.memsz - one.filesz,)
    _placed(image, one, program)
    align: object = one.align
    if one.type == PT_LOAD and program.machine == "x86-64" and _pages(one):
        align = "pages"
    held = (*held, "physical" if one.paddr == one.vaddr else "")
    if one.type == _PT_RELRO:
        held = (*held, *(_shut(image, one, page) for page in _PAGES.get(program.machine, ())))
    program.facts.append(("segment", one.number, one.type, one.flags, align, held, sizes))


def _headers(image: Image, one: Segment) -> bool:
    """Whether PT_PHDR is where the headers are in the file, and where they are loaded.

    The loader takes the distance between the two places for the image's base.
    """
    header = image.header
    size = header.phnum * header.shape.sizes[1]
    return (one.offset, one.filesz, one.memsz) == (header.phoff, size, size) and any(
        load.offset <= one.offset
        and one.offset + size <= load.offset + load.filesz
        and load.vaddr - load.offset == one.vaddr - one.offset
        for load in image.loads()
    )


def _shut(image: Image, one: Segment, page: int) -> tuple[str, ...]:
    """The sections that the loader makes read-only: those in whole pages before the end."""
    first, last = one.vaddr // page * page, (one.vaddr + one.memsz) // page * page
    return tuple(
        section.label
        for section in image.sections
        if section.flags & SHF_ALLOC
        and section.size
        and first <= section.addr
        and section.addr + section.size <= last
    )


def _held(image: Image, one: Segment) -> tuple[object, ...]:
    """The sections in a segment; of those that it cuts, which bytes (RELRO may end in one)."""
    end = one.vaddr + one.memsz
    held: list[object] = []
    for section in image.sections:
        if not section.flags & SHF_ALLOC or not section.size:
            continue
        if one.type == _PT_TLS and not section.flags & SHF_TLS:
            continue
        first, last = max(one.vaddr, section.addr), min(end, section.addr + section.size)
        if (first, last) == (section.addr, section.addr + section.size):
            held.append(section.label)
        elif first < last:
            held.append((section.label, first - section.addr, last - section.addr))
    return tuple(held)


def _placed(image: Image, one: Segment, program: Program) -> None:
    """The file's bytes of each section in a segment are those that the segment loads."""
    end = one.vaddr + one.memsz
    stored = one.vaddr + one.filesz
    for section in image.sections:
        last = section.addr + section.size
        threads = section.flags & SHF_TLS and section.type == SHT_NOBITS
        if not section.flags & SHF_ALLOC or not section.size or threads:
            continue
        if section.addr >= end or last <= one.vaddr:
            continue
        if one.type == _PT_TLS and not section.flags & SHF_TLS:
            continue  # zeros of threads take no room where other sections follow
        if section.type == SHT_NOBITS:
            wrong = stored > section.addr
        else:
            wrong = one.offset - one.vaddr != section.offset - section.addr
            wrong |= stored < min(last, end)
        if wrong:
            program.doubts.append(f"Segment {one.number} loads other bytes than {section.label}.")


def _pages(one: Segment) -> bool:
    """Whether a segment is aligned to whole pages, of which x86-64 has but one size."""
    align = one.align
    return align >= _PAGE and align & (align - 1) == 0 and one.vaddr % align == one.offset % align


def filled(data: Buffer, image: Image, load: Segment, program: Program) -> None:
    """Nothing but sections, headers and zeros is loaded."""
    header = image.header
    taken = [(0, header.shape.sizes[0])]
    taken.append((header.phoff, header.phoff + header.phnum * header.shape.sizes[1]))
    end = load.vaddr + load.filesz
    for section in image.sections:
        if section.flags & SHF_ALLOC and section.size:
            if section.type != SHT_NOBITS:
                taken.append((section.offset, section.offset + section.size))
            elif not section.flags & 0x400 and section.addr < load.vaddr + load.memsz:
                end = max(end, section.addr + section.size)
    at = load.offset
    for start, stop in [*sorted(taken), (load.offset + load.filesz,) * 2]:
        gap = data[max(at, load.offset) : min(start, load.offset + load.filesz)]
        if len(gap) > _GAP_MOST or any(bytes(gap)):
            program.doubts.append(f"Segment {load.number} loads bytes of no section at {at:#x}.")
        at = max(at, stop)
    if load.memsz != load.filesz and load.vaddr + load.memsz != end:
        program.doubts.append(f"Segment {load.number} takes memory of no section.")
