"""Small files that unpack to something huge, or to files in files without end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import zstandard

from tests import realfiles
from tests.cases import archive_build as build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HUGE = 512 << 20
PIECE = 1 << 20
NESTED = 200


def _compressors() -> dict[str, Callable[[], Any]]:
    return {
        "gz": lambda: zlib.compressobj(9, zlib.DEFLATED, 31),
        "xz": lambda: lzma.LZMACompressor(preset=0),
        "bz2": lambda: bz2.BZ2Compressor(9),
        "zst": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    }


@cache
def bomb(kind: str, last: bytes = b"\0") -> bytes:
    """`HUGE` bytes of zeros behind a compressor, `last` being the last of them."""

    def fill(where: Path) -> None:
        encoder, out = _compressors()[kind](), io.BytesIO()
        for _ in range(HUGE // PIECE - 1):
            out.write(encoder.compress(bytes(PIECE)))
        out.write(encoder.compress(bytes(PIECE - 1) + last) + encoder.flush())
        (where / "bomb").write_bytes(out.getvalue())

    return (realfiles.made("hostile", f"{kind}-{last.hex()}", fill) / "bomb").read_bytes()


def deflated(last: bytes = b"\0") -> bytes:
    """The bomb as a raw deflate stream."""
    return bomb("gz", last)[10:-8]


def zipped(last: bytes = b"\0", claimed: int = HUGE) -> bytes:
    """A zip whose one member is the bomb, said to hold `claimed` bytes."""
    body, name = deflated(last), b"bomb"
    crc = struct.unpack("<I", bomb("gz", last)[-8:-4])[0]
    sizes = struct.pack("<III", crc, len(body), claimed)
    local = b"PK\3\4" + struct.pack("<HHHI", 20, 0, 8, 0x21 << 16) + sizes
    local += struct.pack("<HH", len(name), 0) + name
    central = b"PK\1\2" + struct.pack("<HHHHI", 0x314, 20, 0, 8, 0x21 << 16) + sizes
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0o100644 << 16, 0) + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    return local + body + central + b"PK\5\6" + end


def deb(kind: str, last: bytes = b"\0") -> bytes:
    """A package whose data archive is the bomb."""
    control = gzip.compress(build.tar(), mtime=0)
    members = {"debian-binary": b"2.0\n", "control.tar.gz": control}
    return build.ar({**members, f"data.tar.{kind}": bomb(kind, last)})


def lying_tar(kind: str) -> bytes:
    """A compressed tar whose first member claims eight gigabytes."""
    header = bytearray(tarfile.TarInfo("big").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"77777777777\0"
    whole = build.rehash(bytes(header), 0) + bytes(1 << 20)
    return {"gz": gzip.compress, "xz": lzma.compress}[kind](whole)


def nested(wrap: Callable[[bytes], bytes], core: bytes, depth: int = NESTED) -> bytes:
    """`core`, wrapped again and again."""
    for _ in range(depth):
        core = wrap(core)
    return core


def overlapping_zip(entries: int = 10_000) -> bytes:
    """Many members that are all one piece of compressed data."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("m00000"), bytes(1 << 20))
    data = out.getvalue()
    first = data.index(b"PK\1\2")
    entry = data[first : data.index(b"PK\5\6")]
    central = b"".join(entry.replace(b"m00000", b"m%05d" % at) for at in range(entries))
    end = struct.pack("<HHHHIIH", 0, 0, entries, entries, len(central), first, 0)
    return data[:first] + central + b"PK\5\6" + end


def tree_of_zips(leaf: bytes, depth: int = 3, width: int = 8) -> bytes:
    """A zip of zips of zips: `width` to the power of `depth` leaves."""
    for _ in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(width):
                archive.writestr(zipfile.ZipInfo(f"{number}"), leaf)
        leaf = out.getvalue()
    return leaf


def pairs() -> Iterator[tuple[str, Callable[[], tuple[bytes, bytes]]]]:
    """Names, and functions that make (shipped, rebuilt)."""
    sane = {
        "gz": lambda: build.gz(build.TEXT),
        "xz": lambda: lzma.compress(build.TEXT),
        "bz2": lambda: bz2.compress(build.TEXT),
        "zst": lambda: zstandard.compress(build.TEXT),
    }
    for kind, make in sane.items():
        yield f"{kind} bomb", lambda kind=kind, make=make: (bomb(kind), make())
        yield f"two {kind} bombs", lambda kind=kind: (bomb(kind), bomb(kind, b"\1"))
        yield f"deb with {kind} bomb", lambda kind=kind: (deb(kind), build.deb())
        yield f"two debs with {kind} bombs", lambda kind=kind: (deb(kind), deb(kind, b"\1"))
    yield "zip bomb", lambda: (zipped(), build.zipped())
    yield "two zip bombs", lambda: (zipped(), zipped(b"\1"))
    yield "lying zip bombs", lambda: (zipped(claimed=9), zipped(b"\1", claimed=9))
    yield "overlapping zip", lambda: (overlapping_zip(), build.zipped())
    yield "two overlapping zips", lambda: (overlapping_zip(), overlapping_zip(9_999))
    yield "two trees of zips", lambda: (tree_of_zips(b"a" * 4096), tree_of_zips(b"b" * 4096))
    for kind in ("gz", "xz"):
        yield f"lying tar.{kind}", lambda kind=kind: (lying_tar(kind), gzip.compress(build.tar()))
    wrappers = {
        "gz": lambda data: gzip.compress(data, 9, mtime=0),
        "tar": _tar_of,
        "zip": lambda data: tree_of_zips(data, 1, 1),
        "ar": lambda data: build.ar({"a": data}),
    }
    for name, wrap in wrappers.items():
        yield (
            f"{NESTED} {name} in {name}",
            lambda wrap=wrap: (nested(wrap, b"one\n"), nested(wrap, b"two\n")),
        )


def _tar_of(data: bytes) -> bytes:
    info = tarfile.TarInfo("a")
    info.size = len(data)
    return info.tobuf() + data + bytes(-len(data) % 512 + 1024)
