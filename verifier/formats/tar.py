"""tar archives: ustar, PAX and GNU (POSIX.1-2017 pax; GNU tar's `tar.h`).

Every header field is a span, every PAX record too. Extended headers are named
after the member that they speak of. Headers must follow one another without
gaps up to the first zero block; from there on only zeros are expected, and the
rest is the span `end`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic, tarheader
from verifier.formats.base import Format, Layout, text
from verifier.formats.members import Labels, describer, whole_span
from verifier.formats.tarheader import BLOCK, FIELDS, Header, Record
from verifier.formats.tarnames import refuse_escape
from verifier.model import Span

if TYPE_CHECKING:
    from verifier.content import Buffer

_ZEROS = bytes(BLOCK)
_DATA = frozenset(b"0\x007")
_EMPTY = frozenset(b"125")  # links and directories hold no data
_LONG = frozenset(b"LK")

_KEYS = tuple(
    (f".{name}", offset, size, f"header.{name}")
    for (name, size), offset in zip(
        FIELDS, accumulate((size for _, size in FIELDS), initial=0), strict=False
    )
)


class Entry(NamedTuple):
    """One member: `data` and `size` are the extent of its data."""

    label: str
    header: Header
    offset: int
    data: int
    size: int
    records: tuple[Record, ...] = ()


class Info(NamedTuple):
    """All members and extended headers by what the names of their spans start with."""

    entries: dict[str, Entry]
    owners: int  # how many different ones the members have
    privileged: bool  # a member is set-user-ID, sticky, or has extended attributes


def layout(data: Buffer) -> Layout:
    """See the module; LimitError for what no unpacked tree may hold."""
    walk = _Walk(data)
    walk.run()
    return Layout("tar", len(data), tuple(walk.spans), walk.info())


class _Extended(NamedTuple):
    """An extended header that waits for its member."""

    header: Header
    offset: int
    size: int
    body: bytes


class _Walk:
    """Reads headers in order; `at` is the end of what `spans` cover."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.at = 0
        self.spans: list[Span] = []
        self.entries: dict[str, Entry] = {}
        self._waiting: list[_Extended] = []
        self._labels = Labels()

    def run(self) -> None:
        """Lay out the whole file."""
        data = self.data
        while self.at < len(data):
            block = bytes(data[self.at : self.at + BLOCK])
            if block == _ZEROS or len(block) < BLOCK:
                break
            self._header(tarheader.split(block), self.at)
            if len(self.entries) > limits.MEMBERS:
                raise LimitError(f"A tar file of more than {limits.MEMBERS} members.")
        if self._waiting:
            raise ParseError("The last extended header speaks of no member", self.at)
        if self.at < len(data):
            self.spans.append(Span("end", self.at, len(data) - self.at, "end"))

    def info(self) -> Info:
        """What checks want to know of the members together."""
        members = [item.header for name, item in self.entries.items() if name[:7] == "member["]
        owners = {(item.uid, item.gid, item.uname, item.gname) for item in members}
        special = any((tarheader.number(item.mode) or 0) & 0o7000 for item in members)
        keyed = any(
            one.key[:7] == b"SCHILY." for item in self.entries.values() for one in item.records
        )
        return Info(self.entries, len(owners), special or keyed)

    def _header(self, header: Header, at: int) -> None:
        if header.magic[:5] != b"ustar":
            raise ParseError("No tar header stands where one must", at)
        kind = header.typeflag[0]
        size = tarheader.number(header.size)
        if size is None:
            raise ParseError("The size in a tar header is no number", at + 124)
        if kind in b"xgLK":
            self._extended(header, at, size)
        else:
            self._member(header, at, size)

    def _extended(self, header: Header, at: int, size: int) -> None:
        if size > limits.MIB:
            raise LimitError(f"An extended tar header of {size} bytes.")
        body = self._extent(at, size)
        extended = _Extended(header, at, size, body)
        if header.typeflag == b"g":
            if self._waiting:
                raise ParseError(
                    "A global header stands between an extended one and its member", at
                )
            label = self._labels.take("global")
            self._emit_extended(extended, "global-header", "global", label)
        else:
            self._waiting.append(extended)

    def _member(self, header: Header, at: int, size: int) -> None:
        name, link = header.path, tarheader.cstring(header.linkname)
        kinds = [item.header.typeflag for item in self._waiting]
        if len(set(kinds)) != len(kinds):
            raise ParseError("A member has two extended headers of one type", at)
        known: dict[bytes, bytes] = {}
        for item in self._waiting:
            if item.header.typeflag == b"L":
                name = _long(item)
            elif item.header.typeflag == b"K":
                link = _long(item)
            else:
                known = {one.key: one.value for one in tarheader.records(item.body, item.offset)}
        name, link = known.get(b"path", name), known.get(b"linkpath", link)
        if b"size" in known:
            size = _decimal(known[b"size"], at)
        self._place(header, at, size, name, link)

    def _place(self, header: Header, at: int, size: int, name: bytes, link: bytes) -> None:
        kind = header.typeflag[0]
        if len(name) > limits.NAME_BYTES or len(link) > limits.NAME_BYTES:
            raise LimitError(f"A tar member's name is longer than {limits.NAME_BYTES} bytes.")
        refuse_escape(header.typeflag, name, link)
        if kind not in _DATA and kind not in _EMPTY:
            raise ParseError(f"A tar member has the unknown type {header.typeflag!r}", at + 156)
        if kind in _EMPTY and size:
            raise ParseError("A tar member that is no file has data", at + 124)
        label = self._labels.take(_label(name))
        for item in self._waiting:
            which = {b"x": "pax", b"L": "long-name", b"K": "long-link"}[item.header.typeflag]
            self._emit_extended(item, f"{which}-header", which, label)
        self._waiting.clear()
        self._extent(at, size)
        self._fields(f"member[{label}]", at)
        data = at + BLOCK
        prefix = f"member[{label}]"
        self.entries[prefix] = Entry(label, header, at, data, size)
        if kind in _DATA:
            self.spans.append(Span(f"{prefix}.data", data, size, "data", label, "stored"))
        self._padding(prefix, data + size)

    def _fields(self, prefix: str, at: int) -> None:
        self.spans += [
            whole_span((prefix + suffix, at + offset, size, field, "", ""))
            for suffix, offset, size, field in _KEYS
        ]

    def _emit_extended(self, item: _Extended, noun: str, records: str, label: str) -> None:
        prefix = f"{noun}[{label}]"
        self._fields(prefix, item.offset)
        at = item.offset + BLOCK
        found: tuple[Record, ...] = ()
        if item.header.typeflag in b"xg":
            found = tarheader.records(item.body, at)
            if item.header.typeflag == b"g":
                _refuse_global(found, at)
            for record in found:
                key = text(record.key)
                self.spans.append(
                    Span(
                        f"{records}[{label}].{key}", at + record.offset, record.length, f"pax.{key}"
                    )
                )
        elif item.size:
            self.spans.append(Span(f"{records}[{label}].text", at, item.size, "long.text"))
        self._padding(prefix, at + item.size)
        self.entries[prefix] = Entry(prefix, item.header, item.offset, at, item.size, found)

    def _extent(self, at: int, size: int) -> bytes:
        """Check that the data of a header at `at` lie within the file; small ones are returned."""
        end = at + BLOCK + size
        padded = at + BLOCK + -(-size // BLOCK) * BLOCK
        if padded > len(self.data):
            raise ParseError(f"{size} bytes of data reach beyond the file's end", at + 124)
        self.at = padded
        return bytes(self.data[at + BLOCK : end]) if size <= limits.MIB else b""

    def _padding(self, prefix: str, end: int) -> None:
        rest = -end % BLOCK
        if rest:
            self.spans.append(Span(f"{prefix}.padding", end, rest, "padding"))


def _long(item: _Extended) -> bytes:
    """The text of a GNU long name; one NUL ends it."""
    value = item.body.removesuffix(b"\0")
    if b"\0" in value:
        raise ParseError("A GNU long name holds a NUL", item.offset)
    return value


def _label(name: bytes) -> str:
    """`./a` and `a` are one member."""
    return text(name.removeprefix(b"./") or name)


def _decimal(value: bytes, at: int) -> int:
    if not value.isdigit() or len(value) > 19:
        raise ParseError("The size in a PAX header is no number", at)
    return int(value)


def _refuse_global(found: tuple[Record, ...], at: int) -> None:
    bad = next((one for one in found if one.key in {b"size", b"path", b"linkpath"}), None)
    if bad is not None:
        raise ParseError(f"A global PAX header sets {text(bad.key)} of all members", at)


FORMAT = Format(
    "tar",
    magic.tar,
    layout,
    describer(
        {
            "header.mode": "mode",
            "header.uid": "owner",
            "header.gid": "owner",
            "header.uname": "owner",
            "header.gname": "owner",
            "header.typeflag": "type",
            "header.linkname": "link-target",
            "header.device": "type",
            "pax.linkpath": "link-target",
        }
    ),
    container=True,
    follows=frozenset({"header.chksum", "header.size", "end"}),
)
