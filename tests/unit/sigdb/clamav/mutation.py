"""Random pairs of small databases and the samples to tell them apart with, for differential tests.

Every grammar that has an effect on a sample is there; mutations are those that a vendor
might make, or a careless packer: lines edited, repeated, moved, renamed, files reordered.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from tests.unit.sigdb.clamav.engine import NONE, ONE, SAMPLE, TWO

if TYPE_CHECKING:
    import random

    from tests.unit.sigdb.clamav.engine import Database


def _zipped(data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("in.txt", (2024, 1, 1, 0, 0, 0)), data, 8)
    return made.getvalue()


def _program(code: bytes) -> bytes:
    """The smallest PE file with one section."""
    head = bytearray(0x200)
    head[:2], head[0x3C:0x40], head[0x80:0x84] = b"MZ", struct.pack("<I", 0x80), b"PE\0\0"
    head[0x84:0x98] = struct.pack("<HHIIIHH", 0x14C, 1, 0x5F000000, 0, 0, 0xE0, 0x102)
    sizes = (512, 0, 0, 0x1000, 0x1000, 0x2000, 0x400000, 0x1000, 0x200)
    optional = struct.pack("<HBB9I", 0x10B, 9, 0, *sizes)
    optional += struct.pack("<6H4I2H", 4, 0, 0, 0, 4, 0, 0, 0x2000, 0x200, 0, 3, 0)
    optional += struct.pack("<6I", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    head[0x98 : 0x98 + len(optional)] = optional
    place = 0x98 + 0xE0
    head[place : place + 40] = struct.pack(
        "<8s6I2HI", b".text", 512, 0x1000, 512, 0x200, 0, 0, 0, 0, 0x60000020
    )
    return bytes(head) + code


CODE = b"MARKER-ONE-0123456789 in code MARKER-TWO-abcdefghij".ljust(512, b"\xcc")
MAIL = b"""From: a@b.example
To: c@d.example
Subject: hi
MIME-Version: 1.0
Content-Type: text/html

