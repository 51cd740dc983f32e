"""Pack signature files as `sigtool --build` does, with given header fields.

After sigtool/sigtool.c and common/tar.c of ClamAV 1.4.3. Nothing is read from a
clock or an environment: equal members and fields give equal bytes.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.formats.clamav import header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# dblist of sigtool/sigtool.c: what is packed, and in which order; the rest is left out silently.
ORDER = (
    *("cfg", "ign", "ign2", "ftm", "db", "hdb", "hdu", "hsb", "hsu", "mdb", "mdu", "msb", "msu"),
    *("ndb", "ndu", "ldb", "ldu", "sdb", "zmd", "rmd", "idb", "fp", "sfp", "gdb", "pdb", "wdb"),
    *("crb", "cdb", "imp"),
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BYTECODE = "bytecode"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,94}\Z")


class Fields(NamedTuple):
    """What a packer chooses: the header's texts, and the one byte of gzip that versions differ in.

    `order` is that of the members after COPYING and `.info`; empty for sigtool's own.
    `listing` is a whole `.info` to pack instead of a new one.
    """

    time: str
    version: int
    signatures: int
    level: int
    builder: str
    stime: int
    dsig: str = "X"
    xfl: int = 2
    order: tuple[str, ...] = ()
    listing: bytes | None = None
    stored: bool = False  # a bare tar, as freshclam's CLD
    md5: str | None = None  # instead of the right one: X in a CLD


def order_of(name: str, members: Iterable[str]) -> list[str]:
    """The members that `sigtool --build NAME` packs, in its order (hybrids are not made)."""
    known = set(members)
    if name == BYTECODE:
        last = ["last.hdb"] if "last.hdb" in known else []
        return sorted(each for each in known if each.lower().endswith(".cbc")) + last
    return [each for kind in ORDER if (each := f"{name}.{kind}") in known]


def pack(name: str, members: Mapping[str, bytes], fields: Fields) -> bytes:
    """The database `name` of these members; COPYING must be one of them.

    Raises:
        ParseError: a member is missing, or a field cannot be written.
    """
    order = list(fields.order) or order_of(name, members)
    missing = sorted({"COPYING", *order} - members.keys())
    if missing:
        raise ParseError(f"The member {missing[0]} is not there to be packed")
    listing = fields.listing
    if listing is None:
        listing = (
            _line(fields, "X", "X") + b"\n" + b"".join(row(one, members[one]) for one in order)
        )
    parts = [("COPYING", members["COPYING"]), (f"{name}.info", listing)]
    payload = tar([*parts, *((one, members[one]) for one in order)])
    if not fields.stored:
        payload = gzip(payload, fields.xfl)
    md5 = fields.md5 or hashlib.md5(payload, usedforsecurity=False).hexdigest()
    head = _line(fields, md5, fields.dsig)
    if len(head) > header.SIZE:
        raise ParseError(f"The header's fields take {len(head)} bytes of {header.SIZE}")
    return head.ljust(header.SIZE) + payload


def row(name: str, data: bytes) -> bytes:
    """The line of one member in an `.info`."""
    return f"{name}:{len(data)}:{hashlib.sha256(data).hexdigest()}\n".encode()


def tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar as ClamAV writes it: name, size and checksum, and no end."""
    parts: list[bytes] = []
    for name, data in members:
        if not _NAME.match(name):
            raise ParseError(f"{name!r} is no name for a member of a database")
        fields = name.encode().ljust(124, b"\0") + (b"%o" % len(data)).ljust(24, b"\0")
        parts += [fields, b"%06o\0\0" % (sum(fields) + 8 * 32), bytes(356), data]
        parts.append(bytes(-len(data) % 512))
    return b"".join(parts)


def gzip(payload: bytes, xfl: int = 2) -> bytes:
    """As gzopen(…, "wb9f") of zlib writes it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_FILTERED)
    head = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, xfl, 3))
    size = len(payload) & 0xFFFFFFFF
    tail = zlib.crc32(payload).to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"".join((head, packer.compress(payload), packer.flush(), tail))


def _line(fields: Fields, md5: str, dsig: str) -> bytes:
    texts = (fields.time, fields.version, fields.signatures, fields.level, md5, dsig)
    values = [str(each) for each in (*texts, fields.builder, fields.stime)]
    bad = next((each for each in values if ":" in each or not each.isascii()), None)
    if bad is not None or not all(each.isprintable() for each in values):
        raise ParseError(f"A header's field cannot be {bad!r}")
    return b":".join([header.MAGIC, *(each.encode() for each in values)])
