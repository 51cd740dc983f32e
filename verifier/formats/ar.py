"""ar archives: static libraries, and the outside of Debian packages.

System V / GNU layout as in ar(5) and binutils' `include/aout/ar.h`: members of
60 byte headers, `/` a symbol index, `//` long names. Order of members is kept:
it decides which object a linker takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout, text
from verifier.formats.members import Labels

if TYPE_CHECKING:
    from verifier.content import Buffer

MAGIC = b"!<arch>\n"
_THIN = b"!<thin>\n"
_HEADER = 60
_END = b"`\n"
_INDEXES = ("/", "/SYM64/")
_DECIMAL = re.compile(rb"(\d{1,10}) *\Z")


class Entry(NamedTuple):
    """One member: `label` names its spans, `offset` is that of its header."""

    label: str
    offset: int
    start: int
    size: int


class Info(NamedTuple):
    """All members in order, by what the names of their spans start with."""

    entries: dict[str, Entry]


def layout(data: Buffer) -> Layout:
    """Header fields and data of each member; what follows the last one is `tail`."""
    return cut("ar", data, "header")


def cut(name: str, data: Buffer, identity: str) -> Layout:
    """The layout of an ar file of format `name`.

    `identity` is the first part of the fields uid, gid and mode, so that a
    format whose rules are those of ar can keep these three out of them.
    """
    if bytes(data[:8]) == _THIN:
        raise LimitError("A thin archive only points to files elsewhere; it cannot be compared.")
    cutter, labels = Cutter(name, data), Labels()
    cutter.add("magic", 0, len(MAGIC))
    entries: dict[str, Entry] = {}
    at, long_names = len(MAGIC), b""
    while at < len(data):
        header = bytes(data[at : at + _HEADER])
        size = _size(header)
        if size is None or at + _HEADER + size > len(data):
            break
        label = labels.take(_name(header[:16], long_names, at))
        entry = Entry(label, at, at + _HEADER, size)
        entries[f"member[{label}]"] = entry
        _member(cutter, entry, identity)
        if label == "//":
            long_names = bytes(data[entry.start : entry.start + size])
        at = entry.start + size
        if size % 2 and at < len(data):
            cutter.add(f"member[{label}].pad", at, 1, "header.pad")
            at += 1
        if len(entries) > limits.MEMBERS:
            raise LimitError(f"An archive of more than {limits.MEMBERS} members.")
    cutter.add("tail", at, len(data) - at)
    return cutter.finish(Info(entries))


def _member(cutter: Cutter, entry: Entry, identity: str) -> None:
    prefix, at = f"member[{entry.label}]", entry.offset
    cutter.add(f"{prefix}.name", at, 16, "header.name")
    cutter.add(f"{prefix}.mtime", at + 16, 12, "header.mtime")
    cutter.add(f"{prefix}.uid", at + 28, 6, f"{identity}.uid")
    cutter.add(f"{prefix}.gid", at + 34, 6, f"{identity}.gid")
    cutter.add(f"{prefix}.mode", at + 40, 8, f"{identity}.mode")
    cutter.add(f"{prefix}.size", at + 48, 10, "header.size")
    cutter.add(f"{prefix}.magic", at + 58, 2, "header.magic")
    if entry.label in _INDEXES:
        cutter.add(f"{prefix}.index", entry.start, entry.size, "index")
    elif entry.label == "//":
        cutter.add(f"{prefix}.names", entry.start, entry.size, "names")
    else:
        member = entry.label
        cutter.add(f"{prefix}.data", entry.start, entry.size, "data", member, "stored")


def _size(header: bytes) -> int | None:
    """The size field; None where this is no header."""
    if len(header) < _HEADER or header[58:] != _END:
        return None
    found = _DECIMAL.match(header[48:58])
    return int(found.group(1)) if found else None


def _name(field: bytes, long_names: bytes, at: int) -> str:
    """The member's name: `name/`, `/offset` into the long names, or a special one."""
    name = field.rstrip(b" ")
    if name.startswith(b"#1/"):
        raise LimitError("An archive with BSD long names; only the GNU variant is understood.")
    if name in {b"/", b"//", b"/SYM64/"}:
        return name.decode("ascii")
    if name.startswith(b"/"):
        return text(_long(name[1:], long_names, at))
    return text(name.removesuffix(b"/"))


def _long(digits: bytes, names: bytes, at: int) -> bytes:
    start = int(digits) if digits.isdigit() else len(names)
    end = names.find(b"\n", start)
    if start >= len(names) or end < 0:
        raise ParseError("A long name points outside the table of names", at)
    return names[start:end].removesuffix(b"/")


FOLLOWS = frozenset({"header.size", "header.pad", "index"})
FORMAT = Format("ar", magic.ar, layout, container=True, follows=FOLLOWS)
