"""Cases of the rules of archives and compressed streams."""

from __future__ import annotations

import bz2
import lzma
import struct
import tarfile
import zlib
from typing import TYPE_CHECKING, Literal

import zstandard

from tests.cases import Case
from tests.cases import archive_build as make
from tests.cases.archive_build import TEXT, put, rehash
from tests.cases.archives_zip import LISTS, ZIP, zip_around

if TYPE_CHECKING:
    from collections.abc import Callable

PAX = tarfile.PAX_FORMAT
PNAME = "member[bin/tool]"


def cases() -> list[Case]:
    """All of them."""
    rows = [*AR, *TAR, *GZIP, *STREAMS, *ZIP, *LISTS]
    return [Case(rule, name, build, *_expected(where)) for rule, name, where, build in rows]


def _expected(where: str) -> tuple[Literal["settled", "caught"], str]:
    return ("caught", where) if where else ("settled", "")


def _ar(**changes: object) -> bytes:
    return make.ar({"a": b"123", "b": TEXT}, **changes)


def _ar_field(at: int, value: bytes) -> tuple[bytes, bytes]:
    return put(_ar(mtime=5), 8 + at, value), _ar()


def _libraries() -> tuple[bytes, bytes]:
    return make.library(make.gz(TEXT, 1)), make.library(make.gz(TEXT, 9))


def _index_swapped() -> tuple[bytes, bytes]:
    one, other = _libraries()
    at = 8 + 60 + 4
    return put(one, at, one[at + 4 : at + 8] + one[at : at + 4]), other


def _ar_grown(change: Callable[[bytes], bytes] = lambda data: data) -> tuple[bytes, bytes]:
    one, other = (make.ar({"a.gz": _odd(level), "b": TEXT}) for level in (1, 9))
    return change(one), other


def _odd(level: int) -> bytes:
    return make.gz(_common(), level)


def _common() -> bytes:
    """A text whose gzip has odd length at level 1, even length at level 9."""
    text = TEXT
    while len(make.gz(text, 1)) % 2 == 0 or len(make.gz(text, 9)) % 2:
        text += b"%d" % len(text)
    return text


AR = [
    ("ar.mtime", "another time", "", lambda: (_ar(mtime=1_700_000_000), _ar(mtime=1_600_000_000))),
    ("ar.mtime", "a text", "member[a].mtime", lambda: _ar_field(16, b"marker      ")),
    ("ar.uid", "another user", "", lambda: (_ar(owner=1000), _ar())),
    ("ar.uid", "a text", "member[a].uid", lambda: _ar_field(28, b"marker")),
    ("ar.gid", "another group", "", lambda: (_ar(owner=1000), _ar())),
    ("ar.gid", "a text", "member[a].gid", lambda: _ar_field(34, b"marker")),
    ("ar.mode", "another umask", "", lambda: (_ar(mode=b"100664"), _ar())),
    ("ar.mode", "set-user-ID", "member[a].mode", lambda: _ar_field(40, b"104755  ")),
    ("ar.size", "a member compressed otherwise", "", _ar_grown),
    (
        "ar.size",
        "a leading zero",
        "member[a.gz].size",
        lambda: _ar_grown(lambda data: put(data, 56, b"%-10s" % (b"0" + data[56:66].strip()))),
    ),
    ("ar.pad", "a length that turned odd", "", _ar_grown),
    (
        "ar.pad",
        "another byte",
        "member[a.gz].pad",
        lambda: _ar_grown(lambda data: put(data, 68 + len(make.gz(_common(), 1)), b"X")),
    ),
    ("ar.index", "members that moved", "", _libraries),
    ("ar.index", "two symbols swapped", "member[/].index", _index_swapped),
]


def _tar(at: int, value: bytes, **changes: object) -> tuple[bytes, bytes]:
    """Another value in the header of `bin/tool`, with the checksum made right."""
    data = make.tar(0, **changes)
    start = make.header_of(data, b"bin/tool")
    return rehash(put(data, start + at, value), start), make.tar(1, **changes)


def _pax_pair(key: str, shipped: str, rebuilt: str) -> tuple[bytes, bytes]:
    return tuple(make.tar(0, PAX, pax={key: value}) for value in (shipped, rebuilt))


def _tar_grown(
    change: Callable[[bytes, int], bytes] = lambda data, _at: data,
) -> tuple[bytes, bytes]:
    data = make.tar(level=1)
    return change(data, make.header_of(data, b"doc/a.gz")), make.tar(level=9)


def _ended(blocks: int, last: bytes = b"\0") -> tuple[bytes, bytes]:
    data = make.tar()
    short = data.rstrip(b"\0")
    short += bytes(-len(short) % 512)
    return short + bytes(512 * blocks - 1) + last, data


