"""Cut a PE image into spans that cover each byte once."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from verifier.formats.base import Cutter
from verifier.formats.pe import directories, headers, rich
from verifier.formats.pe.headers import Table

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Layout
    from verifier.formats.pe.directories import Piece
    from verifier.formats.pe.headers import Image, Section


def layout(data: Buffer) -> Layout:
    """The spans of an image, and its `Image` as info.

    A structure inside a section gets spans of its own only where it is whole and
    overlaps no other: what is odd stays plain content, which no rule may touch.

    Raises:
        ParseError: a header is cut short, or sections overlap in the file.
    """
    image = headers.parse(data)
    cutter = Cutter("pe", data)
    _headers(cutter, image, data)
    debug, structures = directories.structures(data, image)
    image = replace(image, debug=debug)
    pieces = _disjoint(structures)
    starts = [piece.offset for piece in pieces]
    for section in image.sections:
        _section(cutter, section, _within(pieces, starts, section.pointer, section.content))
    end = min(_first_raw(image), max(image.optional["SizeOfHeaders"], image.table_end))
    gap = _within(pieces, starts, image.table_end, end - image.table_end)
    _around(
        cutter, "headers.gap", "headers.gap", gap, Table(image.table_end, end - image.table_end)
    )
    _overlay(cutter, image, len(data))
    return cutter.finish(image)


def _headers(cutter: Cutter, image: Image, data: Buffer) -> None:
    end = cutter.fields("dos", 0, headers.DOS)
    for piece in rich.pieces(data, end, image.nt):
        cutter.add(*piece)
    cutter.add("nt.Signature", image.nt, 4)
    at = cutter.fields("coff", image.nt + 4, headers.COFF)
    at = cutter.fields("optional", at, headers.OPTIONAL[image.magic])
    for name in headers.DIRECTORIES[: len(image.directories)]:
        cutter.add(f"directory.{name}", at, 8)
        at += 8
    table = image.table_end - 40 * len(image.sections)
    cutter.add("optional.rest", at, table - at)
    for index, section in enumerate(image.sections):
        place = table + 40 * index
        cutter.fields(f"section[{section.label}]", place, headers.SECTION, "section")


def _first_raw(image: Image) -> int:
    stored = [section.pointer for section in image.sections if section.stored]
    return min(stored, default=image.content_end)


def _section(cutter: Cutter, section: Section, pieces: list[Piece]) -> None:
    """The section's content around the structures in it, then its slack."""
    prefix = f"section[{section.label}]"
    end = section.pointer + section.content
    _around(
        cutter,
        f"{prefix}.content",
        "section.content",
        pieces,
        Table(section.pointer, section.content),
    )
    cutter.add(f"{prefix}.slack", end, section.stored - section.content, "section.slack")


def _around(cutter: Cutter, prefix: str, field: str, pieces: list[Piece], place: Table) -> None:
    """Structures, and what stands before and after each of them."""
    at, name = place.offset, prefix
    for piece in pieces:
        cutter.add(name, at, piece.offset - at, field)
        cutter.add(*piece)
        at, name = piece.offset + piece.length, f"{prefix} after {_plain(piece.name)}"
    cutter.add(name, at, place.end - at, field)


def _plain(name: str) -> str:
    """Brackets stand for the noun and label of a span, of which its name has one."""
    return name.replace("[", " ").replace("]", "")


def _overlay(cutter: Cutter, image: Image, size: int) -> None:
    """What follows the sections: COFF symbols, other data, padding, certificates, the rest.

    `overlay.tail` is the last block of eight that has data: a signer fills it up
    with zeros, and the certificates begin after it.
    """
    ends = [section.pointer + section.stored for section in image.sections]
    end = max([image.table_end, *ends])
    if not any(ends):
        end = max(end, min(image.optional["SizeOfHeaders"], image.content_end))
    if image.symbols and image.strings:
        cutter.add("coff-symbols", *image.symbols)
        cutter.add("coff-strings", *image.strings)
        cutter.add("overlay.before-symbols", end, image.symbols.offset - end)
        end = image.strings.end
    left = image.content_end - end
    if image.certificates and left < 8:
        cutter.add("certificate.padding", end, left)
    elif left:
        tail = max(end, (image.content_end - 1) & ~7)
        cutter.add("overlay", end, tail - end)
        cutter.add("overlay.tail", tail, image.content_end - tail)
    if image.certificates:
        cutter.add("certificate.table", *image.certificates)
        after = image.certificates.end
        cutter.add("overlay.after-certificates", after, size - after)


def _disjoint(structures: list[list[Piece]]) -> list[Piece]:
    """The pieces of all structures that overlap no other, by offset; first come, first kept."""
    kept: list[tuple[int, int]] = []
    result: list[Piece] = []
    for pieces in structures:
        real = sorted(piece for piece in pieces if piece.length)
        if not real:
            continue
        first = min(piece.offset for piece in real)
        last = max(piece.offset + piece.length for piece in real)
        index = bisect_left(kept, (first, last))
        clear_before = index == 0 or kept[index - 1][1] <= first
        if clear_before and (index == len(kept) or last <= kept[index][0]):
            kept.insert(index, (first, last))
            result.extend(real)
    result.sort(key=lambda piece: piece.offset)
    return result


def _within(pieces: list[Piece], starts: list[int], at: int, length: int) -> list[Piece]:
    first, last = bisect_left(starts, at), bisect_left(starts, at + length)
    return [piece for piece in pieces[first:last] if piece.offset + piece.length <= at + length]
