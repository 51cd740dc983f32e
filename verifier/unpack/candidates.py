"""The known encoders of each codec, likeliest first for one stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from verifier.unpack.encoders import Candidate, Compressor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

_GZIP_HEADER, _GZIP_TRAILER = 10, 8
_CLAMAV = frozenset({"cvd", "cdiff"})
_XZ_DICTIONARIES = {  # of liblzma's presets, bytes
    256 << 10: (0,),
    1 << 20: (1,),
    2 << 20: (2,),
    4 << 20: (4, 3),
    8 << 20: (6, 5),
    16 << 20: (7,),
    32 << 20: (8,),
    64 << 20: (9,),
}


def of(codec: str, stream: Buffer, payload: int, context: str) -> Iterator[Candidate]:
    """Candidates for `stream`, which holds `payload` bytes, in a file of format `context`."""
    if codec == "deflate":
        yield from _deflate(context)
    elif codec == "xz":
        yield from _xz(stream)
    elif codec == "bzip2":
        yield from _bzip2(stream)
    elif codec == "zstd":
        yield from _zstd(stream, payload)


def _deflate(context: str) -> Iterator[Candidate]:
    if context in _CLAMAV:
        for level in (9, 6):
            start = partial(_zlib, level, 8, filtered=True)
            yield Candidate(f"zlib -{level} (Z_FILTERED, as sigtool)", start)
    gnu = [
        Candidate(
            f"GNU gzip -{level}n",
            program=("gzip", f"-{level}nc"),
            skip=_GZIP_HEADER,
            tail=_GZIP_TRAILER,
        )
        for level in (9, 6, 1, 8, 7, 5, 4, 3, 2)
    ]
    for memory in (8, 9):
        for level in (6, 9, 1, 8, 7, 5, 4, 3, 2):
            name = f"zlib -{level}" + (f" (memLevel {memory})" if memory != 8 else "")
            yield Candidate(name, partial(_zlib, level, memory))
    yield from gnu if context == "gzip" else gnu[:3]


def _zlib(level: int, memory: int, *, filtered: bool = False) -> Compressor:
    import zlib  # noqa: PLC0415 - few runs need encoders

    strategy = zlib.Z_FILTERED if filtered else zlib.Z_DEFAULT_STRATEGY
    return zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)


def _xz(stream: Buffer) -> Iterator[Candidate]:
    from verifier.formats import xz  # noqa: PLC0415 - formats import this package's codecs

    info = xz.read_info(stream)
    for preset in _XZ_DICTIONARIES.get(info.dictionary or 0, ()):
        for extreme in ("", "e"):
            level = f"{preset}{extreme}"
            check = {"CRC64": "crc64", "CRC32": "crc32", "SHA-256": "sha256", "none": "none"}
            if info.check not in check:
                return
            if info.sized:
                options = (f"-{level}", "-T2", "-C", check[info.check], "-kc")
                yield Candidate(f"xz -{level} -T2 (as dpkg-deb)", program=("xz", *options))
            else:
                name = f"liblzma preset {level}, {info.check}"
                yield Candidate(name, partial(_lzma, preset, info.check, bool(extreme)))


def _lzma(preset: int, check: str, extreme: bool) -> Compressor:
    import lzma  # noqa: PLC0415 - few runs need encoders

    checks = {
        "CRC64": lzma.CHECK_CRC64,
        "CRC32": lzma.CHECK_CRC32,
        "SHA-256": lzma.CHECK_SHA256,
        "none": lzma.CHECK_NONE,
    }
    setting = preset | (lzma.PRESET_EXTREME if extreme else 0)
    return lzma.LZMACompressor(lzma.FORMAT_XZ, checks[check], setting)


def _bzip2(stream: Buffer) -> Iterator[Candidate]:
    level = int(chr(stream[3]))
    yield Candidate(f"bzip2 -{level}", partial(_bz2, level))


def _bz2(level: int) -> Compressor:
    import bz2  # noqa: PLC0415 - few runs need encoders

    return bz2.BZ2Compressor(level)


def _zstd(stream: Buffer, payload: int) -> Iterator[Candidate]:
    from verifier.unpack import zstdframe  # noqa: PLC0415

    frame = zstdframe.read(stream)
    size = -1 if frame.size is None else payload
    levels = (3, 19, *(level for level in range(1, 20) if level not in {3, 19}))
    for level in levels:
        for threads in (0, 1) if level in {3, 19} else (0,):
            name = f"libzstd level {level}" + (", 1 worker" if threads else "")
            yield Candidate(name, partial(_zstandard, level, threads, frame.checksum, size))
    options = ("-q", "-c", "--check" if frame.checksum else "--no-check")
    for level in (3, 19, 9, 1) if frame.size is not None else ():
        yield Candidate(f"zstd -{level}", program=("zstd", f"-{level}", *options))


def _zstandard(level: int, threads: int, checksum: bool, size: int) -> Any:
    import zstandard  # noqa: PLC0415 - few runs need encoders

    compressor = zstandard.ZstdCompressor(
        level=level,
        threads=threads,
        write_checksum=checksum,
        write_content_size=size >= 0,
    )
    return compressor.compressobj(size=size)