def _owned(number: bytes, name: bytes = b"") -> tuple[bytes, bytes]:
    number_only = {"owner": 1000} if number else {"user": "bob"}
    data, rebuilt = make.tar(**number_only), make.tar()
    at = make.header_of(data, b"doc/b")
    data = put(data, at + 108, number) if number else data
    return rehash(put(data, at + 265, name) if name else data, at), rebuilt


def _builders() -> tuple[bytes, bytes]:
    return make.tar(owner=1000, user="bob"), make.tar()


def _special() -> tuple[bytes, bytes]:
    return make.tar(mode=0o2755, owner=1000), make.tar(mode=0o2755)


def _pax_lie() -> tuple[bytes, bytes]:
    """Both files carry the PAX size; only the shipped ustar size says otherwise."""
    size = str(len(TEXT))
    one, other = (make.tar(which, PAX, pax={"size": size}) for which in (0, 1))
    at = make.header_of(one, b"bin/tool")
    return rehash(put(one, at + 124, b"%011o" % 512), at), other


TAR = [
    ("tar.mtime", "another time", "", lambda: (make.tar(0), make.tar(1))),
    ("tar.mtime", "beyond the window", f"{PNAME}.mtime", lambda: _tar(136, b"7" * 11)),
    ("tar.chksum", "follows the time", "", lambda: (make.tar(0), make.tar(1))),
    (
        "tar.chksum",
        "wrong",
        f"{PNAME}.chksum",
        lambda: (put(make.tar(0), 148, b"000001\0 "), make.tar(1)),
    ),
    ("tar.size", "a member compressed otherwise", "", _tar_grown),
    (
        "tar.size",
        "PAX says another size",
        "member[bin/tool].size",
        _pax_lie,
    ),
    ("tar.padding", "a member compressed otherwise", "", _tar_grown),
    (
        "tar.padding",
        "a byte in it",
        "member[doc/a.gz].padding",
        lambda: _tar_grown(lambda data, at: put(data, at + 512 + len(make.gz(TEXT, 1)), b"X")),
    ),
    ("tar.end", "two blocks and a record", "", lambda: _ended(2)),
    ("tar.end", "a byte in it", "end", lambda: _ended(2, b"X")),
    *(
        row
        for key in ("mtime", "atime", "ctime")
        for row in (
            (
                f"tar.pax-{key}",
                "another time",
                "",
                lambda key=key: _pax_pair(key, "1700000000.5", "1600000000.25"),
            ),
            (
                f"tar.pax-{key}",
                "no plain number",
                f"pax[bin/tool].{key}",
                lambda key=key: _pax_pair(key, "17000000000x5", "1600000000.25"),
            ),
        )
    ),
    ("tar.uid", "another builder", "", _builders),
    ("tar.uid", "for one member", "member[doc/b].uid", lambda: _owned(b"0000777\0")),
    ("tar.gid", "another builder", "", _builders),
    ("tar.gid", "with set-group-ID", f"{PNAME}.gid", _special),
    ("tar.uname", "another builder", "", _builders),
    ("tar.uname", "for one member", "member[doc/b].uname", lambda: _owned(b"", b"eve\0")),
    ("tar.gname", "another builder", "", _builders),
    ("tar.gname", "no plain name", f"{PNAME}.gname", lambda: _tar(297, b"a b\0", user="bob")),
]


def _gz(at: int, value: bytes, **changes: int) -> tuple[bytes, bytes]:
    one = make.gz(TEXT, **changes)
    return put(one, at % len(one), value), make.gz(TEXT, mtime=make.TIMES[1])


def _named(name: bytes) -> tuple[bytes, bytes]:
    plain = make.gz(TEXT)
    return tuple(
        plain[:3] + b"\x08" + plain[4:10] + each + b"\0" + plain[10:] for each in (name, b"b")
    )


def _header_crc(wrong: int = 0) -> tuple[bytes, bytes]:
    def one(mtime: int, wrong: int) -> bytes:
        plain = make.gz(TEXT, mtime=mtime)
        head = plain[:3] + b"\x02" + plain[4:10]
        return head + struct.pack("<H", zlib.crc32(head) & 0xFFFF ^ wrong) + plain[10:]

    return one(make.TIMES[0], wrong), one(make.TIMES[1], 0)


def _around_tar(at: int = 0, value: bytes = b"") -> tuple[bytes, bytes]:
    one, other = (make.gz(make.tar(which)) for which in (0, 1))
    return (put(one, len(one) + at, value) if value else one), other


