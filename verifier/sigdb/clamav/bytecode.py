"""Bytecode signatures (cbc): the header, the logical signature, and the code as one value.

Source: libclamav 1.4 (`bytecode.c: cli_bytecode_load`, `parseHeader`). Without
effect on a scan, and left out: timestamp, author and compiler in the header,
the declared line length (checked: no line of code exceeds it), and all from
the first source line (`S…`) on, at which the loader stops reading.
"""

from __future__ import annotations

import hashlib
import re

from verifier.errors import ParseError
from verifier.sigdb.base import File, Record
from verifier.sigdb.clamav import logical, text

_MAGIC = b"ClamBC"
_CHECK = 0x53E5493E9F3D1C30
_FORMATS = (6, 7)
_END = re.compile(rb"jb:([0-9]{1,9})")  # 42 in two nibbles, and the line length
_SHAPE = re.compile(rb"TEGD*(?:AB+)+")
_VISIBLE = re.compile(rb"[\x20-\x7e]*")
_MAX_LINE = 1 << 24
_NAME = re.compile(r"(?:\.?\{|\.\{)")


class _Header:
    """A cursor over the nibble codec of the first line."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.at = len(_MAGIC)

    def number(self) -> int:
        """`0x60|count`, then that many nibbles, the lowest first."""
        count = self._byte() - 0x60
        if not 0 <= count <= 16:
            raise ParseError("A number of the bytecode header is malformed", self.at)
        value = 0
        for place in range(count):
            value |= self._nibble() << 4 * place
        return value

    def string(self) -> bytes:
        """`|`, a length, then two nibbles a byte; the last byte is NUL."""
        if self._byte() != 0x7C:
            raise ParseError("A string of the bytecode header is malformed", self.at)
        size = self.number()
        if size > len(self.line):
            raise ParseError("A string of the bytecode header is longer than its line", self.at)
        value = bytes(self._nibble() | self._nibble() << 4 for _ in range(size))
        if value[-1:] not in {b"", b"\0"}:
            raise ParseError("A string of the bytecode header does not end", self.at)
        return value[:-1]

    def _nibble(self) -> int:
        value = self._byte()
        if value & 0xF0 != 0x60:
            raise ParseError("A nibble of the bytecode header is malformed", self.at)
        return value & 0x0F

    def _byte(self) -> int:
        if self.at >= len(self.line):
            raise ParseError("The bytecode header ends early", self.at)
        self.at += 1
        return self.line[self.at - 1]


def records(file: File) -> list[Record]:
    """The one record of a cbc file."""
    found = text.split(file, _MAX_LINE)
    if not found.lines or not found.lines[0].startswith(_MAGIC):
        raise ParseError("The file does not start as bytecode does", 0)
    body, length = _header(found.lines[0])
    code = _code(found.lines[1:], length)
    name, signature = _signature(code[0], file)
    digest = hashlib.sha256(b"\n".join(code[1:])).hexdigest()
    place = (file.path, 0, len(file.data))
    return [Record("cbc", name, (*body, *signature, ("code", digest)), place=place)]


def _header(line: bytes) -> tuple[text.Body, int]:
    header = _Header(line)
    form = header.number()
    if form not in _FORMATS:
        raise ParseError(f"Bytecode of format {form} is unknown")
    header.number()  # timestamp
    header.string()  # author
    exclude, kind, low, high, resource = (header.number() for _ in range(5))
    header.string()  # compiler
    types, functions, check = (header.number() for _ in range(3))
    end = _END.fullmatch(line, header.at)
    if check != _CHECK or end is None:
        raise ParseError("The magic numbers of the bytecode header are wrong", header.at)
    values = {"format": form, "exclude": exclude, "kind": kind, "resource": resource}
    values |= {"types": types, "functions": functions}
    body = tuple((key, str(value)) for key, value in values.items())
    return (*body, *text.interval(low, high or text.ANY_LEVEL)), int(end.group(1))


def _code(lines: list[bytes], length: int) -> list[bytes]:
    """The lines that the loader reads: the signature, then the code."""
    if length > _MAX_LINE:
        raise ParseError("The bytecode declares absurdly long lines")
    end = next((n for n, line in enumerate(lines) if n and line.startswith(b"S")), len(lines))
    code = lines[:end]
    if not code or any(len(line) > length - 2 for line in code):
        raise ParseError("A line of bytecode is longer than declared, or there is none")
    shape = b"".join(line[:1] or b"-" for line in code[1:])
    if not _SHAPE.fullmatch(shape) or not all(map(_VISIBLE.fullmatch, code)):
        raise ParseError("The lines of bytecode are not types, functions, globals and code")
    return code


def _signature(line: bytes, file: File) -> tuple[str, text.Body]:
    """The name and the fields of the logical signature; a hook has a bare name or none."""
    written = text.decoded(line)
    if ";" not in written:
        return written or text.base_name(file), (("names", written),)
    record = logical.record(written, "cbc", spare=True)
    names = _NAME.split(record.name, maxsplit=1)
    fields = tuple((name if name != "levels" else "engine", value) for name, value in record.body)
    return names[0] or record.name, (("names", record.name), *fields)
