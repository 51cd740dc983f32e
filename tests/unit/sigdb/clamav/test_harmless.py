"""Changes that mean nothing to an engine: none is told, in either direction."""

from __future__ import annotations

import pytest

from tests.unit.sigdb.clamav.engine import MD5, changes
from tests.unit.sigdb.clamav.lines import (
    CERT,
    KEEP,
    A,
)
from tests.unit.sigdb.clamav.lines import hash_line as _hash
from tests.unit.sigdb.clamav.lines import ldb_line as _ldb
from tests.unit.sigdb.clamav.lines import ndb_line as _ndb

HARMLESS = {
    "order": ("ndb", _ndb() + KEEP, KEEP + _ndb()),
    "order of hashes": ("hdb", _hash() + _hash(b"11"), _hash(b"11") + _hash()),
    "comments": ("ndb", _ndb(), b"#x\n" + _ndb() + b"#y\n"),
    "carriage returns": ("hdb", _hash(), _hash().replace(b"\n", b"\r\n")),
    "case of a hash": ("hdb", _hash(), _hash().replace(MD5, MD5.upper())),
    "case of a body": ("ndb", _ndb(b"T:0:*:(B)" + A), _ndb(b"T:0:*:(B)" + A.upper())),
    "case of a subsignature": ("ldb", _ldb(), _ldb(rest=b"0|1;AABBCC;ddeeff")),
    "duplicates": ("ndb", _ndb(), _ndb() * 3),
    "order of attributes": (
        "ldb",
        _ldb(b"Engine:51-255,FileSize:1-9,Target:0"),
        _ldb(b"Engine:51-255,Target:0,FileSize:1-9"),
    ),
    "leading zeros": ("hdb", _hash(b"10"), _hash(b"010")),
    "last newline": ("ndb", _ndb(), _ndb().rstrip()),
    "levels for all": ("ndb", _ndb(), _ndb(b"T:0:*:" + A + b":0")),
    "comment of a certificate": (
        "crb",
        CERT % (b"N", b"1"),
        (CERT % (b"N", b"1")).replace(b"note", b"other"),
    ),
    "order of file types that never fit one file": (
        "ftm",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n0:0:50:P:CL_TYPE_ANY:CL_TYPE_ZIP\n",
        b"0:0:50:P:CL_TYPE_ANY:CL_TYPE_ZIP\n0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n",
    ),
    "blank lines of phishing lists": ("wdb", b"M:a.com:b.com\n", b"\nM:a.com:b.com\n\n"),
    "order of passwords": (
        "pwdb",
        b"N;Target:0;0;secret\nM;Target:0;0;b\n",
        b"M;Target:0;0;b\nN;Target:0;0;secret\n",
    ),
    "a switch that a later one overrules": ("cfg", b"PE:0x0\nPE:0xffff\n", b"PE:0xffff\n"),
    "order of switches of two modules": (
        "cfg",
        b"PE:0x0\nELF:0x0\n",
        b"ELF:0x0\nPE:0x0\n",
    ),
    "a switch in two lines for neighbouring levels": (
        "cfg",
        b"PE:0x1:1:99\nPE:0x1:100:300\n",
        b"PE:0x1:1:300\n",
    ),
    "password in hex": ("pwdb", b"N;Target:0;0;ab\n", b"N;Target:0;1;6162\n"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_means_nothing_is_no_change(case: str) -> None:
    extension, before, after = HARMLESS[case]
    assert changes({f"a.{extension}": before}, {f"a.{extension}": after}) == []
    assert changes({f"a.{extension}": after}, {f"a.{extension}": before}) == []
