"""zip files, which wheels, jars, nupkgs and apks are (APPNOTE.TXT 6.3.10).

The central directory tells what is there; `member[…]` spans are those of the
local header and data, `central[…]` those of the directory. What neither speaks
of (hidden entries, prefixes, signing blocks) stays a `gap` without rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats import ziprecords as records
from verifier.formats.base import Cutter, Format, Layout, text
from verifier.formats.members import Labels, describer, whole_span
from verifier.formats.tarnames import refuse_path
from verifier.model import Span

if TYPE_CHECKING:
    from verifier.content import Buffer

_CODECS = {0: "stored", 8: "deflate", 12: "bzip2", 93: "zstd", 95: "xz"}
_ENCRYPTED = 1 | 1 << 6 | 1 << 13


def _template(noun: str, *fields: tuple[str, int]) -> tuple[tuple[str, int, int, str], ...]:
    result, at = [], 0
    for name, size in fields:
        result.append((f".{name}", at, size, f"{noun}.{name}"))
        at += size
    return tuple(result)


_LOCAL = _template(
    "local", ("version", 6), ("flags", 2), ("method", 2), ("time", 4), ("crc", 4),
    ("compressed-size", 4), ("size", 4), ("lengths", 4),
)  # fmt: skip
_CENTRAL = _template(
    "central", ("version", 8), ("flags", 2), ("method", 2), ("time", 4), ("crc", 4),
    ("compressed-size", 4), ("size", 4), ("lengths", 6), ("internal", 4), ("mode", 4),
    ("offset", 4),
)  # fmt: skip


class Entry(NamedTuple):
    """One member in both views; `descriptor` is (offset, length) or None."""

    label: str
    central: records.Central
    local: records.Local
    codec: str
    descriptor: tuple[int, int] | None

    @property
    def end(self) -> int:
        """Where the member's data and descriptor end."""
        return (
            sum(self.descriptor) if self.descriptor else self.local.data + self.central.compressed
        )


class Info(NamedTuple):
    """All members by label.

    `payloads` keeps (CRC-32, size) of those that a check unpacked, None where that failed.
    """

    entries: dict[str, Entry]
    start: int  # of the central directory
    payloads: dict[str, tuple[int, int] | None]


def layout(data: Buffer) -> Layout:
    """See the module. ParseError for overlap, or records that are not where they must be."""
    cutter = Cutter("zip", data)
    end = records.find_end(data)
    entries: dict[str, Entry] = {}
    labels, at = Labels(), _start(data, end)
    start, stop = at, at + end.size
    follows = 0
    while at < stop:
        central = records.central(data, at)
        label = labels.take(text(central.name))
        entries[label] = entry = _entry(data, central, label, follows)
        follows = entry.end
        _member(cutter, entry)
        _directory(cutter, entry)
        at = central.end
        if len(entries) > limits.MEMBERS:
            raise LimitError(f"A zip file of more than {limits.MEMBERS} members.")
    _end(cutter, end)
    return cutter.finish(Info(entries, start, {}))


def _start(data: Buffer, end: records.End) -> int:
    """Where the directory starts: where the end record says, else right before that record."""
    if not end.size or bytes(data[end.offset : end.offset + 4]) == records.CENTRAL:
        return end.offset
    return (end.at if end.wide is None else end.wide) - end.size


def _entry(data: Buffer, central: records.Central, label: str, follows: int) -> Entry:
    """The local header where the directory says, else right after the member before it.

    A wrong offset is then one wrong field, and not the end of all understanding.
    """
    found = bytes(data[central.offset : central.offset + 4]) == records.LOCAL
    local = records.local(data, central.offset if found else follows)
    refuse_path(central.name)
    if (central.flags | local.flags) & _ENCRYPTED:
        raise LimitError(f"The member {label} is encrypted; it cannot be compared.")
    if central.size > max(limits.RATIO_FREE, limits.RATIO * central.compressed):
        raise LimitError(
            f"The member {label} grows from {central.compressed} to {central.size} bytes: "
            f"over {limits.RATIO} times its size, it is not unpacked."
        )
    after = local.data + central.compressed
    if after > len(data):
        raise ParseError(f"The data of {label} reach beyond the file's end", local.at)
    described = None
    if central.flags & records.DESCRIBED:
        described = after, records.descriptor(data, after, central)
    return Entry(label, central, local, _CODECS.get(central.method, ""), described)


