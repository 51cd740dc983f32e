"""Note sections and segments cut into their notes (gABI, chapter 5; LSB, note sections)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from verifier.formats.elf.image import Note

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Cutter

BUILD_ID = (b"GNU\0", 3)  # NT_GNU_BUILD_ID
GO_BUILD_ID = (b"Go\0\0", 4)  # cmd/link, ELF_NOTE_GOBUILDID_TAG

_FIELDS = {BUILD_ID: "note.build-id", GO_BUILD_ID: "note.go-build-id"}
_Found = tuple[int, tuple[int, int, int, int], bytes, int]
_MOST = 10_000  # notes of one section; more are left as one span


def cut_notes(
    cutter: Cutter, data: Buffer, order: str, prefix: str, place: tuple[int, int, int]
) -> list[Note]:
    """Cut `place` (offset, size, alignment) into notes; nothing where it does not hold notes."""
    offset, size, align = place
    found = _parse(bytes(data[offset : offset + size]), order, 8 if align == 8 else 4)
    notes = []
    for index, (at, sizes, owner, kind) in enumerate(found):
        start = offset + at
        stem = prefix if index == 0 else f"{prefix}.note{index + 1}"
        namesz, name_pad, descsz, desc_pad = sizes
        parts = (
            ("namesz", 4, "note.namesz"),
            ("descsz", 4, "note.descsz"),
            ("type", 4, "note.type"),
            ("name", namesz, "note.name"),
            ("name-padding", name_pad, "note.padding"),
            ("desc", descsz, _FIELDS.get((owner, kind), "note.desc")),
            ("desc-padding", desc_pad, "note.padding"),
        )
        for name, length, key in parts:
            if name == "desc":
                notes.append(Note(stem, owner, kind, start, descsz))
            cutter.add(f"{stem}.{name}", start, length, key)
            start += length
    return notes


def _parse(raw: bytes, order: str, align: int) -> list[_Found]:
    """(offset, (namesz, padding, descsz, padding), owner, type) of each; none without tiling."""
    found: list[_Found] = []
    at = 0
    while at < len(raw):
        if at + 12 > len(raw) or len(found) > _MOST:
            return []
        namesz, descsz, kind = struct.unpack_from(order + "III", raw, at)
        name_end = at + 12 + namesz
        desc_at = -(-name_end // align) * align
        desc_end = desc_at + descsz
        end = -(-desc_end // align) * align
        if desc_end > len(raw):
            return []
        end = min(end, len(raw))
        sizes = (namesz, desc_at - name_end, descsz, end - desc_end)
        found.append((at, sizes, raw[at + 12 : name_end], kind))
        at = end
    return found