def _of_sizes(wrong: bytes = b"") -> tuple[bytes, bytes]:
    """Payloads of other lengths that are equivalent: tars that end in two blocks, or fill one."""
    one, other = (make.gz(data) for data in _ended(2))
    return (one[:-4] + wrong if wrong else one), other


GZIP = [
    ("gzip.mtime", "another time", "", lambda: _gz(4, struct.pack("<I", 1_700_000_000))),
    ("gzip.mtime", "beyond the window", "header.mtime", lambda: _gz(4, b"\xff" * 4)),
    ("gzip.xfl", "another level", "", lambda: _gz(8, b"\x04")),
    ("gzip.xfl", "not defined", "header.xfl", lambda: _gz(8, b"\x77")),
    ("gzip.os", "another system", "", lambda: _gz(9, b"\x03")),
    ("gzip.os", "not defined", "header.os", lambda: _gz(9, b"\x77")),
    ("gzip.name", "another name", "", lambda: _named(b"a.tmp")),
    ("gzip.name", "in a directory", "header.name", lambda: _named(b"../a")),
    ("gzip.header-crc", "follows the time", "", _header_crc),
    ("gzip.header-crc", "wrong", "header.hcrc", lambda: _header_crc(1)),
    ("gzip.crc", "follows the payload", "", _around_tar),
    ("gzip.crc", "wrong", "trailer.crc32", lambda: _around_tar(-8, b"mark")),
    ("gzip.size", "follows the payload", "", _of_sizes),
    ("gzip.size", "wrong", "trailer.isize", lambda: _of_sizes(b"mark")),
]

_FLUSHED = make.deflated_twice(TEXT), make.deflated_twice(TEXT * 10, stored=True)


def _zip_pair(body: bytes, data: bytes) -> tuple[bytes, bytes]:
    return zip_around(body, data), zip_around(zlib.compress(data, 9)[2:-4], data)


LONG = TEXT * 10
_STREAM = {"gzip": "deflate", "xz": "xz", "bzip2": "bzip2", "zstd": "zstd", "zip": "a (deflate)"}
STREAMS = [
    ("gzip.stream", "another level", "", lambda: (make.gz(TEXT, 1), make.gz(TEXT, 9))),
    (
        "gzip.stream-not-reproduced",
        "flushed within",
        "",
        lambda: (make.gz_around(_FLUSHED[0], TEXT), make.gz(TEXT)),
    ),
    (
        "xz.stream",
        "another level",
        "",
        lambda: (lzma.compress(TEXT, preset=1), lzma.compress(TEXT)),
    ),
    (
        "xz.stream-not-reproduced",
        "other settings",
        "",
        lambda: (make.xz_odd(TEXT), lzma.compress(TEXT)),
    ),
    ("bzip2.stream", "another level", "", lambda: (bz2.compress(TEXT, 1), bz2.compress(TEXT))),
    (
        "bzip2.stream-not-reproduced",
        "small blocks",
        "",
        lambda: (make.bzip2_blocks(TEXT, 3000), bz2.compress(TEXT)),
    ),
    (
        "zstd.stream",
        "another level",
        "",
        lambda: (make.program("zstd", "-1", "-c", data=TEXT), zstandard.compress(TEXT)),
    ),
    (
        "zstd.stream-not-reproduced",
        "other settings",
        "",
        lambda: (make.zstd_odd(TEXT), zstandard.compress(TEXT)),
    ),
    ("zip.stream", "another level", "", lambda: (make.zipped(level=1), make.zipped(level=9))),
    ("zip.stream-not-reproduced", "flushed within", "", lambda: _zip_pair(_FLUSHED[0], TEXT)),
    *(
        (f"{kind}.{rule}", "much longer than its payload needs", where, build)
        for rule in ("stream", "stream-not-reproduced")
        for kind, where, build in (
            ("gzip", "", lambda: (make.gz_around(_FLUSHED[1], LONG), make.gz(LONG))),
            (
                "xz",
                "",
                lambda: (
                    make.program("xz", "-0", "--block-size=64", "-c", data=LONG),
                    lzma.compress(LONG),
                ),
            ),
            ("bzip2", "", lambda: (make.bzip2_blocks(LONG, 100), bz2.compress(LONG))),
            ("zstd", "", lambda: (make.zstd_raw(LONG, 8), zstandard.compress(LONG))),
            ("zip", "", lambda: _zip_pair(_FLUSHED[1], LONG)),
        )
    ),
]
STREAMS = [
    (rule, name, _STREAM[rule.split(".")[0]] if name[:4] == "much" else where, build)
    for rule, name, where, build in STREAMS
]
