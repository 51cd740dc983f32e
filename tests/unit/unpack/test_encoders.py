"""Which encoder made a stream: found exactly, or not at all."""

from __future__ import annotations

import bz2
import lzma
import tempfile
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.cases import archive_build as make
from tests.realfiles import debian_package
from verifier import content
from verifier.formats import deb, magic
from verifier.model import Ref
from verifier.unpack import decode_child, encoders

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"".join(b"%d green bottles\n" % (number * 7919) for number in range(9000))
BODY = slice(10, -8)


def _worker(data: bytes, level: int) -> bytes:
    encoder = zstandard.ZstdCompressor(level).compressobj(size=len(data))
    return encoder.compress(data) + encoder.flush()


def _file(*command: str) -> bytes:
    """What a program makes of a file, whose size it can know."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(DATA)
        file.flush()
        return make.program(*command, file.name, data=b"")


KNOWN = [
    ("deflate", zlib.compress(DATA, 6)[2:-4], "zlib -6"),
    ("deflate", make.gz(DATA, 1)[BODY], "zlib -1"),
    ("deflate", make.program("gzip", "-9n", data=DATA)[BODY], "-9"),
    ("deflate", make.program("gzip", "-4n", data=DATA)[BODY], "-4"),
    ("xz", lzma.compress(DATA, preset=6), "liblzma preset 6, CRC64"),
    ("xz", lzma.compress(DATA, preset=9 | lzma.PRESET_EXTREME), "liblzma preset 9e, CRC64"),
    ("xz", lzma.compress(DATA, check=lzma.CHECK_CRC32, preset=2), "liblzma preset 2, CRC32"),
    ("xz", make.program("xz", "-T2", "-6", "-c", data=DATA), "xz -6 -T2 (as dpkg-deb)"),
    ("bzip2", bz2.compress(DATA, 3), "bzip2 -3"),
    ("zstd", _worker(DATA, 19), "libzstd level 19"),
    ("zstd", _file("zstd", "-3", "-q", "-c"), "zstd -3"),
]


@pytest.fixture
def payload(tmp_path: Path) -> Ref:
    (tmp_path / "payload").write_bytes(DATA)
    return Ref(str(tmp_path / "payload"), 0, len(DATA))


@pytest.mark.parametrize(("codec", "stream", "name"), KNOWN, ids=lambda value: str(value)[:24])
def test_a_known_encoder_is_found(codec: str, stream: bytes, name: str, payload: Ref) -> None:
    found = encoders.reproduce(codec, payload, memoryview(stream), None, "gzip")
    assert found is not None
    assert name in found


@pytest.mark.parametrize(
    ("codec", "stream"),
    [
        ("deflate", make.deflated_twice(DATA)),
        ("xz", make.xz_odd(DATA)),
        ("bzip2", make.bzip2_blocks(DATA, 30_000)),
        ("deflate", zlib.compress(DATA[:-1], 6)[2:-4]),
        ("deflate", zlib.compress(DATA + b"x", 6)[2:-4]),
        ("xz", lzma.compress(DATA) + b"x"),
    ],
    ids=range(6),
)
def test_another_stream_is_not_claimed(codec: str, stream: bytes, payload: Ref) -> None:
    assert encoders.reproduce(codec, payload, memoryview(stream), None, "zip") is None


def test_streams_of_a_debian_package_are_reproduced(tmp_path: Path) -> None:
    path = str(debian_package("tree"))
    data = content.view(content.of_file(path))
    seen = 0
    for span in deb.layout(data).spans:
        if span.member.endswith(".xz"):
            inner = decode_child("xz", Ref(path, span.offset, span.length), str(tmp_path))
            found = encoders.reproduce("xz", inner, data[span.offset : span.end], None, "xz")
            assert found == "xz -6 -T2 (as dpkg-deb)"
            seen += 1
    assert seen == 2
    assert magic.gzip(memoryview(b"\x1f\x8b\x08"))
