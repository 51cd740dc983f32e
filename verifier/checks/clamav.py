"""Checks of the fields of ClamAV's databases, their tar, and of updates."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.checks.numbers import in_window
from verifier.formats.clamav.pack import MONTHS

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.formats.clamav.archive import Entry

_BLOCK = 1 << 20
_TIME = re.compile(rb"\d\d [A-Z][a-z]{2} \d{4} \d\d-\d\d ([+-])(\d\d)(\d\d)\Z")
_NUMBER = re.compile(rb"(0|[1-9][0-9]{0,9})\Z")
_COUNT = re.compile(rb"(0|[1-9][0-9]{0,8})\Z")
_BUILDER = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_MOVED = Refused("The member stands elsewhere, or is missing.", describe=True)
_AS_REBUILT = Accepted("as in the rebuilt file")
_LATEST = 253_402_214_400  # the last day that a four-digit year can write


def as_listed(question: Question) -> Answer:
    """The same value as in the first line of the `.info` that the shipped payload holds."""
    name = _name(question)
    listed = question.shipped.layout.info.listed(name)
    if listed is None:
        return Refused("The database holds no .info that could say what is right.")
    if question.value != listed:
        return Refused(f"The header's {name} is not that of the .info inside.")
    return Accepted("as in the .info inside; no signature covers the header itself")


def time(question: Question) -> Answer:
    """The time of the field `stime`, written for one of the world's time zones."""
    if (known := _decided(question)) is not None:
        return known
    same = question.value == question.rebuilt_value
    if same and _value(question.shipped, "header.stime") == _value(
        question.rebuilt, "header.stime"
    ):
        return _AS_REBUILT
    found = _TIME.match(question.value)
    seconds = _stime(question.shipped)
    if not found or seconds is None:
        return Refused("It is no time of the form that sigtool writes, beside one in seconds.")
    minutes = int(found[1] + b"1") * (int(found[2]) * 60 + int(found[3]))
    if not -12 * 60 <= minutes <= 14 * 60 or minutes % 15:
        return Refused("It names a time zone that nobody lives in.")
    local = datetime.fromtimestamp(seconds, UTC) + timedelta(minutes=minutes)
    zone = (found[1] + found[2] + found[3]).decode()
    text = f"{local:%d} {MONTHS[local.month - 1]} {local.year:04} {local:%H-%M} {zone}"
    if question.value != text.encode():
        return Refused("The time as text is not that of the field stime in any time zone.")
    return Accepted("the time of stime, in a time zone", free_all(question, "any time zone"))


def stime(question: Question) -> Answer:
    """Seconds since 1970 in plain decimal, within the rule's window."""
    if (known := _decided(question)) is not None:
        return known
    if question.value == question.rebuilt_value:
        return _AS_REBUILT
    if not _NUMBER.match(question.value):
        return Refused("The time in seconds is no plain number.")
    return in_window(question, int(question.value))


def count(question: Question) -> Answer:
    """A plain number of at most nine digits: what the packer's engine had loaded, no more."""
    if (known := _decided(question)) is not None:
        return known
    if question.value == question.rebuilt_value:
        return _AS_REBUILT
    if not _COUNT.match(question.value):
        return Refused("The number of signatures is no plain number.")
    return Accepted("a plain number", free_all(question, "any number"))


def builder(question: Question) -> Answer:
    """One plain word of at most 32 characters."""
    if (known := _decided(question)) is not None:
        return known
    if question.value == question.rebuilt_value:
        return _AS_REBUILT
    if not _BUILDER.match(question.value):
        return Refused("The builder's name is no plain word.")
    return Accepted("a plain word", free_all(question, "any plain word"))


def padding(question: Question) -> Answer:
    """Spaces alone."""
    if question.value.strip(b" "):
        return Refused("The header is filled with something else than spaces.")
    return Accepted("spaces up to the payload")


def md5(question: Question) -> Answer:
    """The MD5 of all bytes after the header; `X` where the database bears no signature."""
    if question.value == b"X" and _value(question.shipped, "header.dsig") == b"X":
        return Accepted("no digest and no signature, as in a database that freshclam made")
    if question.value != payload_md5(question.shipped).hex().encode():
        return Refused("The digest is not that of the payload.")
    return Accepted("recomputed from the payload")


def payload_md5(side: Side) -> bytes:
    """The MD5 that a database's legacy signature is over."""
    cache: dict[str, bytes] = side.layout.info.cache
    if "md5" not in cache:
        total = hashlib.md5(usedforsecurity=False)
        for at in range(512, len(side.data), _BLOCK):
            total.update(side.data[at : at + _BLOCK])
        cache["md5"] = total.digest()
    return cache["md5"]


def tar_size(question: Question) -> Answer:
    """The length of the member in octal, as the packer writes it."""
    entry = _entry(question)
    if entry is None:
        return _MOVED
    if question.value != (b"%o" % entry.size).ljust(12, b"\0"):
        return Refused("The size is not written as ClamAV's packer does.")
    return Accepted(f"{entry.size} bytes of data follow")


def tar_chksum(question: Question) -> Answer:
    """The sum of the header's bytes in six octal digits."""
    entry = _entry(question)
    if entry is None:
        return _MOVED
    block = bytes(question.shipped.data[entry.offset : entry.data])
    if question.value != b"%06o\0\0" % (sum(block[:148]) + 8 * 32 + sum(block[156:])):
        return Refused("The checksum of the header is wrong.")
    return Accepted("recomputed from the header")


def script_length(question: Question) -> Answer:
    """The plain decimal length of the unpacked script."""
    expected: int = question.shipped.layout.info.size
    if question.value != str(expected).encode():
        return Refused(f"The length is not that of the script, {expected}.")
    return Accepted("the length of the script")


def _name(question: Question) -> str:
    span = question.span or question.rebuilt_span
    assert span is not None
    return span.field.partition(".")[2]


def _decided(question: Question) -> Refused | None:
    """A refusal where an `.info` inside says what the header must say."""
    if question.shipped.layout.info.listing is None:
        return None
    return Refused("The .info inside decides.")


def _value(side: Side, name: str) -> bytes:
    return side.bytes_of(next((span for span in side.layout.spans if span.name == name), None))


def _stime(side: Side) -> int | None:
    value = _value(side, "header.stime")
    seconds = int(value) if _NUMBER.match(value) else None
    return seconds if seconds is not None and 86_400 <= seconds < _LATEST else None


def _entry(question: Question) -> Entry | None:
    if question.span is None or question.rebuilt_span is None:
        return None
    entries: dict[str, Entry] = question.shipped.layout.info.entries
    return entries.get(question.span.name.rpartition(".")[0])
