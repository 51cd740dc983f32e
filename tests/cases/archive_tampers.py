"""Tampers of archives, marker bytes only: each must be caught at its place, alone and in pairs.

`TAMPERS` maps a name to the kind of base pair, a function from the shipped
bytes to tampered ones, and a text that the `where` of a difference contains.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable

from tests.cases import archive_build as make
from tests.cases.archive_build import put, rehash

Tamper = tuple[str, Callable[[bytes], bytes], str]

BASES: dict[str, Callable[[int], bytes]] = {
    "deb": make.deb,
    "tar": make.tar,
    "zip": make.zipped,
    "wheel": make.wheel,
    "ar": lambda which: make.ar({"a": b"odd", "b": make.TEXT}, make.TIMES[which]),
    "gzip": lambda which: make.gz(make.TEXT, mtime=make.TIMES[which]),
    "xz": lambda which: lzma.compress(make.tar(which)),
}


def _field(name: bytes, at: int, value: bytes) -> Callable[[bytes], bytes]:
    """Another value in a tar header."""

    def change(data: bytes) -> bytes:
        start = make.header_of(data, name)
        return rehash(put(data, start + at, value), start)

    return change


def _insert(name: bytes, build: Callable[[], bytes]) -> Callable[[bytes], bytes]:
    """Blocks before the header of a tar member."""

    def change(data: bytes) -> bytes:
        at = make.header_of(data, name)
        return data[:at] + build() + data[at:]

    return change


def _extended(records: bytes) -> bytes:
    info = tarfile.TarInfo("./PaxHeaders/x")
    info.type, info.size = b"x", len(records)
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


def _record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    length += len(str(length + 2))
    return b"%d %s=%s\n" % (length, key, value)


def _second(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = 6
    return info.tobuf(tarfile.GNU_FORMAT) + b"marker".ljust(512, b"\0")


def _inside(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the data archive of a package."""

    def outside(data: bytes) -> bytes:
        at = data.index(b"data.tar.xz")
        size = int(data[at + 48 : at + 58])
        rest = data[at + 60 + size + size % 2 :]
        packed = lzma.compress(change(lzma.decompress(data[at + 60 : at + 60 + size])))
        header = data[at : at + 48] + b"%-10d`\n" % len(packed)
        return data[:at] + header + packed + b"\n" * (len(packed) % 2) + rest

    return outside


