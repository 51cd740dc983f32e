"""Packed relative relocations of ELF images: words that the loader rebases (gABI, DT_RELR)."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.elf.header import Section
    from verifier.semantic.layout.program import Program


def slots(data: Buffer, section: Section, program: Program) -> list[tuple[int, int, int, int, int]]:
    """Slots of a packed table: even words are addresses, odd ones tell which words follow.

    The table says no more than the slots: it has to be
    the one way to write them that linkers use, words at its end that mean nothing apart.
    """
    raw = bytes(data[section.offset : section.offset + section.size])
    if len(raw) % 8:
        raise ParseError(f"{section.label} does not hold whole words", section.offset)
    words = [word for (word,) in struct.iter_unpack("<Q", raw)]
    while words and words[-1] == 1:  # lld fills up with words that mean nothing
        words.pop()
    places: list[int] = []
    following = -1
    for word in words:
        if not word & 1:
            places.append(word)
            following = word + 8
        elif following < 0:
            raise ParseError(f"{section.label} begins without an address", section.offset)
        else:
            places += [following + 8 * bit for bit in range(63) if word >> bit + 1 & 1]
            following += 63 * 8
    if _packed(places) != words or any(a >= b for a, b in itertools.pairwise(places)):
        raise ParseError(f"{section.label} is not packed as linkers do it", section.offset)
    rows: list[tuple[int, int, int, int, int]] = []
    for at in places:
        piece = program.piece_at(at)
        if piece is None or piece.data is None or at + 8 > piece.end:
            raise ParseError(f"{section.label} names a word outside of the file", section.offset)
        value = int.from_bytes(piece.data[at - piece.address : at - piece.address + 8], "little")
        if value >> 62:
            raise ParseError(f"{section.label} names a word that is no address", section.offset)
        rows.append((at, 8, int(Kind.POINTER), value, 0))
    program.facts.append(("relocations", section.label, len(rows)))
    return rows


def _packed(places: list[int]) -> list[int]:
    """The table of these places, as short as can be."""
    words: list[int] = []
    at = 0
    while at < len(places):
        words.append(places[at])
        base = places[at] + 8
        at += 1
        while True:
            bits = 0
            while at < len(places) and places[at] - base < 63 * 8 and places[at] >= base:
                if (places[at] - base) % 8:
                    break
                bits |= 1 << ((places[at] - base) // 8 + 1)
                at += 1
            if not bits:
                break
            words.append(bits | 1)
            base += 63 * 8
    return words
