"""What our grammars take, clamscan loads: lines made from good ones by small edits."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.clamav.engine import MD5, ONE, REFUSED, SIZE, TWO, effective, scan
from verifier.errors import ParseError

if TYPE_CHECKING:
    from pathlib import Path

EDITS = 14  # of each seed: one run of the engine each
KEPT = {"kept.ndb": b"T.X:0:*:" + ONE + b"\n"}
CERTIFICATE = b"n;%s;" + b"a" * 40 + b";%s;aabbcc;010001;1;0;1;;c"
SEEDS = {
    "hdb": [MD5 + b":" + SIZE + b":T.One", MD5 + b":*:T.One:73", MD5 + b":12:T.One:73:250"],
    "mdb": [SIZE + b":" + MD5 + b":T.One"],
    "imp": [MD5 + b":*:T.One"],
    "ndb": [
        b"T.One:1:EP+0,10:aabbccdd{3}ee??ff*aabbcc(dd|ee)ff!(01)",
        b"T.One:3:EOF-10:(B)aabbcc(L)",
        b"T.One:0:10,20:aabb{-10}ccdd{5-}eeff[1-3]aa",
        b"T:1:SE1:aabbccdd",
        b"T:0:$1$:aabbcc",
        b"T:2:*:aa[2-3]bbccdd[1-5]ee",
    ],
    "db": [b"T.One=aabb*ccdd"],
    "ldb": [
        b"T.L;Target:0;0&1;" + ONE + b";" + TWO,
        (b"T.L;Engine:51-255,Target:1,FileSize:1-100,Container:CL_TYPE_ZIP;(0|1)>1,2&2=0;"
        b"aabb::iwf;EP+0:ccdd;10:eeff::a"),
        b"T.L;Engine:81-255,Target:0;0&1;aabb;0/abc/ig",
        b"T.L;Engine:81-255,Target:0;0&1;aabb;0(>>4#hb2#>1)",
        b"T.L;Engine:150-255,Target:0;0;fuzzy_img#af2ad01ed42993c7",
        b"T.L;Engine:51-255,Target:1,IconGroup1:X,EntryPoint:1-2,NumberOfSections:1-3;0;aabbcc",
    ],
    "cdb": [b"T:CL_TYPE_ZIP:*:abc:1-3:5:0:1:*:*", b"T:*:10:*:*:*:*:*:*:*:51:255"],
    "zmd": [b"T:0:abc:10:*:aabbccdd:1:2:3"],
    "crb": [CERTIFICATE % (b"0", b"b" * 40), CERTIFICATE % (b"1", b"")],
    "ftm": [b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE", b"1:*:aabbccdd:X:CL_TYPE_ANY:CL_TYPE_HTML"],
    "pwdb": [b"N;Engine:81-255,Container:CL_TYPE_ZIP;0;pass", b"N;Engine:81-255;1;70617373"],
    "pdb": [b"R:.*\\.org:[a-z]*\\.(com|net)", b"H:bank.example.com"],
    "wdb": [b"X:.+\\.a\\.org([/?].*)?:b\\.com([/?].*)?:17-", b"M:evil.org:bank.example.com"],
    "gdb": [b"S:P:aabbccdd", b"S1:F:" + b"aabb" * 16],
    "cfg": [b"PE:0xffff:1:255"],
    "ign2": [b"T.One:" + MD5, b"a:1:T.One"],
    "idb": [b"T:a:b:20" + b"00" * 61],
}  # fmt: skip
SEEDS["ldb"] += [
    b"T.L;Engine:81-255,Target:0;0&1;aabb;0/^(?:a[b-d]{2,3}|\\x41(?=c))+?\\d$/ms",
    b"T.L;Engine:81-255,Target:0;(0&1|2)>1,2;aabb;ccdd;1(<<0x4#hle2#<12)",
]
BYTES = b":;*?,-(){}[]|!&=<>#/$%0123456789abcdefABFLWSEP+ ixg"
WORDS = [b"{5}", b"{1-2}", b"*", b"??", b"(aa|bb)", b"!(aa)", b"(B)", b"[1-2]", b":51", b"::i"]


def _edited(chance: random.Random, line: bytes) -> bytes:
    edited = bytearray(line)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(edited) + 1)
        until = at + chance.choice((0, 0, 1, 1, 3))
        edited[at:until] = chance.choice(
            [b"", bytes([chance.choice(BYTES)]), chance.choice(WORDS), bytes(edited[at : at + 6])]
        )
    return bytes(edited)


def _ours(database: dict[str, bytes]) -> bool:
    try:
        effective(database, level="216")
    except ParseError:
        return False
    return True


@pytest.mark.parametrize("extension", SEEDS)
def test_what_we_take_the_engine_loads(extension: str, tmp_path: Path) -> None:
    chance = random.Random(extension)
    for number, seed in enumerate(SEEDS[extension]):
        good = {f"a.{extension}": seed + b"\n", **KEPT}
        assert _ours(good)
        assert scan(tmp_path / f"{number}", good) != REFUSED
        for place in range(EDITS):
            line = _edited(chance, seed)
            database = {f"a.{extension}": line + b"\n", **KEPT}
            if _ours(database):
                said = scan(tmp_path / f"{number}-{place}", database)
                assert said != REFUSED, line
