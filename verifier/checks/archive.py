"""Checks of ar files: static libraries and the outside of Debian packages."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.checks.numbers import in_window
from verifier.errors import ParseError

if TYPE_CHECKING:
    from verifier.formats.ar import Entry
    from verifier.formats.base import Side
    from verifier.model import Range

_DECIMAL = re.compile(rb"(0|[1-9][0-9]*) *\Z")
_OCTAL = re.compile(rb"([0-7]+) *\Z")


def mtime(question: Question) -> Answer:
    """A decimal Unix time, padded with spaces, within the rule's window; 0 is `ar D`."""
    found = _DECIMAL.match(question.value)
    if not found:
        return Refused("The time is no decimal number padded with spaces.")
    seconds = int(found.group(1))
    if seconds == 0:
        return Accepted("0, as deterministic archivers write", _digits(question))
    return in_window(question, seconds)


def owner(question: Question) -> Answer:
    """A decimal user or group number, padded with spaces."""
    if not _DECIMAL.match(question.value):
        return Refused("The owner is no decimal number padded with spaces.", "owner")
    shown = question.value.decode("ascii").strip()
    return Accepted(f"number {shown}; linkers do not read it", _digits(question))


def mode(question: Question) -> Answer:
    """An octal mode of a regular file without special bits, padded with spaces."""
    found = _OCTAL.match(question.value)
    if not found:
        return Refused("The mode is no octal number padded with spaces.", "mode")
    value = int(found.group(1), 8)
    if value & ~0o777 not in {0, 0o100000}:
        return Refused(f"The mode {value:o} is not that of a plain file.", "mode")
    return Accepted(f"mode {value:o} of a plain file; linkers do not read it", _digits(question))


def size(question: Question) -> Answer:
    """The plain decimal length of the member's data, padded with spaces."""
    entry = _entry(question.shipped, question)
    if entry is None or question.value != b"%-10d" % entry.size:
        return Refused("The size is not the plain decimal length of the member.")
    return Accepted(f"{entry.size} bytes of data follow")


def pad(question: Question) -> Answer:
    """One newline after data of odd length, nothing after even ones."""
    entry = _entry(question.shipped, question)
    if entry is None or question.value != b"\n" * (entry.size % 2):
        return Refused("Data of odd length is padded with one newline, other data with nothing.")
    return Accepted("a newline after data of odd length")


def index(question: Question) -> Answer:
    """The rebuilt symbol index with every offset moved to where that member stands here."""
    if question.span is None or question.rebuilt_span is None:
        return Refused("Only one of the files has a symbol index.")
    wide = question.span.name.startswith("member[/SYM64/]")
    try:
        expected = _moved(question, ">Q" if wide else ">I")
    except (struct.error, KeyError, IndexError) as error:
        raise ParseError("A symbol index does not point to members") from error
    if question.value != expected:
        return Refused("The symbol index is not that of the members: names, order or offsets.")
    return Accepted("the rebuilt index with offsets moved to the shipped members")


def _moved(question: Question, code: str) -> bytes:
    """The index that the shipped file must have; both files list the same members."""
    value = question.rebuilt_value
    rebuilt: dict[str, Entry] = question.rebuilt.layout.info.entries
    shipped: dict[str, Entry] = question.shipped.layout.info.entries
    if list(rebuilt) != list(shipped):
        raise ParseError("The members are not those of the rebuilt archive")
    place = {one.offset: shipped[name].offset for name, one in rebuilt.items()}
    width = struct.calcsize(code)
    (count,) = struct.unpack_from(code, value)
    many = f">{count}{code[1]}"
    offsets = struct.unpack_from(many, value, width) if count * width <= len(value) else None
    if offsets is None:
        raise ParseError("A symbol index is shorter than its count says")
    moved = struct.pack(many, *(place[offset] for offset in offsets))
    return value[:width] + moved + value[width * (count + 1) :]


def _entry(side: Side, question: Question) -> Entry | None:
    """The member that the span in question belongs to, in one of the files."""
    span = question.span or question.rebuilt_span
    assert span is not None
    entries: dict[str, Entry] = side.layout.info.entries
    return entries.get(span.name.rpartition(".")[0])


def _digits(question: Question) -> tuple[Range, ...]:
    return free_all(question, "any value in the grammar")
