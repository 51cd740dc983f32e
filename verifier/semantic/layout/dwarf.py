"""Source file and line of an address, from DWARF line programs (DWARF 5, 6.2; versions 2 to 5).

Only names for people come from here: nothing is decided by what debug information says.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import ParseError
from verifier.semantic.layout.frames import Cursor
from verifier.semantic.layout.program import Piece

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.content import Buffer

_LARGEST = 32 * limits.MIB  # bytes of line programs that are run
_ROWS_MOST = 4_000_000
_STRING, _UDATA, _DATA16, _STRP, _LINE_STRP, _BLOCK = 0x08, 0x0F, 0x1E, 0x0E, 0x1F, 0x09
_DATA = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8}
_PATH, _DIRECTORY = 1, 2
_EXTENDED, _COPY, _ADVANCE, _LINE, _FILE, _LEAP, _FIXED = 0, 1, 2, 3, 4, 8, 9


class Lines:
    """Looks addresses up; `at` gives `deflate.c:1834`, or nothing."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, int]] = []
        self.starts: list[int] = []

    def at(self, address: int) -> str:
        """The file's last part and the line, empty where no program covers the address."""
        index = bisect_right(self.starts, address) - 1
        if index < 0 or not self.rows[index][2]:
            return ""
        index = bisect_left(self.starts, self.starts[index])
        return f"{self.rows[index][1].rpartition('/')[2]}:{self.rows[index][2]}"


class _Header(NamedTuple):
    version: int
    shortest: int
    statement: bool
    base: int
    width: int
    special: int
    sizes: tuple[int, ...]
    files: list[str]


def lines(sections: Mapping[str, Buffer]) -> Lines:
    """All line programs of an image; none where it has none, or more than anybody reads.

    `sections` are contents by name (`.debug_line`, `.debug_line_str`, `.debug_str`).
    """
    found = Lines()
    data = sections.get(".debug_line")
    if data is None or len(data) > _LARGEST:
        return found
    at = 0
    try:
        while at + 4 <= len(data):
            at = _unit(data, at, sections, found.rows)
    except ParseError:
        pass  # names for people: what could be read is enough
    found.rows.sort(key=itemgetter(0))
    found.starts = [row[0] for row in found.rows]
    return found


def _unit(
    data: Buffer, start: int, sections: Mapping[str, Buffer], rows: list[tuple[int, str, int]]
) -> int:
    """Run one program; returns where the next one begins."""
    cursor = Cursor(Piece(".debug_line", 0, len(data), data), start, len(data))
    length = cursor.number(4)
    if length >= 0xFFFFFFF0 or cursor.at + length > len(data):
        raise ParseError("A line program leaves its section", start)
    end = cursor.end = cursor.at + length
    header = _header(cursor, sections)
    _run(cursor, header, rows)
    return end


def _header(cursor: Cursor, sections: Mapping[str, Buffer]) -> _Header:
    version = cursor.number(2)
    if not 2 <= version <= 5:
        raise ParseError(f"A line program has version {version}", cursor.at)
    if version == 5:
        cursor.take(2)
    size = cursor.number(4)
    after = cursor.at + size
    shortest = cursor.number(1)
    if version >= 4:
        cursor.take(1)
    statement, base = bool(cursor.number(1)), cursor.number(1, signed=True)
    width, special = cursor.number(1), cursor.number(1)
    sizes = tuple(cursor.take(max(special - 1, 0)))
    files = _files(cursor, sections) if version == 5 else _old_files(cursor)
    cursor.at = after
    if not width:
        raise ParseError("A line program has no range of lines", cursor.at)
    return _Header(version, shortest, statement, base, width, special, sizes, files)


def _old_files(cursor: Cursor) -> list[str]:
    while cursor.data[cursor.at]:
        cursor.text()
    cursor.take(1)
    files = [""]
    while cursor.data[cursor.at]:
        files.append(cursor.text().decode("utf-8", "replace"))
        for _ in range(3):
            cursor.uleb()
    cursor.take(1)
    return files


def _files(cursor: Cursor, sections: Mapping[str, Buffer]) -> list[str]:
    found: list[str] = []
    for _table in (_DIRECTORY, _PATH):
        shape = [(cursor.uleb(), cursor.uleb()) for _ in range(cursor.number(1))]
        found = []
        for _ in range(min(cursor.uleb(), _ROWS_MOST)):
            name = ""
            for kind, form in shape:
                value = _value(cursor, form, sections)
                name = value if kind == _PATH else name
            found.append(name)
    return found


def _value(cursor: Cursor, form: int, sections: Mapping[str, Buffer]) -> str:
    if form == _STRING:
        return cursor.text().decode("utf-8", "replace")
    if form in (_STRP, _LINE_STRP):
        table = sections.get(".debug_str" if form == _STRP else ".debug_line_str")
        at = cursor.number(4)
        raw = bytes(table[at : at + 1024]) if table is not None else b""
        return raw.partition(b"\0")[0].decode("utf-8", "replace")
    if form == _UDATA:
        cursor.uleb()
    elif form == _BLOCK:
        cursor.take(cursor.uleb())
    elif form == _DATA16:
        cursor.take(16)
    elif form in _DATA:
        cursor.take(_DATA[form])
    else:
        raise ParseError(f"A line program uses the form {form:#x}", cursor.at)
    return ""


def _run(cursor: Cursor, header: _Header, rows: list[tuple[int, str, int]]) -> None:
    """The state machine (6.2.5): a row for each address with a line, an empty one at an end."""
    raw = bytes(cursor.data[: cursor.end])
    at, end = cursor.at, cursor.end
    special, width, base, shortest = header.special, header.width, header.base, header.shortest
    leap = (255 - special) // width * shortest
    address, line, name = 0, 1, _name(header, 1)
    while at < end:
        code = raw[at]
        at += 1
        if code >= special:
            step = code - special
            address += step // width * shortest
            line += base + step % width
            rows.append((address, name, line))
        elif code == _COPY:
            rows.append((address, name, line))
        elif code == _LEAP:
            address += leap
        elif code == _EXTENDED:
            cursor.at = at
            value = _extended(cursor)
            at = cursor.at
            if value is None:
                rows.append((address, "", 0))
                address, line, name = 0, 1, _name(header, 1)
            elif value >= 0:
                address = value
        else:
            cursor.at = at
            forward, down, file = _standard(cursor, header, code)
            address, line, at = address + forward, line + down, cursor.at
            name = name if file is None else _name(header, file)
        if len(rows) > _ROWS_MOST:
            raise ParseError("Line programs have too many rows", at)


def _standard(cursor: Cursor, header: _Header, code: int) -> tuple[int, int, int | None]:
    """What a standard opcode with operands adds to address and line, and the file it sets."""
    if code == _ADVANCE:
        return cursor.uleb() * header.shortest, 0, None
    if code == _LINE:
        return 0, cursor.sleb(), None
    if code == _FILE:
        return 0, 0, cursor.uleb()
    if code == _FIXED:
        return cursor.number(2), 0, None
    for _ in range(header.sizes[code - 1] if code <= len(header.sizes) else 0):
        cursor.uleb()
    return 0, 0, None


def _extended(cursor: Cursor) -> int | None:
    """An extended opcode: the address it sets, None at the end of a sequence, -1 for others."""
    size = cursor.uleb()
    raw = cursor.take(size)
    if raw[:1] == b"\x01":
        return None
    return int.from_bytes(raw[1:], "little") if raw[:1] == b"\x02" else -1


def _name(header: _Header, number: int) -> str:
    return header.files[number] if number < len(header.files) else ""
