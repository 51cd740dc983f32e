"""Scripts of updates, replayed on the files of a database (libclamav_rust/src/cdiff.rs).

Stricter than the engine, which loses what stands behind a second space, takes
the last of two edits of one line, and drops what is never closed: those are
errors here. Prefixes are checked as the engine does; they are weak (at most 16
characters), so only the result's own list says that a replay was right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats.base import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(rb"[A-Za-z0-9.]{1,100}\Z")
_LARGEST = limits.WORKER_MEMORY // 2  # bytes of all files together


def replay(files: Mapping[str, bytes], script: bytes) -> dict[str, bytes]:
    """The files after the script.

    Raises:
        ParseError: a line is malformed, or does not fit the files; names the line.
        LimitError: the result is too large.
    """
    player = _Player(dict(files))
    if script and not script.endswith(b"\n"):
        raise ParseError("The last line of the script has no end")
    for number, line in enumerate(script.split(b"\n")[:-1], 1):
        if line.startswith(b"#"):
            continue
        verb, _, rest = line.partition(b" ")
        act = player.verbs.get(verb)
        if act is None:
            raise ParseError(f"Line {number} of the script has the unknown verb {text(verb, 20)}")
        try:
            act(rest)
        except ParseError as error:
            raise ParseError(f"Line {number} of the script ({text(verb)}): {error}") from error
    if player.name is not None:
        raise ParseError(f"The script ends before it closes {player.name}")
    return player.files


class _Player:
    """The files, and what was asked of the one that is open."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.name: str | None = None
        self._size = sum(map(len, files.values()))
        self._edits: dict[int, tuple[bytes, bytes | None]] = {}
        self._added: list[bytes] = []
        self.verbs: dict[bytes, Callable[[bytes], None]] = {
            b"OPEN": self._open,
            b"ADD": self._add,
            b"DEL": self._delete,
            b"XCHG": self._exchange,
            b"MOVE": self._move,
            b"CLOSE": self._close,
            b"UNLINK": self._unlink,
        }

    def _open(self, rest: bytes) -> None:
        self._must_be_closed()
        self.name = _name(rest)

    def _add(self, rest: bytes) -> None:
        self._must_be_open()
        self._grow(len(rest) + 1)
        self._added.append(rest + b"\n")

    def _delete(self, rest: bytes) -> None:
        number, prefix = _words(rest, 2)
        self._edit(number, prefix, None)

    def _exchange(self, rest: bytes) -> None:
        parts = rest.split(b" ", 2)
        if len(parts) != 3:
            raise ParseError("it lacks a word")
        self._grow(len(parts[2]))
        self._edit(parts[0], parts[1], parts[2])

    def _edit(self, number: bytes, prefix: bytes, line: bytes | None) -> None:
        self._must_be_open()
        place = _number(number)
        if place in self._edits:
            raise ParseError("the line is changed twice")
        self._edits[place] = prefix, line

    def _close(self, rest: bytes) -> None:
        if rest:
            raise ParseError("words follow it")
        name = self._must_be_open()
        data = self.files.get(name, b"")
        if self._edits:
            data = self._edited(name, data)
        if self._added or name in self.files:
            self.files[name] = data + b"".join(self._added)
        self.name = None
        self._edits.clear()
        self._added.clear()

    def _edited(self, name: str, data: bytes) -> bytes:
        lines = data.split(b"\n")
        if lines.pop() or not lines:
            raise ParseError(f"the last line of {name} has no end, or there is none")
        kept: list[bytes | None] = list(lines)
        for number, (prefix, line) in self._edits.items():
            if number > len(lines) or not lines[number - 1].startswith(prefix):
                raise ParseError(f"line {number} of {name} is not the one to be changed")
            kept[number - 1] = line
        return b"".join(line + b"\n" for line in kept if line is not None)

    def _move(self, rest: bytes) -> None:
        self._must_be_closed()
        words = _words(rest, 6)
        source, target = _name(words[0]), _name(words[1])
        first, last = _number(words[2]), _number(words[4])
        if source == target or source not in self.files or target not in self.files:
            raise ParseError("it needs two files that are there")
        lines = self.files[source].split(b"\n")
        ends = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        if not first < last <= len(ends):
            raise ParseError("the lines to be moved are not there")
        if not ends[first - 1].startswith(words[3]) or not ends[last - 1].startswith(words[5]):
            raise ParseError(f"the lines of {source} are not those to be moved")
        self.files[target] += b"".join(ends[first - 1 : last])
        self.files[source] = b"".join(ends[: first - 1] + ends[last:])

    def _unlink(self, rest: bytes) -> None:
        self._must_be_closed()
        name = _name(rest)
        if self.files.pop(name, None) is None:
            raise ParseError(f"{name} is not there")

    def _must_be_closed(self) -> None:
        if self.name is not None:
            raise ParseError(f"{self.name} is still open")

    def _must_be_open(self) -> str:
        if self.name is None:
            raise ParseError("no file is open")
        return self.name

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > _LARGEST:
            raise LimitError(f"An update makes files of more than {_LARGEST} bytes.")


def _words(rest: bytes, count: int) -> list[bytes]:
    words = rest.split(b" ")
    if len(words) != count:
        raise ParseError(f"it has {len(words)} words instead of {count}")
    return words


def _name(raw: bytes) -> str:
    if not _NAME.match(raw) or raw.strip(b".") == b"":
        raise ParseError(f"{text(raw, 40)} is no name of a file")
    return raw.decode()


def _number(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 10 or int(raw) == 0:
        raise ParseError(f"{text(raw, 20)} is no line number")
    return int(raw)
