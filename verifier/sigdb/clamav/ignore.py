"""Ignore lists (ign, ign2): which signature names are switched off, from which file on.

Source: libclamav 1.4 (`readdb.c: cli_loadign`, `cli_chkign`, `cli_signorm`,
`matcher-bm.c: cli_bm_addpatt`), and clamscan 1.4.6 by measurement. The loader
keeps a pointer into its line buffer where the last MD5 stood. A later line
without MD5 is checked against whatever the buffer then holds at that place,
so the buffer is simulated here. Of several entries for one name one alone is
asked: mostly the last, see `_rank`.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record
from verifier.sigdb.clamav import text

if TYPE_CHECKING:
    from collections.abc import Iterator

_MD5 = re.compile(rb"[0-9a-fA-F]{32}")
_BUFFER = 8192
_SHORTEST = 3  # bytes of a name; blanks fill up a shorter one


class Entry(NamedTuple):
    """One ignore entry: the name, and the MD5 that the signature's line must have ("" for any)."""

    name: bytes
    md5: str
    line: bytes


def entries(raw: bytes, *, contained: bool) -> Iterator[Entry]:
    """The entries of one file, with the MD5 that each is really checked against."""
    buffer = bytearray(_BUFFER)
    carried = -1
    for line, end in _lines(raw, contained=contained):
        buffer[: len(line) + end] = line + bytes(end)
        if line.startswith(b"#"):
            continue
        tokens = line.split(b":")
        if len(tokens) > 3:
            raise ParseError("An ignore entry has more than three fields")
        if len(tokens) == 2:
            carried = len(tokens[0]) + 1
        name = tokens[2] if len(tokens) == 3 else tokens[0]
        if not name:
            raise ParseError("An ignore entry names no signature")
        buffer[: len(line)] = line.replace(b":", b"\0")
        if len(name) < _SHORTEST:
            name = name.ljust(_SHORTEST)
            buffer[:4] = name + b"\0"
        md5 = b""
        if carried >= 0:
            md5 = bytes(buffer[carried : buffer.index(0, carried)])
            if not _MD5.fullmatch(md5):
                raise ParseError(
                    "The MD5 of an ignore entry, given or left over from the line before, is none"
                )
        yield Entry(name, md5.decode().lower(), line)


def _lines(raw: bytes, *, contained: bool) -> Iterator[tuple[bytes, int]]:
    """Each line, and how many NULs the loader leaves behind it: one for each character cut off.

    ParseError for a line that does not fit the loader's buffer: its rest would be the next line.
    """
    lines = raw.split(b"\n")
    rest = lines.pop()
    ends = [1 if contained else 2] * len(lines)
    if rest and not contained:
        lines.append(rest)
        ends.append(1)
    for written, end in zip(lines, ends, strict=True):
        if len(written) > text.LINE:
            raise ParseError(f"A line is longer than {text.LINE:,} bytes")
        line = written.rstrip(b"\r")
        yield line, end + len(written) - len(line)


def record(entry: Entry) -> Record:
    """The canonical record of an entry."""
    body = (("md5", entry.md5),) if entry.md5 else ()
    name = entry.name.rstrip(b" ") if len(entry.name) == _SHORTEST else entry.name
    return Record("ign", text.decoded(name), body, Effect.IGNORE)


class Ignored:
    """All entries loaded so far. `at` tells how many had been loaded when a file was read."""

    def __init__(self) -> None:
        # By name: how many entries had been loaded, and which MD5 counts from then on.
        self._entries: dict[bytes, tuple[list[int], list[str]]] = {}
        self._ranks: dict[bytes, int] = {}
        self._blocks: set[int] = set()
        self.count = 0

    def add(self, entry: Entry) -> None:
        """Load one more entry."""
        self.count += 1
        rank = self._rank(entry.name)
        if rank > self._ranks.get(entry.name, -1):
            self._ranks[entry.name] = rank
            counts, md5s = self._entries.setdefault(entry.name, ([], []))
            counts.append(self.count)
            md5s.append(entry.md5)

    def knows(self, name: bytes) -> bool:
        """Whether any entry is about a name, whenever it was loaded."""
        return name in self._entries or normal(name) in self._entries

    def covers(self, name: bytes, line: bytes, at: int) -> bool:
        """Whether a signature is switched off that was read after `at` entries."""
        counts, md5s = self._entries.get(normal(name), ((), ()))
        place = bisect_right(counts, at)
        if not place:
            return False
        md5 = md5s[place - 1]
        return not md5 or hashlib.md5(line, usedforsecurity=False).hexdigest() == md5

    def _rank(self, name: bytes) -> int:
        """Where in the name the matcher meets the entry; it asks the one it meets last.

        Each entry is filed under the first three-byte block of its name that no
        entry uses yet, else under the first block, before those already there.
        """
        for place in range(len(name) - 2):
            block = 211 * name[place] + 37 * name[place + 1] + name[place + 2]
            if block not in self._blocks:
                self._blocks.add(block)
                return place
        return 0


def normal(name: bytes) -> bytes:
    """A signature's name as it is looked up: without `.{…}` and `.UNOFFICIAL`, at least 3 long."""
    if len(name) > 3 and name.endswith(b"}"):
        cut = name.find(b".{")
        name = name[:cut] if cut >= 0 else name
    elif name.endswith(b".UNOFFICIAL") and len(name) > 11:
        name = name[:-11]
    return name.ljust(_SHORTEST)
