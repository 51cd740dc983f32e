"""Checks of ELF fields: build identifiers and the link to the debug file."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, cast

from verifier import content
from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.formats.base import text
from verifier.formats.elf.header import PF_X
from verifier.formats.elf.notes import BUILD_ID, GO_BUILD_ID

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Side
    from verifier.formats.elf.image import Image, Note
    from verifier.model import Ref

_SIZES = range(8, 65)  # bytes; ld writes 16 or 20, lld 8 to 20, --build-id=0x… any
_CHUNK = 1 << 20  # bytes; lld hashes files in parts of this size


def build_id(question: Question) -> Answer:
    """A build-id of the size that the rebuilt one has, and the only one in its file."""
    notes = _twins(question, BUILD_ID)
    if isinstance(notes, Refused):
        return notes
    if notes.desc_size not in _SIZES:
        return Refused(f"A build-id of {notes.desc_size} bytes is none that linkers write.")
    size = f"{notes.desc_size} bytes, as in the rebuilt file"
    evidence = f"build-id {bytes(question.value).hex()} of {size}"
    if _executable(question.shipped, notes.desc_offset):
        evidence += "; the linker put it into an executable segment"
    free = free_all(question, "any build-id of this size")
    return Accepted(evidence, free, "build-id")


def build_id_hash(question: Question) -> Answer:
    """A build-id that is the hash of the shipped file with the field zeroed (gold, lld)."""
    notes = _twins(question, BUILD_ID)
    if isinstance(notes, Refused):
        return notes
    name = {16: "md5", 20: "sha1"}.get(notes.desc_size)
    if name is None:
        return Refused("The build-id has not the size of MD5 or SHA-1.")
    for parts in (False, True):
        digest = _zeroed(question.shipped.data, notes, name, parts=parts)
        if digest == question.value:
            how = f"{name} of the file with the field zeroed"
            return Accepted(how + (", by parts of 1 MiB" if parts else ""))
    return Refused("The build-id is not the hash of the file with the field zeroed.")


def go_build_id(question: Question) -> Answer:
    """A Go build-id: printable text of the length that the rebuilt one has."""
    notes = _twins(question, GO_BUILD_ID)
    if isinstance(notes, Refused):
        return notes
    if not all(0x21 <= byte <= 0x7E for byte in question.value):
        return Refused("The Go build-id is not printable text.")
    evidence = f"Go build-id of {notes.desc_size} printable characters"
    return Accepted(evidence, free_all(question, "any printable character"))


def debuglink_name(question: Question) -> Answer:
    """The debug file's name is the build-id of its own file, on both sides."""
    quarrel = _quarrel(question)
    if quarrel:
        return quarrel
    for which, side, value in (
        ("shipped", question.shipped, question.value),
        ("rebuilt", question.rebuilt, question.rebuilt_value),
    ):
        expected = _debug_name(side)
        if value != expected:
            what = f"build-id, which gives {text(expected)}" if expected else "one build-id"
            return Refused(f"The {which} debug link {text(value)} does not follow from the {what}.")
    return Accepted("hex digits of the shipped build-id after its first byte, and .debug")


def debuglink_crc(question: Question) -> Answer:
    """The CRC-32 of the shipped debug file, which is there."""
    quarrel = _quarrel(question)
    if quarrel:
        return quarrel
    found = _debug_file(question)
    if found is None:
        return Refused("The shipped debug file is not at hand to compute its CRC-32.")
    crc = zlib.crc32(content.view(found))
    order = _image(question.shipped).header.shape.order
    if question.value != crc.to_bytes(4, "little" if order == "<" else "big"):
        return Refused(f"The shipped debug file has the CRC-32 {crc:#010x}.")
    return Accepted(f"CRC-32 {crc:#010x} of the shipped debug file")


def debuglink_crc_unverified(question: Question) -> Answer:
    """Four bytes that nothing here can compute, since the debug file is not at hand."""
    quarrel = _quarrel(question)
    if quarrel:
        return quarrel
    if len(question.value) != 4 or len(question.rebuilt_value) != 4:
        return Refused("The debug link's CRC-32 is not there in both files.")
    if _debug_file(question) is not None:
        return Refused("The shipped debug file is at hand: its CRC-32 must agree.")
    reason = "the shipped debug file is not at hand"
    return Accepted(reason, free_all(question, reason))


