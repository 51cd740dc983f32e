"""Checks of zip headers: the two views of a member must agree, with each other and the payload."""

from __future__ import annotations

import struct
import zlib
from datetime import datetime
from typing import TYPE_CHECKING

from verifier import content
from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.checks.numbers import in_window
from verifier.errors import ParseError
from verifier.model import Range
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.formats.zip import Entry, Info

_FULL = 0xFFFFFFFF


def time(question: Question) -> Answer:
    """A DOS date and time that exists, alike in both headers (years 1980 to 2107)."""
    entry = _entry(question)
    if entry is None or entry.local.time != entry.central.time:
        return Refused("Local header and central directory have different times.")
    value = entry.local.time
    clock, date = value & 0xFFFF, value >> 16
    parts = (date >> 9) + 1980, date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63
    try:
        moment = datetime(*parts, (clock & 31) * 2)  # noqa: DTZ001 - zip times have no zone
    except ValueError:
        return Refused("The time is no time of day, or the date no date.")
    free = free_all(question, "any time that exists")
    return Accepted(f"{moment:%Y-%m-%d %H:%M:%S}", free, f"zip-time-{entry.label}")


def crc(question: Question) -> Answer:
    """The CRC-32 of the shipped payload, in both headers; 0 where a descriptor follows."""
    return _of_payload(question, 0, "checksum")


def size(question: Question) -> Answer:
    """The length of the shipped payload, in both headers; 0 where a descriptor follows."""
    return _of_payload(question, 1, "length")


def compressed_size(question: Question) -> Answer:
    """The length of the member's data, in both headers; 0 where a descriptor follows."""
    entry = _entry(question)
    if entry is None:
        return Refused("Only one of the files has this member.")
    return _number(question, entry, entry.central.compressed, "length of the data")


def offset(question: Question) -> Answer:
    """Where the member's local header stands; that it stands there, the layout has seen."""
    entry = _entry(question)
    if entry is None or question.value != struct.pack("<I", min(entry.local.at, _FULL)):
        return Refused("The offset is not that of the local header.")
    if entry.local.name != entry.central.name:
        return Refused("The local header there is that of another member.")
    return Accepted("a local header of that name stands there")


def end_offset(question: Question) -> Answer:
    """Where the central directory starts: right after the last member's data."""
    info: Info = question.shipped.layout.info
    return _exactly(question, info.start, "The directory's offset")


def extra_time(question: Question) -> Answer:
    """The block `UT`: times of modification and access within the rule's window."""
    value = question.value
    flags = value[4] if len(value) > 4 else 0
    times = value[5:]
    if question.rebuilt_value[:5] != value[:5] or not flags & 1 or len(times) % 4 or not times:
        return Refused("The block of times has another shape than the rebuilt one.")
    for (seconds,) in struct.iter_unpack("<I", times):
        answer = in_window(question, seconds)
        if isinstance(answer, Refused):
            return answer
    free = (Range(5, len(times), "any time in the window"),)
    return Accepted(f"{len(times) // 4} times within the window", free)


def _of_payload(question: Question, which: int, what: str) -> Answer:
    entry = _entry(question)
    if entry is None or not entry.codec:
        return Refused("The payload cannot be unpacked.")
    if _unchanged(question, entry):
        return Accepted("as in the rebuilt file, for the same data")
    return _number(question, entry, _payload(question.shipped, entry)[which], what)


def _number(question: Question, entry: Entry, right: int, what: str) -> Answer:
    assert question.span is not None
    in_local = question.span.field.startswith("local.")
    if in_local and entry.descriptor and not any(question.value):
        return Accepted("0, since a descriptor follows the data")
    full = question.value == b"\xff\xff\xff\xff"
    if full and (right >= _FULL or question.value == question.rebuilt_value):
        return Accepted("given by the zip64 block")
    if question.value != right.to_bytes(len(question.value), "little"):
        return Refused(f"The {what} is not that of the shipped member, {right}.")
    return Accepted(f"{what} recomputed from the shipped member")


def _unchanged(question: Question, entry: Entry) -> bool:
    """Whether field and data are those of the rebuilt file; its own word is then as good."""
    other: Entry | None = question.rebuilt.layout.info.entries.get(entry.label)
    if other is None or question.value != question.rebuilt_value:
        return False
    return entry.codec == other.codec and content.equal(
        _data(question.shipped, entry), _data(question.rebuilt, other)
    )


def _payload(side: Side, entry: Entry) -> tuple[int, int]:
    info: Info = side.layout.info
    if entry.label not in info.payloads:
        info.payloads[entry.label] = None  # what fails once is not tried again
        info.payloads[entry.label] = _unpacked(_data(side, entry), entry.codec)
    found = info.payloads[entry.label]
    if found is None:
        raise ParseError("The payload cannot be unpacked.")
    return found


def _unpacked(data: content.Buffer, codec: str) -> tuple[int, int]:
    if codec == "stored":
        return zlib.crc32(data), len(data)
    checksum = length = 0
    for chunk in codecs.decode(codec, data):
        checksum, length = zlib.crc32(chunk, checksum), length + len(chunk)
    return checksum, length


def _data(side: Side, entry: Entry) -> content.Buffer:
    return side.data[entry.local.data : entry.local.data + entry.central.compressed]


def _exactly(question: Question, right: int, what: str) -> Answer:
    if question.value != struct.pack("<I", min(right, _FULL)):
        return Refused(f"{what} is wrong; it must be {right}.")
    return Accepted(f"recomputed: {right}")


def _entry(question: Question) -> Entry | None:
    span = question.span
    if span is None or question.rebuilt_span is None:
        return None
    info: Info = question.shipped.layout.info
    return info.entries.get(span.name[span.name.index("[") + 1 : span.name.rindex("]")])
