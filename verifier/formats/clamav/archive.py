"""The tar inside ClamAV's databases (common/tar.c): name, size and checksum, all else zero.

No magic, and no blocks at the end: the loader stops at the first block that
starts with zero and passes over what follows. Such bytes are the span `tail`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats.base import Format, Layout, text
from verifier.formats.clamav import faults
from verifier.formats.clamav.payload import is_listing
from verifier.formats.members import Labels, whole_span
from verifier.formats.tarheader import BLOCK
from verifier.model import Span

if TYPE_CHECKING:
    from verifier.content import Buffer

_FIELDS = (
    (".name", 0, 100, "header.name"),
    (".owner", 100, 24, "header.owner"),
    (".size", 124, 12, "header.size"),
    (".mtime", 136, 12, "header.mtime"),
    (".chksum", 148, 8, "header.chksum"),
    (".rest", 156, 356, "header.rest"),
)
_SIZE = re.compile(rb"([0-7]{1,11})\0+\Z")  # sscanf would take signs and spaces too
_ZEROS = bytes(356)


class Entry(NamedTuple):
    """One member: where its header and its data are."""

    label: str
    name: bytes
    offset: int
    data: int
    size: int


class Info(NamedTuple):
    """All members by what the names of their spans start with, and the first `.info`."""

    entries: dict[str, Entry]
    listing: bytes | None


def layout(data: Buffer) -> Layout:
    """A span for each field of each header, for the member's data and its padding."""
    spans: list[Span] = []
    entries: dict[str, Entry] = {}
    labels = Labels()
    at = 0
    while at < len(data) and data[at]:
        entry = _entry(bytes(data[at : at + BLOCK]), at, labels)
        prefix = f"member[{entry.label}]"
        end = entry.data + entry.size
        padded = end + -end % BLOCK
        if padded > len(data):
            raise ParseError(f"The member {entry.label} reaches beyond the archive's end", at + 124)
        spans += [
            whole_span((prefix + suffix, at + offset, size, field, "", ""))
            for suffix, offset, size, field in _FIELDS
        ]
        spans.append(Span(f"{prefix}.data", entry.data, entry.size, "data", entry.label, "stored"))
        if padded > end:
            spans.append(Span(f"{prefix}.padding", end, padded - end, "padding"))
        entries[prefix] = entry
        at = padded
        if len(entries) > limits.MEMBERS:
            raise LimitError(f"A ClamAV archive of more than {limits.MEMBERS} members.")
    if at < len(data):
        spans.append(Span("tail", at, len(data) - at, "tail"))
    return Layout("clamav-tar", len(data), tuple(spans), Info(entries, _listing(data, entries)))


def _entry(block: bytes, at: int, labels: Labels) -> Entry:
    """One header; ParseError for anything that ClamAV's own packer does not write."""
    if len(block) < BLOCK:
        raise ParseError("The archive ends inside a header", at)
    name, _, rest = block[:100].partition(b"\0")
    if rest.strip(b"\0") or len(name) == 100:
        raise ParseError("A member's name is not ended and filled by zeros", at)
    if b"/" in name or b"\\" in name or name in {b".", b".."}:
        raise ParseError("A member's name is no plain file name", at)
    found = _SIZE.match(block[124:136])
    if not found:
        raise ParseError("A member's size is no octal number filled by zeros", at + 124)
    for start, end in ((100, 124), (136, 148), (156, BLOCK)):
        if block[start:end] != _ZEROS[: end - start]:
            raise ParseError("A header has a field that ClamAV leaves empty", at + start)
    return Entry(labels.take(text(name)), name, at, at + BLOCK, int(found[1], 8))


def _listing(data: Buffer, entries: dict[str, Entry]) -> bytes | None:
    for entry in entries.values():
        if is_listing(entry.name):
            size = min(entry.size, limits.MIB)
            return bytes(data[entry.data : entry.data + size])
    return None


FORMAT = Format(
    "clamav-tar",
    magic.clamav_tar,
    layout,
    container=True,
    follows=frozenset({"header.chksum", "header.size"}),
    faults=faults.of_archive,
)
