"""The entries of a stream as records: one for each threat, and one for each entry that allows.

Entries are told by their types (`getsigtype` of the engine's debug build, as the
write-ups list it); their values are compared whole, not read. Between
THREAT_BEGIN and THREAT_END their order means nothing, unless a VERSIONCHECK,
which holds for what follows it, is among them.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.sigdb.base import Effect, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verifier.sigdb.vdm.rmdx import Entry

BEGIN, END, CHECK = 0x5C, 0x5D, 0x7A
ALLOWING = {
    107: "WVT_EXCEPTION", 112: "TRUSTED_PUBLISHER", 136: "UFSP_DISABLE",
    160: "FRIENDLYFILE_SHA256", 161: "FRIENDLYFILE_SHA512", 193: "CLEANSTORE_RULE",
}  # fmt: skip
_NAMES = {
    88: "DEFAULTS", 91: "DBVAR", 94: "FILENAME", 95: "FILEPATH", 97: "PEHSTR", 103: "STATIC",
    115: "DELTA_BLOB", 116: "DELTA_BLOB_RECINFO", 120: "PEHSTR_EXT", 122: "VERSIONCHECK",
    126: "SNID", 128: "KCRCE", 133: "PEHSTR_EXT2", 140: "ELFHSTR_EXT", 163: "VDM_METADATA",
    189: "LUASTANDALONE", **ALLOWING,
}  # fmt: skip
_SHOWN = 64  # bytes of a value; of longer ones the digest
_HEAD = 12  # of a THREAT_BEGIN: id, six bytes, length of the name
_MOST = 2 * limits.MEMBERS_TOTAL  # entries of one stream
_CHECKS = 1000  # version checks within each other
_Body = tuple[tuple[str, str], ...]


class _Reader:
    """Groups the entries of one stream."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.threat: list[Entry] = []
        self.opened: _Body = ()  # the checks that held where the threat began
        self.checks: list[bytes] = []

    def take(self, entry: Entry) -> Iterator[Record]:
        """The records that an entry completes."""
        if entry.kind == CHECK:
            self._check(entry)
        if entry.kind in ALLOWING:
            yield self._allowing(entry)
        elif entry.kind == BEGIN:
            self._begin(entry)
        elif entry.kind == END:
            yield self._end(entry)
        elif self.threat:
            self.threat.append(entry)
        elif entry.kind != CHECK:
            body = (*self._gate(), ("value", _value(entry.value)))
            name = f"{_kind(entry.kind)} {_value(entry.value)}"
            yield Record("outside of threats", name, body, Effect.SETTING, self._place(entry))

    def finish(self) -> None:
        """ParseError if a threat was left open."""
        if self.threat:
            raise ParseError("The stream ends inside a threat", self.threat[0].offset)

    def _place(self, entry: Entry) -> tuple[str, int, int]:
        return self.path, entry.offset, 4 + len(entry.value)

    def _gate(self) -> _Body:
        return tuple(("only for", value.hex()) for value in self.checks)

    def _check(self, entry: Entry) -> None:
        """A check of zeros ends the last one."""
        if len(entry.value) != 8 or len(self.checks) > _CHECKS:
            raise ParseError("A version check of another size than 8, or too deep", entry.offset)
        if entry.value.strip(b"\0"):
            self.checks.append(entry.value)
        elif self.checks:
            self.checks.pop()

    def _allowing(self, entry: Entry) -> Record:
        within = _name(self.threat[0]) if self.threat else "no threat"
        value = _value(entry.value)
        body = (*self._gate(), ("value", value), ("of", within))
        return Record(ALLOWING[entry.kind], value, body, Effect.ALLOW, self._place(entry))

    def _begin(self, entry: Entry) -> None:
        if self.threat:
            raise ParseError("A threat begins inside another", entry.offset)
        self.threat, self.opened = [entry], self._gate()

    def _end(self, entry: Entry) -> Record:
        if not self.threat or entry.value != self.threat[0].value[:4]:
            raise ParseError("A threat ends that did not begin", entry.offset)
        place = (self.path, self.threat[0].offset, 0)
        threat, self.threat = self.threat, []
        return _threat(threat, self.opened, place)


def records(entries: Iterable[Entry], path: str) -> Iterator[Record]:
    """The records of a stream; ParseError where threats are nested, cut short or cross."""
    reader = _Reader(path)
    for number, entry in enumerate(entries):
        if number > _MOST:
            raise LimitError("A Defender database of too many entries.")
        yield from reader.take(entry)
    reader.finish()


def _threat(threat: list[Entry], gate: _Body, place: tuple[str, int, int]) -> Record:
    begin = threat[0]
    name = _name(begin)
    items = [(_kind(entry.kind), _value(entry.value)) for entry in threat[1:]]
    if not any(entry.kind == CHECK for entry in threat):
        items.sort()
    # The name stays as it is: what its first bytes abbreviate is not documented.
    (length,) = struct.unpack_from("<H", begin.value, _HEAD - 2)
    about = ("threat", begin.value[4 : _HEAD - 2].hex() + begin.value[_HEAD + length :].hex())
    return Record("threat", name, (*gate, about, *items), Effect.DETECT, place)


def _name(begin: Entry) -> str:
    """`Agent.A (0x63c)`."""
    if len(begin.value) < _HEAD:
        raise ParseError("A threat without a name", begin.offset)
    identifier, length = struct.unpack_from("<I6xH", begin.value)
    name = begin.value[_HEAD : _HEAD + length]
    if len(name) != length:
        raise ParseError("A threat whose name is cut short", begin.offset)
    return f"{name.decode('latin-1')} ({identifier:#x})"


def _kind(kind: int) -> str:
    return _NAMES.get(kind, f"type {kind}")


def _value(value: bytes) -> str:
    if len(value) <= _SHOWN:
        return value.hex()
    return f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}"
