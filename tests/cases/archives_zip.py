"""Cases of zip archives, and of the lists of digests in wheels and packages."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.cases import archive_build as make
from tests.cases.archive_build import TEXT, put

if TYPE_CHECKING:
    from collections.abc import Callable


def zip_around(body: bytes, data: bytes, extra: bytes = b"") -> bytes:
    """A zip with the member `a`, whose data are `body`; deflated if they are not the payload."""
    method = b"\0" if body == data else b"\x08"
    one = b"PK\x03\x04\x14\0\0\0" + method + b"\0\0\0!\0"
    sizes = struct.pack("<III", zlib.crc32(data), len(body), len(data))
    local = one + sizes + struct.pack("<HH", 1, len(extra)) + b"a" + extra + body
    entry = b"PK\x01\x02\x14\0\x14\0\0\0" + method + b"\0\0\0!\0" + sizes
    entry += struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    return (
        local
        + entry
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)
    )


def _zip_times() -> tuple[bytes, bytes]:
    return make.zipped(0), make.zipped(1)


def _zip_at(
    mark: bytes, offset: int, value: bytes, build: Callable[[], tuple[bytes, bytes]]
) -> tuple[bytes, bytes]:
    """Another value at `offset` from the first record with that mark."""
    one, other = build()
    return put(one, one.index(mark) + offset, value), other


def _zip_grown() -> tuple[bytes, bytes]:
    """Payloads of other lengths and checksums: equivalent gzip files, before some texts."""
    files = [{"x.gz": make.gz(TEXT, level)} for level in (1, 9)]
    return make.zipped(0, **files[0]), make.zipped(0, **files[1])


def _streamed() -> tuple[bytes, bytes]:
    return make.streamed_zip(0, 1), make.streamed_zip(1, 9)


def _extra(time: int) -> tuple[bytes, bytes]:
    block = b"UT\x05\0\x01"
    return tuple(zip_around(TEXT, TEXT, block + struct.pack("<I", each)) for each in (time, 1))


_WRONG = b"m\0\0\0"  # small: a size that is far too large is refused as a bomb
_FIELDS = {"crc": (14, 16, 4), "compressed-size": (18, 20, 8), "size": (22, 24, 12)}
ZIP = [
    ("zip.local-time", "another time", "", _zip_times),
    (
        "zip.local-time",
        "differs from the directory's",
        "member[a.txt].time",
        lambda: _zip_at(b"PK\x03\x04", 10, b"\x01", _zip_times),
    ),
    ("zip.central-time", "another time", "", _zip_times),
    (
        "zip.central-time",
        "differs from the local one",
        "central[a.txt].time",
        lambda: _zip_at(b"PK\x01\x02", 12, b"\x01", _zip_times),
    ),
    *(
        (f"zip.{view}-{name}", "follows the payload", "", _zip_grown)
        for view in ("local", "central")
        for name in _FIELDS
    ),
    *((f"zip.descriptor-{name}", "follows the payload", "", _streamed) for name in _FIELDS),
    *(
        (
            f"zip.local-{name}",
            "wrong",
            f"member[a.txt].{name}",
            lambda at=at: _zip_at(b"PK\x03\x04", at, _WRONG, _zip_times),
        )
        for name, (at, _, _) in _FIELDS.items()
    ),
    *(
        (
            f"zip.descriptor-{name}",
            "wrong",
            f"member[x.gz].descriptor-{name}",
            lambda at=at: _zip_at(b"PK\x07\x08", at, _WRONG, _streamed),
        )
        for name, (_, _, at) in _FIELDS.items()
    ),
    *(
        (
            f"zip.central-{name}",
            "wrong",
            f"central[a.txt].{name}",
            lambda at=at: _zip_at(b"PK\x01\x02", at, _WRONG, _zip_times),
        )
        for name, (_, at, _) in _FIELDS.items()
        if name != "compressed-size"
    ),
    (
        "zip.central-compressed-size",
        "differs from the local one",
        "member[a.txt].compressed-size",
        lambda: _zip_at(b"PK\x03\x04", 18, _WRONG, _zip_times),
    ),
    ("zip.extra-time", "another time", "", lambda: _extra(1_700_000_000)),
    ("zip.extra-time", "beyond the window", "member[a].extra-5455", lambda: _extra(0xFFFFFFFF)),
    ("zip.central-offset", "members that moved", "", _zip_grown),
    (
        "zip.central-offset",
        "wrong",
        "central[a.txt].offset",
        lambda: _zip_at(b"PK\x01\x02", 42, _WRONG, _zip_times),
    ),
    ("zip.end-offset", "members that moved", "", _zip_grown),
    (
        "zip.end-offset",
        "wrong",
        "end.offset",
        lambda: _zip_at(b"PK\x05\x06", 16, _WRONG, _zip_times),
    ),
]


LISTS = [
    ("wheel.record-digest", "follows the member", "", lambda: (make.wheel(0), make.wheel(1))),
    (
        "wheel.record-digest",
        "wrong",
        "row[p/data.gz].digest",
        lambda: (make.wheel(0, lie="digest"), make.wheel(1)),
    ),
    ("wheel.record-size", "follows the member", "", lambda: (make.wheel(0, 1), make.wheel(1, 9))),
    (
        "wheel.record-size",
        "wrong",
        "row[p/data.gz].size",
        lambda: (make.wheel(0, 1, lie="size"), make.wheel(1, 9)),
    ),
    (
        "deb.md5sums-digest",
        "follows the member",
        "",
        lambda: (make.deb(0, level=1), make.deb(1, level=9)),
    ),
    (
        "deb.md5sums-digest",
        "of another member",
        "line[doc/a.gz].digest",
        lambda: (_sums_lie(), make.deb(1, level=9)),
    ),
]


def _sums_lie() -> bytes:
    """The members of one package beside the md5sums of another."""
    one, other = make.deb(0, level=1), make.deb(0, level=6)
    data = one[one.index(b"data.tar.xz") :]
    return other[: other.index(b"data.tar.xz")] + data