def _member(cutter: Cutter, entry: Entry) -> None:
    prefix, local, spans = f"member[{entry.label}]", entry.local, cutter.spans
    at = local.at
    spans += [
        whole_span((prefix + name, at + start, size, field, "", ""))
        for name, start, size, field in _LOCAL
    ]
    name, extra = local.lengths
    if name:
        spans.append(Span(f"{prefix}.name", at + 30, name, "local.name"))
    if extra:
        _extra(cutter, prefix, at + 30 + name, extra)
    size = entry.central.compressed
    if not entry.codec:
        cutter.add(f"{prefix}.opaque", local.data, size, "opaque")
    elif size or not entry.label.endswith("/"):
        spans.append(Span(f"{prefix}.data", local.data, size, "data", entry.label, entry.codec))
    if entry.descriptor:
        _descriptor(cutter, prefix, *entry.descriptor)


def _descriptor(cutter: Cutter, prefix: str, at: int, length: int) -> None:
    signed, wide = length in {16, 24}, length in {20, 24}
    if signed:
        cutter.add(f"{prefix}.descriptor-signature", at, 4, "descriptor.signature")
        at += 4
    number = 8 if wide else 4
    for name, size in (("crc", 4), ("compressed-size", number), ("size", number)):
        cutter.add(f"{prefix}.descriptor-{name}", at, size, f"descriptor.{name}")
        at += size


def _directory(cutter: Cutter, entry: Entry) -> None:
    prefix, at, spans = f"central[{entry.label}]", entry.central.at, cutter.spans
    spans += [
        whole_span((prefix + name, at + start, size, field, "", ""))
        for name, start, size, field in _CENTRAL
    ]
    name, extra, comment = entry.central.lengths
    at += 46
    if name:
        spans.append(Span(f"{prefix}.name", at, name, "central.name"))
    if extra:
        _extra(cutter, prefix, at + name, extra)
    if comment:
        cutter.add(f"{prefix}.comment", at + name + extra, comment, "central.comment")


def _extra(cutter: Cutter, prefix: str, at: int, length: int) -> None:
    """One span for each block of an extra field; one for all where it is out of order."""
    blocks = records.extras(bytes(cutter.data[at : at + length]))
    ids = [block.id for block in blocks or ()]
    if blocks is None or len(set(ids)) != len(ids):
        cutter.add(f"{prefix}.extra", at, length, "extra")
        return
    for block in blocks:
        name = f"{prefix}.extra-{block.id:04x}"
        cutter.add(name, at + block.offset, block.length, f"extra.{block.id:04x}")


def _end(cutter: Cutter, end: records.End) -> None:
    if end.wide is not None:
        cutter.add("end64.record", end.wide, 56)
        cutter.add("end64.locator", end.at - 20, 20)
    fields = (("signature", 4), ("disks", 4), ("entries", 4), ("size", 4), ("offset", 4))
    at = cutter.fields("end", end.at, (*fields, ("comment-length", 2)))
    cutter.add("end.comment", at, end.end - at)
    cutter.add("tail", end.end, len(cutter.data) - end.end)


FORMAT = Format(
    "zip",
    magic.zipped,
    layout,
    describer({"central.mode": "mode"}),
    container=True,
    follows=frozenset(
        {
            *(
                f"{view}.{name}"
                for view in ("local", "central", "descriptor")
                for name in ("crc", "size", "compressed-size")
            ),
            "central.offset",
            "end.offset",
        }
    ),
)
