"""Lines of databases that tests of changes begin with."""

from __future__ import annotations

from tests.unit.sigdb.clamav.engine import MD5, ONE

A, B = b"aabbccddeeff0011", b"0123456789abcdef"
CERT = b"%s;%s;" + b"a" * 40 + b";" + b"b" * 40 + b";aabbcc;010001;1;0;1;;note\n"
REGEX_LDB = b"T;Engine:81-255,Target:0;0&1;aabbcc;0/abc/i\n"


def hash_line(size: bytes = b"10", tail: bytes = b"", name: bytes = b"T") -> bytes:
    """A hash signature."""
    return MD5 + b":" + size + b":" + name + tail + b"\n"


def ndb_line(line: bytes = b"T:0:*:" + A) -> bytes:
    """A body signature."""
    return line + b"\n"


def ldb_line(
    attributes: bytes = b"Engine:51-255,Target:0", rest: bytes = b"0|1;aabbcc;ddeeff"
) -> bytes:
    """A logical signature."""
    return b"T;" + attributes + b";" + rest + b"\n"


KEEP = b"Kept:0:*:" + ONE + b"\n"