<html><body><a href="http://evil.example.org/x">http://www.bank.example.com/</a></body></html>
"""
SAMPLES = {
    "both": SAMPLE,
    "one": b"xxMARKER-ONE-0123456789",
    "two": b"MARKER-TWO-abcdefghij yy",
    "three": b"MARKER-ONE-0123456789" * 3,
    "near": b"marker-one-0123456789 xx MARKER-TWO-ABCDEFGHIJ\n",
    "html": b"<html><body>MARKER-ONE-0123456789 <b>MARKER-TWO-abcdefghij</b></body></html>",
    "zip": _zipped(SAMPLE * 3),
    "typed": b"QQQQ" + _zipped(SAMPLE * 3),
    "program": _program(CODE),
    "mail": MAIL,
}


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data).hexdigest().encode()


def _hashed(algorithm: str, sample: str, tail: bytes, *, size: bool = True) -> bytes:
    data = SAMPLES[sample]
    told = b"%d" % len(data) if size else b"*"
    return _digest(algorithm, data) + b":" + told + b":" + tail


POOL: dict[str, tuple[bytes, ...]] = {
    "hdb": (
        _hashed("md5", "both", b"T.H1"), _hashed("md5", "one", b"T.H2"),
        _hashed("md5", "both", b"T.H3:73", size=False), _hashed("sha256", "both", b"T.H4:73:255"),
        _hashed("sha1", "two", b"T.H5:73", size=False), _hashed("md5", "two", b"PUA.H6:1:99"),
        _hashed("md5", "program", b"T.H7"),
    ),
    "mdb": (
        b"512:" + _digest("md5", CODE) + b":T.M1", b"*:" + _digest("md5", CODE) + b":T.M2:73",
        b"512:" + _digest("sha256", CODE) + b":T.M3:73",
    ),
    "ndb": (
        b"T.One:0:*:" + ONE, b"T.Two:0:*:" + TWO, b"T.One:0:*:" + TWO, b"T.Off:0:0:" + ONE,
        b"T.Off2:0:0,60:" + TWO, b"T.Eof:0:EOF-22:" + TWO[:20], b"T.Lev:0:*:" + ONE + b":51:255",
        b"T.Wild:0:*:" + ONE[:8] + b"??" + ONE[10:20] + b"{0-40}" + TWO[:20],
        b"T.Gap:0:*:" + ONE[:12] + b"*" + TWO[-12:], b"T.Lev2:0:*:" + ONE + b":230",
        b"T.Alt:0:*:" + ONE[:8] + b"(2d|ff|aa)" + ONE[10:20], b"T.Pe:1:EP+0:" + ONE,
        b"T.Neg:0:*:" + ONE[:8] + b"!(2e|ff)" + ONE[10:20], b"T.Pe2:1:*:" + ONE,
        b"T.Txt:7:*:" + b"marker-one".hex().encode(), b"T.Word:0:*:(B)" + ONE + b"(W)",
        b"T.Html:3:*:" + b"marker-two".hex().encode(), b"HTML.Phishing.X:0:*:" + TWO,
    ),
    "ldb": tuple(
        b"T.L%d;" % number + line
        for number, line in enumerate((
            b"Target:0;0&1;" + ONE + b";" + TWO, b"Engine:51-255,Target:0;0|1;" + ONE + b";" + TWO,
            b"Engine:51-255,Target:0,FileSize:1-60;0;" + ONE, b"Engine:51-255,Target:0;0>2;" + ONE,
            b"Engine:51-255,Target:0;0=0&1;" + NONE + b";" + TWO,
            b"Engine:81-255,Target:0;0&1;" + ONE + b";0/TWO-[a-z]+/i",
            b"Engine:51-255,Target:0;0;" + b"marker-one".hex().encode() + b"::i",
            b"Engine:51-255,Container:CL_TYPE_ZIP,Target:0;0;" + ONE,
            b"Engine:51-255,Target:0;(0|1)>1,2;" + ONE + b";" + TWO,
            b"Engine:51-255,Target:0;(0|1)&2;" + ONE + b";" + TWO + b";" + NONE,
            b"Engine:51-255,Target:0;(0&1|2);" + NONE + b";" + ONE + b";" + TWO,
            b"Engine:81-255,Target:0;0&1;" + ONE + b";0(>>10#hl1#=0)",
        ))
    ),
    "cdb": (
        b"T.C1:CL_TYPE_ZIP:*:in\\.txt:*:*:*:*:*:*", b"T.C2:*:1-9999:*:*:1-9999:0:*:*:*",
        b"T.C3:CL_TYPE_ZIP:*:IN\\.txt:*:*:*:1:*:*",
    ),
    "zmd": (b"T.Z1:0:in\\.txt:*:*:*:*:*:*", b"T.Z2:*:in:*:*:*:*:1:*"),
    "fp": (
        _hashed("md5", "both", b"F1"), _hashed("sha256", "one", b"F2:73", size=False),
        _hashed("md5", "program", b"F3:1:99"),
    ),
    "ign2": (
        b"T.One", b"T.Two:" + _digest("md5", b"T.Two:0:*:" + TWO), b"T.H1", b"T.L1", b"T.C1",
        b"F1", b"T.M1", b"T.One:" + b"0" * 32, b"T.Z1", b"T.Off",
    ),
    "ign": (b"main:1:T.One", b"x:2:T.L2"),
    "pdb": (
        b"H:bank.example.com", b"H:www.bank.example.com", b"R:.*:.*\\.bank\\.example\\.com",
    ),
    "wdb": (
        b"M:evil.example.org:www.bank.example.com", b"X:.+\\.example\\.org:.+\\.example\\.com",
    ),
    "ftm": (
        b"0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_IGNORED", b"0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE", b"0:0:46726f6d:M:CL_TYPE_ANY:CL_TYPE_MAIL",
        b"1:*:504b0304:ZS:CL_TYPE_ANY:CL_TYPE_ZIPSFX",
        b"0:0:5151:P:CL_TYPE_ANY:CL_TYPE_IGNORED:1:100",
        b"0:0:4d41524b:MK:CL_TYPE_ANY:CL_TYPE_IGNORED", b"4:0:504b:PK:CL_TYPE_ANY:CL_TYPE_IGNORED",
    ),
    "cfg": (
        b"ARCHIVE:0xffffffff", b"ARCHIVE:0x0:1:255", b"MAIL:0x0", b"PE:0x0", b"PE:0xffffffff",
        b"DOCUMENT:0x0", b"PHISHING:0x0", b"OTHER:0xffff", b"PCRE:0x0",
    ),
    "db": (b"T.D1=" + ONE, b"T.D2=" + TWO),
    "yar": (
        b'rule y1 { strings: $a = "MARKER-ONE" condition: $a }',
        b'rule y2 { strings: $a = "MARKER-TWO" condition: $a }',
    ),
    "sdb": (b"T.S1:0:*:" + ONE,),
}  # fmt: skip
_TWINS = {
    "hdb": ("hsb", "hdu", "hsu", "fp"), "mdb": ("msb", "mdu", "msu"), "ndb": ("ndu", "sdb"),
    "ldb": ("ldu",), "fp": ("sfp", "hdb"), "pdb": ("gdb", "wdb"), "ign2": ("ign",),
    "ign": ("ign2",), "wdb": ("pdb",), "sdb": ("ndb",), "yar": ("yara",),
}  # fmt: skip
_TOKENS = (
    b":", b";", b"*", b"0", b"1", b"51", b"255", b"300", b"a", b"F", b" ", b"\t", b"#", b"??",
    b"{2}", b"|", b"&", b",", b"-", b"=", b"::i", b"::w", b"/", b"(", b")", b">1", b"<2", b"EOF-",
    b"\xef\xbb\xbf", b"\0", b".{x}", b".UNOFFICIAL", b" (Clam)", b"PUA.", b"!", b"[1-3]", b"$",
)  # fmt: skip
_LEVELS = (b":51", b":1:255", b":51:255", b":230", b":1:100", b":0", b":217", b":216:216", b":")
_LINES = (
    b"",
    b" ",
    b"#",
    b"#c:1:2",
    *(b"#" + b"x" * size + b"T.One" for size in (8189, 8190, 8191)),
)


class _File(NamedTuple):
    """A file in the making."""

    name: str
    lines: list[bytes]
    end: bytes = b"\n"
    closed: bool = True

    def data(self) -> bytes:
        """Its bytes."""
        return self.end.join(self.lines) + (self.end if self.closed and self.lines else b"")


def pairs(chance: random.Random, count: int) -> list[tuple[Database, Database]]:
    """So many pairs of different databases, loose or in a container."""
    found: list[tuple[Database, Database]] = []
    while len(found) < count:
        base = _base(chance)
        other = _mutated(chance, base)
        packed = chance.random() < 0.4
        one, two = _built(base, packed=packed), _built(other, packed=packed)
        if one != two:
            found.append((one, two))
    return found


def _base(chance: random.Random) -> list[_File]:
    kinds = chance.sample(list(POOL), chance.choice((1, 2, 2, 3, 4)))
    kinds += [] if {"ndb", "hdb", "ldb"} & set(kinds) else [chance.choice(("ndb", "hdb", "ldb"))]
    return [
        _File(
            f"{chance.choice('abc')}{number}.{kind}",
            chance.sample(POOL[kind], min(len(POOL[kind]), chance.randint(1, 5))),
        )
        for number, kind in enumerate(kinds)
    ]


def _mutated(chance: random.Random, base: list[_File]) -> list[_File]:
    files = [file._replace(lines=list(file.lines)) for file in base]
    for number in range(chance.choice((1, 1, 1, 2, 3))):
        place = chance.randrange(len(files))
        whole = chance.randrange(8)
        if whole == 0:
            chance.shuffle(files)
        elif whole == 1:
            kind = chance.choice(list(POOL))
            files.insert(place, _File(f"m{number}.{kind}", [chance.choice(POOL[kind])]))
        elif whole == 2:
            files[place] = _changed(chance, files[place], number)
        elif files[place].lines:
            _edit(chance, files[place])
    return files


def _changed(chance: random.Random, file: _File, number: int) -> _File:
    """A file with another name, or other ends of lines."""
    stem, _, kind = file.name.rpartition(".")
    twin = chance.choice(_TWINS.get(kind.lower(), (kind,)))
    return chance.choice((
        file._replace(end=b"\r\n"),
        file._replace(closed=not file.closed),
        file._replace(name=f"{stem}{number}.{twin}"),
        file._replace(name=file.name.upper()),
    ))  # fmt: skip


def _edit(chance: random.Random, file: _File) -> None:
    lines, place = file.lines, chance.randrange(len(file.lines))
    line = lines[place]
    at = chance.randint(0, len(line))
    edited = line[:at] + chance.choice(_TOKENS) + line[at + chance.choice((0, 0, 1, 2)) :]
    choice = chance.randrange(7)
    if choice == 0:
        chance.shuffle(lines)
    elif choice == 1:
        lines.append(line)
    elif choice == 2:
        del lines[place]
    elif choice == 3:
        lines.insert(place, chance.choice(_LINES))
    else:
        told = (edited, edited, line + chance.choice(_LEVELS), line.replace(ONE, ONE.upper()))
        lines[place] = chance.choice(told)


def _built(files: list[_File], *, packed: bool) -> Database:
    named: dict[str, bytes] = {}
    for file in files:
        named[file.name if file.name not in named else f"x{len(named)}-{file.name}"] = file.data()
    return {"t.cud": list(named.items())} if packed else dict(named)
