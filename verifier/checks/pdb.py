"""The identity of a program database (PDB), which a debugger compares with the image's.

The container is MSF 7.0: blocks, and a directory of streams. Stream 1 begins
with version, signature, age and GUID; stream 3 (DBI) holds the age that the
linker copies into the image. Layout as in LLVM's "The PDB File Format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.formats.base import unpack

if TYPE_CHECKING:
    from verifier.content import Buffer

_MAGIC = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"
_INFO, _DBI = 1, 3
_ABSENT = 0xFFFFFFFF
_STREAMS_MOST = 1 << 20
_BLOCK_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768)


def identity(data: Buffer) -> tuple[bytes, bytes]:
    """(GUID, age) as the CodeView record of the image that belongs to this PDB has them.

    Raises:
        ParseError: no PDB, or one that is cut short.
    """
    if bytes(data[:32]) != _MAGIC:
        raise ParseError("The file is no PDB", 0)
    size, _, _, directory_size, _, block_map = unpack("<6I", data, 32, "the PDB header")
    if size not in _BLOCK_SIZES:
        raise ParseError("The PDB has an unknown block size", 32)
    count = -(-directory_size // size)
    if 4 * count > size:
        raise ParseError("The PDB's directory is too large", 44)
    blocks = unpack(f"<{count}I", data, block_map * size, "the PDB block map")
    directory = b"".join(bytes(data[block * size : block * size + size]) for block in blocks)
    info = _head(data, directory, size, _INFO, 28)
    dbi = _head(data, directory, size, _DBI, 12)
    return info[12:28], dbi[8:12]


def _head(data: Buffer, directory: bytes, size: int, wanted: int, length: int) -> bytes:
    """The first bytes of one stream; they stand in its first block."""
    view = memoryview(directory)
    streams = unpack("<I", view, 0, "the PDB directory")[0]
    if not wanted < streams <= _STREAMS_MOST:
        raise ParseError("The PDB has no such stream", 0)
    sizes = unpack(f"<{streams}I", view, 4, "the PDB directory")
    skipped = sum(-(-each // size) for each in sizes[:wanted] if each != _ABSENT)
    if sizes[wanted] == _ABSENT or sizes[wanted] < length:
        raise ParseError("A PDB stream is too short", 0)
    block = unpack("<I", view, 4 + 4 * (streams + skipped), "the PDB directory")[0]
    head = bytes(data[block * size : block * size + length])
    if len(head) != length:
        raise ParseError("The PDB is cut short", block * size)
    return head