def debugaltlink(question: Question) -> Answer:
    """The build-id of debug data that several files share, of the size that the rebuild has."""
    quarrel = _quarrel(question)
    if quarrel:
        return quarrel
    if not question.value or len(question.value) != len(question.rebuilt_value):
        return Refused("The shared debug file's build-id is not of one size in both files.")
    reason = "the shared debug file is not at hand"
    return Accepted(
        f"build-id of {len(question.value)} bytes; {reason}", free_all(question, reason)
    )


def _image(side: Side) -> Image:
    return cast("Image", side.layout.info)


def _quarrel(question: Question) -> Refused | None:
    """No rule speaks where headers overlap or contradict each other."""
    for which, side in (("shipped", question.shipped), ("rebuilt", question.rebuilt)):
        found = _image(side).quarrels
        if found:
            summary = f"{found[0].where}: {found[0].summary}"
            return Refused(f"The {which} file's headers contradict each other. {summary}")
    return None


def _twins(question: Question, what: tuple[bytes, int]) -> Note | Refused:
    """The one shipped note of that owner and type, if the rebuilt file's is like it."""
    quarrel = _quarrel(question)
    if quarrel:
        return quarrel
    one, other = (_notes(side, what) for side in (question.shipped, question.rebuilt))
    if len(one) != 1 or len(other) != 1:
        return Refused("There is not exactly one such note in each file.")
    if question.span is None or question.rebuilt_span is None:
        return Refused("Only one of the files has this note.")
    if one[0].desc_size != other[0].desc_size:
        return Refused(f"It has {one[0].desc_size} bytes instead of {other[0].desc_size}.")
    if _executable(question.shipped, one[0].desc_offset) != _executable(
        question.rebuilt, other[0].desc_offset
    ):
        return Refused("It lies in an executable segment in one of the files only.")
    return one[0]


def _notes(side: Side, what: tuple[bytes, int]) -> list[Note]:
    return [note for note in _image(side).notes if (note.owner, note.type) == what]


def _executable(side: Side, offset: int) -> bool:
    return any(
        load.flags & PF_X and load.offset <= offset < load.offset + load.filesz
        for load in _image(side).loads()
    )


def _zeroed(data: Buffer, note: Note, name: str, *, parts: bool) -> bytes:
    start, end = note.desc_offset, note.desc_offset + note.desc_size
    if not parts:
        total = hashlib.new(name, data[:start], usedforsecurity=False)
        total.update(bytes(end - start))
        total.update(data[end:])
        return total.digest()
    hashes = []
    for at in range(0, len(data), _CHUNK):
        chunk = bytearray(data[at : at + _CHUNK])
        low, high = max(start - at, 0), min(end - at, len(chunk))
        if low < high:
            chunk[low:high] = bytes(high - low)
        hashes.append(hashlib.new(name, chunk, usedforsecurity=False).digest())
    return hashlib.new(name, b"".join(hashes), usedforsecurity=False).digest()


def _debug_name(side: Side) -> bytes:
    """What debhelper and rpm name the debug file: the build-id after its first byte."""
    notes = _notes(side, BUILD_ID)
    if len(notes) != 1 or notes[0].desc_size not in _SIZES:
        return b""
    start = notes[0].desc_offset
    return bytes(side.data[start + 1 : start + notes[0].desc_size]).hex().encode() + b".debug"


def _debug_file(question: Question) -> Ref | None:
    """The sibling that the link names: beside the file, or below .build-id."""
    image, side = _image(question.shipped), question.shipped
    span = next((item for item in side.layout.spans if item.field == "debuglink.name"), None)
    if span is None or not image.sections:
        return None
    name = side.bytes_of(span).decode("utf-8", "surrogateescape")
    notes = _notes(side, BUILD_ID)
    wanted = {name, f".debug/{name}"}
    if len(notes) == 1:
        start = notes[0].desc_offset
        digits = bytes(side.data[start : start + notes[0].desc_size]).hex()
        wanted.add(f".build-id/{digits[:2]}/{digits[2:]}.debug")
    siblings = question.context.siblings
    for path in sorted(siblings):
        if path in wanted or any(path.endswith("/" + item) for item in wanted):
            return siblings[path]
    return None
