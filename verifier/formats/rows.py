"""Lists of digests that a container carries of its own members: RECORD and md5sums.

They are no formats by content: their container gives them the role, and their
rules recompute each digest from the shipped member.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout, text
from verifier.formats.members import Labels

if TYPE_CHECKING:
    from verifier.content import Buffer

_ROW = re.compile(rb'("(?:[^"\r\n]|"")*"|[^",\r\n]*),([^",\r\n]*),([0-9]*)(\r?\n)')
_LINE = re.compile(rb"([0-9a-f]{32})(  )([^\r\n]+)(\n)")
_LARGEST = 64 * limits.MIB


def _whole(data: Buffer) -> bytes:
    if len(data) > _LARGEST:
        raise LimitError(f"A list of digests of more than {_LARGEST} bytes.")
    return bytes(data)


def record(data: Buffer) -> Layout:
    """RECORD of a wheel: a span for path, digest and size of each row; `rest` where none is."""
    cutter, labels, whole, at = Cutter("record", data), Labels(), _whole(data), 0
    paths: dict[str, str] = {}
    while found := _ROW.match(whole, at):
        path = found.group(1)
        if path[:1] == b'"':
            path = path[1:-1].replace(b'""', b'"')
        label = labels.take(text(path))
        prefix = f"row[{label}]"
        paths[prefix] = path.decode("utf-8", "surrogateescape")
        first, second, third = found.end(1), found.end(2), found.end(3)
        cutter.add(f"{prefix}.path", at, first + 1 - at, "row.path")
        cutter.add(f"{prefix}.digest", first + 1, second - first - 1, "row.digest")
        cutter.add(f"{prefix}.comma", second, 1, "row.comma")
        cutter.add(f"{prefix}.size", second + 1, third - second - 1, "row.size")
        cutter.add(f"{prefix}.newline", third, found.end() - third, "row.newline")
        at = found.end()
    cutter.add("rest", at, len(data) - at)
    return cutter.finish(paths)


def md5sums(data: Buffer) -> Layout:
    """md5sums of a Debian package (deb-md5sums(5)): a span for digest and path of each line."""
    cutter, labels, whole, at = Cutter("md5sums", data), Labels(), _whole(data), 0
    paths: dict[str, str] = {}
    while found := _LINE.match(whole, at):
        label = labels.take(text(found.group(3)))
        prefix = f"line[{label}]"
        paths[prefix] = found.group(3).decode("utf-8", "surrogateescape")
        cutter.add(f"{prefix}.digest", at, 32, "line.digest")
        cutter.add(f"{prefix}.path", at + 32, found.end() - at - 32, "line.path")
        at = found.end()
    cutter.add("rest", at, len(data) - at)
    return cutter.finish(paths)


RECORD = Format(
    "record",
    magic.nothing,
    record,
    families=("wheel",),
    follows=frozenset({"row.digest", "row.size"}),
)
MD5SUMS = Format(
    "md5sums", magic.nothing, md5sums, families=("deb",), follows=frozenset({"line.digest"})
)