def _rezip(
    change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None],
) -> Callable[[bytes], bytes]:
    """Write a zip again after changing the list of its members."""

    def outside(data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
        change(members)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for info, payload in members:
                archive.writestr(info, payload, compresslevel=9)
        return out.getvalue()

    return outside


def _symlink(members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    members[0][0].external_attr = 0o120777 << 16


def _hidden(data: bytes) -> bytes:
    """Drop the first entry of the central directory; its local part stays."""
    at, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    following = data.index(b"PK\x01\x02", at + 4)
    count = struct.unpack_from("<H", data, end + 10)[0] - 1
    tail = struct.pack("<HHI", count, count, end - following)
    return data[:at] + data[following : end + 8] + tail + data[end + 16 :]


def _doubled(data: bytes) -> bytes:
    """A second member of the first one's name, at the end, in both views."""
    at, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    name = data[30 : 30 + struct.unpack_from("<H", data, 26)[0]]
    sizes = struct.pack("<III", 0x1234, 0, 0)
    local = b"PK\x03\x04\x14\0\0\0\0\0\0\0!\0" + sizes + struct.pack("<HH", len(name), 0) + name
    entry = b"PK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0!\0" + sizes
    entry += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, at) + name
    count = struct.unpack_from("<H", data, end + 10)[0] + 1
    size = end - at + len(entry)
    tail = struct.pack("<HHII", count, count, size, at + len(local))
    return data[:at] + local + data[at:end] + entry + data[end : end + 8] + tail + data[end + 20 :]


def _gap(data: bytes) -> bytes:
    at, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    return (
        data[:at] + b"marker" + data[at : end + 16] + struct.pack("<I", at + 6) + data[end + 20 :]
    )


def _comment(data: bytes) -> bytes:
    end = data.rindex(b"PK\x05\x06")
    return data[: end + 20] + struct.pack("<H", 6) + b"marker" + data[end + 22 :]


_setuid = _field(b"bin/tool", 100, b"0004755\0")
_capability = _insert(
    b"bin/tool", lambda: _extended(_record(b"SCHILY.xattr.security.capability", b"marker"))
)

TAMPERS: dict[str, Tamper] = {
    "an extra member in a package": (
        "deb",
        lambda data: data + make.ar({"_extra": b"x"})[8:],
        "_extra",
    ),
    "bytes after the end of a package": ("deb", lambda data: data + b"marker", "tail"),
    "owner of a package's member": (
        "deb",
        lambda data: put(data, 8 + 28, b"1000  "),
        "debian-binary",
    ),
    "mode of a package's member": (
        "deb",
        lambda data: put(data, 8 + 40, b"100755  "),
        "debian-binary",
    ),
    "set-user-ID in a package": ("deb", _inside(_setuid), "bin/tool"),
    "a capability in a package": ("deb", _inside(_capability), "bin/tool"),
    "another owner in a package": ("deb", _inside(_field(b"doc/b", 108, b"0001750\0")), "doc/b"),
    "set-user-ID": ("tar", _setuid, "bin/tool"),
    "a capability": ("tar", _capability, "bin/tool"),
    "PAX size against ustar size": (
        "tar",
        _insert(b"doc/b", lambda: _extended(_record(b"size", b"4"))),
        "doc/b",
    ),
    "a second file of one name": (
        "tar",
        _insert(b"doc/link", lambda: _second("bin/tool")),
        "bin/tool",
    ),
    "a second file of one name, with ./": (
        "tar",
        _insert(b"doc/link", lambda: _second("./bin/tool")),
        "bin/tool",
    ),
    "another link target": ("tar", _field(b"doc/link", 157, b"a"), "doc/link"),
    "a hard link for a symbolic one": ("tar", _field(b"doc/link", 156, b"1"), "doc/link"),
    "bytes after the end of a tar": ("tar", lambda data: data + b"marker".ljust(512, b"\0"), "end"),
    "bytes in a tar's padding": (
        "tar",
        lambda data: put(data, 512 + len(make.TEXT), b"marker"),
        "bin/tool",
    ),
    "reserved bytes of a tar header": ("tar", _field(b"doc/b", 500, b"marker"), "doc/b"),
    "the symbolic link bit in a zip": ("zip", _rezip(_symlink), "a.txt"),
    "a hidden local entry": ("zip", _hidden, "a.txt"),
    "a second entry of one name": ("zip", _doubled, "a.txt"),
    "bytes before the central directory": (
        "zip",
        _gap,
        "after member[",
    ),
    "bytes after the end of a zip": ("zip", lambda data: data + b"marker", "tail"),
    "a comment": ("zip", _comment, "end.comment"),
    "a local name that the directory does not know": (
        "zip",
        lambda data: put(data, 30, b"m.txt"),
        "a.txt",
    ),
    "a lying RECORD": (
        "wheel",
        lambda data: data.replace(b"p/data.gz,sha256=", b"p/data.gz,sha384="),
        "p-1.dist-info/RECORD",
    ),
    "a header field that is no number": (
        "ar",
        lambda data: put(data, 8 + 16, b"marker"),
        "member[a]",
    ),
    "another padding byte": ("ar", lambda data: put(data, 8 + 60 + 3, b"X"), "member[a].pad"),
    "bytes after the end of an ar": ("ar", lambda data: data + b"marker", "tail"),
    "bytes after the end of a gzip": ("gzip", lambda data: data + b"marker", "tail"),
    "a second gzip member": ("gzip", lambda data: data + make.gz(b"marker"), "tail"),
    "bytes after the end of an xz": ("xz", lambda data: data + b"mark", "tail"),
    "stream padding of an xz": ("xz", lambda data: data + bytes(4), "tail"),
}
