"""Small archives, written by the real tools and libraries, for cases and tampers."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import lzma
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

import zstandard

TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(200))
OTHER = TEXT.replace(b"9", b"nine")
TIMES = (1_700_000_000, 1_600_000_000)


def gz(data: bytes, level: int = 9, mtime: int = 0) -> bytes:
    return gzip.compress(data, level, mtime=mtime)


def tar(which: int = 0, kind: int = tarfile.GNU_FORMAT, **changes: object) -> bytes:
    """Three members; `which` chooses times, `member`s and owner can be changed."""
    out = io.BytesIO()
    mtime = changes.get("mtime", TIMES[which])
    files = {"bin/tool": TEXT, "doc/a.gz": gz(TEXT, changes.get("level", 9)), "doc/b": b"text\n"}
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), mtime, changes.get("mode", 0o644)
            info.uid = info.gid = changes.get("owner", 0)
            info.uname = info.gname = changes.get("user", "root")
            info.pax_headers = changes.get("pax", {}) if name == "bin/tool" else {}
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("doc/link")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "b", mtime
        link.uid = link.gid = changes.get("owner", 0)
        link.uname = link.gname = changes.get("user", "root")
        archive.addfile(link)
    return out.getvalue()


def rehash(data: bytes, at: int) -> bytes:
    """The tar header at `at` with its checksum made right."""
    header = bytearray(data[at : at + 512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + 512 :]


def header_of(data: bytes, name: bytes) -> int:
    """Where the last tar header of that name stands."""
    return max(at for at in range(0, len(data), 512) if data[at : at + 100].rstrip(b"\0") == name)


def put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def ar(members: dict[str, bytes], mtime: int = 0, mode: bytes = b"100644", owner: int = 0) -> bytes:
    """An archive without index, as dpkg-deb writes the outside of a package."""
    out = b"!<arch>\n"
    for name, data in members.items():
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (
            name.encode(), mtime, owner, owner, mode, len(data),
        )  # fmt: skip
        out += data + b"\n" * (len(data) % 2)
    return out


def deb(which: int = 0, data: bytes | None = None, **changes: object) -> bytes:
    """A package; its md5sums speak of `data`, by default a tar of that time."""
    data = tar(which, **changes) if data is None else data
    sums = ""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            if info.isfile():
                digest = hashlib.md5(archive.extractfile(info).read()).hexdigest()
                sums += f"{digest}  {info.name}\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in {"./control": b"Package: x\n", "./md5sums": sums.encode()}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), TIMES[which]
            archive.addfile(info, io.BytesIO(content))
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(out.getvalue()),
        "data.tar.xz": lzma.compress(data),
    }
    return ar(members, TIMES[which])


def zipped(which: int = 0, level: int = 9, **files: bytes) -> bytes:
    """Two texts and a stored file, deflated at `level`; `which` chooses the time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files | {"a.txt": TEXT, "b.txt": OTHER, "c": b"c"}).items():
            info = zipfile.ZipInfo(name, (2020 + which, 1, 2, 3, 4, 6))
            info.compress_type = 0 if len(data) < 20 else 8
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data, compresslevel=level)
    return out.getvalue()


def streamed_zip(which: int = 0, level: int = 9) -> bytes:
    """A zip written to a pipe: sizes follow the data in descriptors. One member holds a gzip."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.out = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.out += bytes(data)
            return len(bytes(data))

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("x.gz", (2020, 1, 2, 3, 4, 6))
        info.compress_type = 8
        archive.writestr(info, gz(TEXT, level, TIMES[which]), compresslevel=level)
    return bytes(pipe.out)


def wheel(which: int = 0, level: int = 9, lie: str = "") -> bytes:
    """A wheel that holds a gzip of that time, so that its RECORD differs. `lie` spoils RECORD."""
    files = {
        "p/data.gz": gz(TEXT, level, TIMES[which]),
        "p-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
    }
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        digest = digest[::-1] if lie == "digest" else digest
        record += f"{name},sha256={digest},{len(data) + (lie == 'size')}\n"
    files["p-1.dist-info/RECORD"] = f"{record}p-1.dist-info/RECORD,,\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (2020 + which, 1, 2, 3, 4, 6))
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return out.getvalue()


@cache
def library(tail: bytes = b"", flags: str = "rcD") -> bytes:
    """A static library of two objects behind a member of chosen bytes, by binutils' ar."""
    with tempfile.TemporaryDirectory() as work:
        sources = {"one.c": "int one(void){return 1;}", "another_with_a_long_name.c": "int two;"}
        for name, code in sources.items():
            (Path(work) / name).write_text(code)
        (Path(work) / "data.gz").write_bytes(tail)
        subprocess.run(["gcc", "-c", *sources], cwd=work, check=True)
        objects = [name.replace(".c", ".o") for name in sources]
        subprocess.run(["ar", flags, "lib.a", "data.gz", *objects], cwd=work, check=True)
        return (Path(work) / "lib.a").read_bytes()


def program(*command: str, data: bytes) -> bytes:
    """What a filter program makes of `data`."""
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def deflated_twice(data: bytes, *, stored: bool = False) -> bytes:
    """A raw deflate stream that no plain call gives: flushed in the middle, or not compressed."""
    encoder = zlib.compressobj(0 if stored else 9, zlib.DEFLATED, -15)
    half = len(data) // 2
    return (
        encoder.compress(data[:half])
        + encoder.flush(zlib.Z_FULL_FLUSH)
        + encoder.compress(data[half:])
        + encoder.flush()
    )


def gz_around(body: bytes, data: bytes) -> bytes:
    """A gzip file with that deflate stream."""
    head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def xz_odd(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "pb": 0}]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)


def zstd_raw(data: bytes, each: int) -> bytes:
    """A frame of raw blocks of `each` bytes, not compressed."""
    frame = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    for at in range(0, len(data), each):
        piece = data[at : at + each]
        frame += struct.pack("<I", (at + each >= len(data)) | len(piece) << 3)[:3] + piece
    return frame


def zstd_odd(data: bytes) -> bytes:
    """A frame whose first block ends early."""
    encoder = zstandard.ZstdCompressor().compressobj(size=len(data))
    first = encoder.compress(data[:100]) + encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return first + encoder.compress(data[100:]) + encoder.flush()


def bzip2_blocks(data: bytes, each: int) -> bytes:
    """One bzip2 stream with a block for every `each` bytes."""
    bits, total = "", 0
    for at in range(0, len(data), each):
        stream = bz2.compress(data[at : at + each])
        whole = bin(int.from_bytes(b"\1" + stream[4:], "big"))[3:]
        bits += whole[: whole.rindex(f"{0x177245385090:048b}")]
        total = (total << 1 & 0xFFFFFFFF | total >> 31) ^ int.from_bytes(stream[10:14], "big")
    bits += f"{0x177245385090:048b}{total:032b}"
    bits += "0" * (-len(bits) % 8)
    return b"BZh9" + int(bits, 2).to_bytes(len(bits) // 8, "big")
