"""Decoders: whole streams only, and bombs refused while they are small."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import struct
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import limits
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.unpack import codecs

ZEROS = bytes(limits.MIB)


def deflate(data: bytes) -> bytes:
    return zlib.compress(data, 9)[2:-4]


ENCODE = {
    "deflate": deflate,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.compress,
}


def decoded(codec: str, stream: bytes) -> bytes:
    return b"".join(codecs.decode(codec, memoryview(stream)))


@pytest.mark.parametrize("codec", ENCODE)
@given(data=st.binary(max_size=3000), times=st.sampled_from([1, 300]))
@settings(max_examples=30, deadline=None)
def test_what_was_encoded_comes_back(codec: str, data: bytes, times: int) -> None:
    assert decoded(codec, ENCODE[codec](data * times)) == data * times


@pytest.mark.parametrize("codec", ENCODE)
@pytest.mark.parametrize("tail", [b"x", bytes(4), b"again"])
def test_bytes_after_the_end_are_refused(codec: str, tail: bytes) -> None:
    stream = ENCODE[codec](b"hello")
    tail = stream if tail == b"again" else tail
    with pytest.raises(ParseError, match="follow the end"):
        decoded(codec, stream + tail)
    assert codecs.end_of(codec, memoryview(stream + tail)) == len(stream)


@pytest.mark.parametrize("codec", ENCODE)
def test_every_truncation_is_refused(codec: str) -> None:
    stream = ENCODE[codec](bytes(range(256)) * 4)
    for length in range(len(stream)):
        with pytest.raises(ParseError):
            decoded(codec, stream[:length])


@pytest.mark.parametrize("codec", ENCODE)
@given(data=st.binary(max_size=200), at=st.integers(0, 199), value=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_damage_raises_nothing_unexpected(codec: str, data: bytes, at: int, value: int) -> None:
    stream = bytearray(ENCODE[codec](bytes(300)) + data)
    stream[at % len(stream)] ^= value
    with contextlib.suppress(VerifierError):
        decoded(codec, bytes(stream))


@pytest.mark.parametrize("codec", ENCODE)
def test_a_bomb_is_refused(codec: str) -> None:
    encoder = {
        "deflate": lambda: zlib.compressobj(9, zlib.DEFLATED, -15),
        "xz": lambda: lzma.LZMACompressor(preset=0),
        "bzip2": lambda: bz2.BZ2Compressor(9),
        "zstd": lambda: zstandard.ZstdCompressor(1).compressobj(),
    }[codec]()
    stream = b"".join(encoder.compress(ZEROS) for _ in range(96)) + encoder.flush()
    sizes: list[int] = []
    with pytest.raises(LimitError, match="times its size"):
        sizes.extend(map(len, codecs.decode(codec, memoryview(stream))))
    assert max(sizes) <= codecs.CHUNK
    assert sum(sizes) <= max(limits.RATIO_FREE, limits.RATIO * len(stream)) + codecs.CHUNK


def test_an_xz_dictionary_beyond_the_limit_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    stream = bytearray(lzma.compress(b"x", lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters))
    header = stream[12 : 12 + 4 * (stream[12] + 1)]
    header[4] = 40
    header[-4:] = struct.pack("<I", zlib.crc32(header[:-4]))
    stream[12 : 12 + len(header)] = header
    with pytest.raises(LimitError, match="memory"):
        decoded("xz", bytes(stream))


def test_a_zstd_window_beyond_the_limit_is_refused() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(LimitError, match="window"):
        decoded("zstd", frame)


def test_reserved_bits_and_dictionaries_of_zstd_are_refused() -> None:
    with pytest.raises(ParseError, match="reserved"):
        decoded("zstd", b"\x28\xb5\x2f\xfd\x08\x00\x01\x00\x00")
    with pytest.raises(LimitError, match="dictionary"):
        decoded("zstd", b"\x28\xb5\x2f\xfd\x01\x00\x07\x01\x00\x00")


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ParseError, match="No decoder"):
        decoded("lzop", b"")
