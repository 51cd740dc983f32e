"""Checks of tar headers, PAX records and padding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.checks.numbers import in_window
from verifier.formats import tarheader
from verifier.model import Range

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.formats.tar import Entry, Info

_NUMBER = re.compile(rb"[0-7]{7,11}[\0 ]\Z")
_TIME = re.compile(rb"[1-9][0-9]{0,5} [mac]time=([0-9]{1,12})(\.[0-9]{1,9})?\n\Z")
_NAME = re.compile(rb"([A-Za-z_][A-Za-z0-9_.-]*)?\0+\Z")
_RECORD = 20 * 512
_SUM = slice(148, 156)


def mtime(question: Question) -> Answer:
    """Eleven octal digits within the rule's window, ended like the rebuilt ones."""
    value, rebuilt = question.value, question.rebuilt_value
    if not _NUMBER.match(value) or value[-1:] != rebuilt[-1:]:
        return Refused("The time is not eleven octal digits, ended as in the rebuilt file.")
    answer = in_window(question, int(value[:-1], 8))
    return _but_last(answer, len(value))


def pax_time(question: Question) -> Answer:
    """A decimal time, seconds and up to nine more digits, within the rule's window."""
    found = _TIME.match(question.value)
    if not found:
        return Refused("The record is no plain decimal time.")
    return in_window(question, int(found.group(1)))


def chksum(question: Question) -> Answer:
    """The sum of the header's bytes, written as the rebuilt one is."""
    expected = _sum(question, question.shipped)
    if tarheader.number(question.value) != expected:
        return Refused("The checksum of the header is wrong.")
    if question.value == question.rebuilt_value:
        return Accepted("recomputed from the header")
    for write in (b"%06o\0 ", b"%07o\0", b"%06o \0", b"%07o "):
        if question.rebuilt_value == write % _sum(question, question.rebuilt):
            if question.value == write % expected:
                return Accepted("recomputed from the header")
            return Refused("The checksum is not written as in the rebuilt header.")
    return Refused("The rebuilt header has a checksum that is wrong or oddly written.")


def size(question: Question) -> Answer:
    """Eleven octal digits that are the length of the data that follows, as PAX says it too."""
    entry = _entry(question, question.shipped)
    same = question.value == question.rebuilt_value
    if same and entry is not None and tarheader.number(question.value) == entry.size:
        return Accepted(f"{entry.size} bytes of data follow")
    if entry is None or question.value != b"%011o" % entry.size + question.rebuilt_value[-1:]:
        return Refused("The size is not the length of the member's data.")
    return Accepted(f"{entry.size} bytes of data follow")


def padding(question: Question) -> Answer:
    """Zeros up to the next block."""
    if any(question.value):
        return Refused("The padding after the data is not zero.")
    return Accepted("zeros up to the next block")


def end(question: Question) -> Answer:
    """Two blocks of zeros, or zeros that fill a record of twenty blocks."""
    length, span = len(question.value), question.span
    if span is None or any(question.value):
        return Refused("The archive does not end in zeros.")
    if length != 1024 and not (1024 <= length < 1024 + _RECORD and span.end % _RECORD == 0):
        return Refused("The zeros at the end neither are two blocks nor fill a record.")
    return Accepted("zeros that end the archive")


def owner(question: Question) -> Answer:
    """One builder's number for all members, beside another one's, where nothing depends on it."""
    if not _NUMBER.match(question.value) or question.value[-1:] != question.rebuilt_value[-1:]:
        return Refused("The owner is not octal digits, ended as in the rebuilt file.", "owner")
    return _one_builder(question) or Accepted(
        f"number {int(question.value[:-1], 8)}, one for all members",
        (Range(0, len(question.value) - 1, "any number"),),
        _group(question),
    )


def owner_name(question: Question) -> Answer:
    """As `owner`, for the names."""
    if not _NAME.match(question.value):
        return Refused("The owner is no plain name filled up with zeros.", "owner")
    shown = question.value.rstrip(b"\0")
    return _one_builder(question) or Accepted(
        f"name “{shown.decode('ascii')}”, one for all members",
        (Range(0, len(question.value), "any name"),),
        _group(question),
    )


def _group(question: Question) -> str:
    """Header fields of all members that say one thing; a PAX header's own owner is another."""
    assert question.span is not None
    noun = question.span.name.partition("[")[0]
    return f"tar-{noun}-{question.span.field}"


def _one_builder(question: Question) -> Refused | None:
    if "deb" in question.context.ancestors:
        return Refused("Owners of a package's files are those of the system it lands on.", "owner")
    for side in (question.shipped, question.rebuilt):
        info: Info = side.layout.info
        if info.owners != 1:
            return Refused("The members have different owners, which means something.", "owner")
        if info.privileged:
            return Refused("A member is privileged, so that its owner means something.", "owner")
    return None


def _entry(question: Question, side: Side) -> Entry | None:
    span = question.span or question.rebuilt_span
    assert span is not None
    info: Info = side.layout.info
    return info.entries.get(span.name.rpartition(".")[0])


def _sum(question: Question, side: Side) -> int:
    entry = _entry(question, side)
    if entry is None:
        return -1
    header = bytes(side.data[entry.offset : entry.offset + 512])
    return sum(header) - sum(header[_SUM]) + 8 * 32


def _but_last(answer: Answer, length: int) -> Answer:
    if isinstance(answer, Refused):
        return answer
    return Accepted(answer.evidence, (Range(0, length - 1, "any time in the window"),))
