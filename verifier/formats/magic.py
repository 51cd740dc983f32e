"""By which bytes each format is known. Cheap, never raises, and never looks at a file's name.

Kept apart from the formats themselves, so that a run loads only those it meets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from verifier.content import Buffer

AR: Final = b"!<arch>\n"
AR_THIN: Final = b"!<thin>\n"
ELF: Final = b"\x7fELF"
MODULE: Final = b"~Module signature appended~\n"
CLAMAV: Final = b"ClamAV-VDB:"
XZ: Final = b"\xfd7zXZ\0"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ET_REL: Final = 1
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
_DEBIAN = re.compile(rb"debian-binary[ /] *\Z")
_ZIP = frozenset({b"PK\3\4", b"PK\5\6"})


def elf(data: Buffer) -> bool:
    """ELF's magic number."""
    return bytes(data[:4]) == ELF


def kmod(data: Buffer) -> bool:
    """A relocatable ELF object that ends in the line of a module's trailer."""
    if bytes(data[-len(MODULE) :]) != MODULE or not elf(data) or len(data) < 64:
        return False
    order: Literal["little", "big"] = "big" if data[5] == 2 else "little"
    known = data[4] in {1, 2} and data[5] in {1, 2}
    return known and int.from_bytes(data[16:18], order) == _ET_REL


def pe(data: Buffer) -> bool:
    """A DOS header that leads to an NT signature."""
    if len(data) < 0x40 or bytes(data[:2]) != b"MZ":
        return False
    at = int.from_bytes(data[0x3C:0x40], "little")
    return bytes(data[at : at + 4]) == b"PE\0\0"


def ar(data: Buffer) -> bool:
    """A plain or a thin archive."""
    return bytes(data[:8]) in {AR, AR_THIN}


def deb(data: Buffer) -> bool:
    """An ar file whose first member is called `debian-binary`."""
    return bytes(data[:8]) == AR and bool(_DEBIAN.match(bytes(data[8:24])))


def xz(data: Buffer) -> bool:
    """The magic bytes of the stream."""
    return bytes(data[:6]) == XZ


def gzip(data: Buffer) -> bool:
    """Magic and method."""
    return bytes(data[:3]) == b"\x1f\x8b\x08"


def bzip2(data: Buffer) -> bool:
    """The magic bytes of the stream and of its first block."""
    return bool(_BZIP2.match(bytes(data[:10])))


def zstd(data: Buffer) -> bool:
    """The magic bytes of a frame."""
    return bytes(data[:4]) == ZSTD


def zipped(data: Buffer) -> bool:
    """The first record: a local header, or the end of an empty file."""
    return bytes(data[:4]) in _ZIP


def tar(data: Buffer) -> bool:
    """The magic of the first header."""
    return len(data) >= 512 and bytes(data[257:262]) == b"ustar"


def cvd(data: Buffer) -> bool:
    """ClamAV's database header, which is 512 bytes without a newline."""
    head = bytes(data[:512])
    return len(head) == 512 and head[:11] == CLAMAV and b"\n" not in head


def clamav_tar(data: Buffer) -> bool:
    """A tar header as ClamAV writes it: empty from its checksum on, which is right."""
    block = bytes(data[:512])
    if len(block) < 512 or not block[0] or any(block[154:]) or not block[148:154].isdigit():
        return False
    total = sum(block[:148]) + 8 * 32
    return block[148:154] == b"%06o" % total


def cdiff(data: Buffer) -> bool:
    """The first word of an update of a ClamAV database."""
    return bytes(data[:12]) == b"ClamAV-Diff:"


def clamsign(data: Buffer) -> bool:
    """The first word of a signature file beside a ClamAV database."""
    return bytes(data[:10]) == b"#clamsign-"


def pyc(data: Buffer) -> bool:
    """A magic number of Python 3.7 or later, flags that have a meaning, and a code object."""
    head = bytes(data[:17])
    return (
        len(head) == 17
        and head[2:4] == b"\r\n"
        and 3390 <= int.from_bytes(head[:2], "little") < 3800
        and head[4:8] in {b"\0\0\0\0", b"\1\0\0\0", b"\3\0\0\0"}
        and head[16] & 0x7F == ord("c")
    )


def anything(_data: Buffer) -> bool:
    """Raw bytes, the last resort."""
    return True


def nothing(_data: Buffer) -> bool:
    """For formats that only a container can tell, by a member's role."""
    return False
