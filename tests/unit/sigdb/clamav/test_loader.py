"""Our effective set against clamscan: order, ignore lists, gates, and what a loader refuses."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import HANG
from tests.unit.sigdb.clamav.engine import (
    MD5,
    NONE,
    ONE,
    REFUSED,
    SHA256,
    SIZE,
    TWO,
    changes,
    predicted,
    scan,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sigdb.clamav.engine import Database


def _hdb(name: bytes, tail: bytes = b"") -> bytes:
    return MD5 + b":" + SIZE + b":" + name + tail + b"\n"


def _ndb(name: bytes, digits: bytes = ONE, tail: bytes = b"") -> bytes:
    return name + b":0:*:" + digits + tail + b"\n"


def _ldb(name: bytes, attributes: bytes = b"Target:0") -> bytes:
    return name + b";" + attributes + b";0&1;" + ONE + b";" + TWO + b"\n"


def _md5(line: bytes) -> bytes:
    return hashlib.md5(line.rstrip(b"\n")).hexdigest().encode()


WRONG = b"0" * 32
CASES = {
    # What order and duplication mean.
    "plain": ({"a.hdb": _hdb(b"T.One"), "a.ndb": _ndb(b"T.Two")}, {"T.One", "T.Two"}),
    "ign2 after ndb in a container": (
        {"a.cud": [("a.ndb", _ndb(b"T.One")), ("b.ign2", b"T.One\n")]},
        {"T.One"},
    ),
    "ign2 before ndb in a container": (
        {"a.cud": [("a.ign2", b"T.One\n"), ("b.ndb", _ndb(b"T.One"))]},
        set(),
    ),
    "ign2 between two ndb": (
        {"a.cud": [("a.ndb", _ndb(b"T.A")), ("b.ign2", b"T.A\nT.B\n"), ("c.ndb", _ndb(b"T.B"))]},
        {"T.A"},
    ),
    "loose ign2 is read first": ({"a.ndb": _ndb(b"T.One"), "z.ign2": b"T.One\n"}, set()),
    "daily's ign2 acts on main": (
        {
            "main.cud": [("main.ndb", _ndb(b"T.One"))],
            "daily.ign2": b"T.One\n",
        },
        set(),
    ),
    "old ign form": ({"a.ndb": _ndb(b"T.One"), "a.ign": b"main:1:T.One\n"}, set()),
    "ign2 with the md5 of the line": (
        {"a.ndb": _ndb(b"T.One"), "a.ign2": b"T.One:" + _md5(_ndb(b"T.One")) + b"\n"},
        set(),
    ),
    "ign2 with another md5": (
        {"a.ndb": _ndb(b"T.One"), "a.ign2": b"T.One:" + WRONG + b"\n"},
        {"T.One"},
    ),
    "bare entry inherits an md5 in a container": (
        {"a.cud": [("a.ign2", b"T.Long.Name:" + WRONG + b"\nT.One\n"), ("b.ndb", _ndb(b"T.One"))]},
        {"T.One"},
    ),
    "bare entry before one with an md5": (
        {"a.cud": [("a.ign2", b"T.One\nT.Long.Name:" + WRONG + b"\n"), ("b.ndb", _ndb(b"T.One"))]},
        set(),
    ),
    "bare entry inherits an md5, loose": (
        {"a.ign2": b"T.Long.Name:" + WRONG + b"\nT.One\n", "b.ndb": _ndb(b"T.One")},
        {"T.One"},
    ),
    "bare entry as long as the one before, loose": (
        {"a.ign2": b"T.Two:" + WRONG + b"\nT.One\n", "b.ndb": _ndb(b"T.One")},
        REFUSED,
    ),
    "carriage returns overwrite an inherited md5, loose": (
        {"a.ign2": b"T.One:" + WRONG + b"\r\nT.L1\r\n", "b.ndb": _ndb(b"T.One")},
        REFUSED,
    ),
    "carriage returns overwrite an inherited md5, in a container": (
        {"a.cud": [("a.ign2", b"T.One:" + WRONG + b"\r\nT.One\r\n"), ("b.ndb", _ndb(b"T.One"))]},
        REFUSED,
    ),
    "an entry that ends with a blank": (
        {"a.ndb": _ndb(b"T.One"), "a.ign2": b"T.One \n"},
        {"T.One"},
    ),
    "longer bare entry in a container": (
        {"a.cud": [("a.ign2", b"T.X:" + WRONG + b"\nT.One\n"), ("b.ndb", _ndb(b"T.One"))]},
        REFUSED,
    ),
    "comment between overwrites the inherited md5": (
        {
            "a.cud": [
                ("a.ign2", b"T.X:" + WRONG + b"\n#" + b"x" * 60 + b"\nT.One\n"),
                ("b.ndb", _ndb(b"T.One")),
            ]
        },
        REFUSED,
    ),
    "last of two md5 counts, wrong": (
        {
            "a.cud": [
                ("a.ign2", b"T.One:" + _md5(_ndb(b"T.One")) + b"\nT.One:" + WRONG + b"\n"),
                ("b.ndb", _ndb(b"T.One")),
            ]
        },
        {"T.One"},
    ),
    "last of two md5 counts, right": (
        {
            "a.cud": [
                ("a.ign2", b"T.One:" + WRONG + b"\nT.One:" + _md5(_ndb(b"T.One")) + b"\n"),
                ("b.ndb", _ndb(b"T.One")),
            ]
        },
        set(),
    ),
    "of a name of three letters the first counts": (
        {
            "a.cud": [
                ("a.ign2", b"TNN:" + WRONG + b"\nTNN:" + _md5(_ndb(b"TNN")) + b"\n"),
                ("b.ndb", _ndb(b"TNN")),
            ]
        },
        {"TNN"},
    ),
    "of four entries of five letters the third counts": (
        {
            "a.cud": [
                (
                    "a.ign2",
                    (b"T.One:" + WRONG + b"\n") * 2
                    + b"T.One:"
                    + _md5(_ndb(b"T.One"))
                    + b"\nT.One:"
                    + WRONG
                    + b"\n",
                ),
                ("b.ndb", _ndb(b"T.One")),
            ]
        },
        set(),
    ),
    "a block that another name uses is passed over": (
        {
            "a.cud": [
                (
                    "a.ign2",
                    b"Abcdef\nAbcxyz:" + WRONG + b"\nAbcxyz:" + _md5(_ndb(b"Abcxyz")) + b"\n",
                ),
                ("b.ndb", _ndb(b"Abcxyz")),
            ]
        },
        set(),
    ),
    "ignored name with a clause": ({"a.ndb": _ndb(b"T.One.{a}"), "a.ign2": b"T.One\n"}, set()),
    "ignored name of two letters": ({"a.ndb": _ndb(b"TN"), "a.ign2": b"TN\n"}, set()),
    "md5 of a name of one letter, which the padding overwrites": (
        {"a.ndb": _ndb(b"T"), "a.ign2": b"T:" + WRONG + b"\n"},
        REFUSED,
    ),
    "ignore list names a hash": ({"a.hdb": _hdb(b"T.One"), "a.ign2": b"T.One\n"}, set()),
    "ignore list names a logical one": ({"a.ldb": _ldb(b"T.One"), "a.ign2": b"T.One\n"}, set()),
    "ignore list names an fp entry": (
        {"a.hdb": _hdb(b"T.One"), "a.fp": _hdb(b"Fine"), "a.ign2": b"Fine\n"},
        {"T.One"},
    ),
    # Newlines, blanks, comments, case.
    "last line without newline, loose": (
        {"a.ndb": _ndb(b"T.One") + _ndb(b"T.Two", TWO).rstrip()},
        {"T.One", "T.Two"},
    ),
    "last line without newline, contained": (
        {"a.cud": [("a.ndb", _ndb(b"T.One") + _ndb(b"T.Two", TWO).rstrip())]},
        {"T.One"},
    ),
    "only line without newline, contained": (
        {"a.cud": [("a.ndb", _ndb(b"T.One").rstrip())]},
        REFUSED,
    ),
    "ign2 without newline, contained": (
        {"a.cud": [("a.ign2", b"T.One"), ("b.ndb", _ndb(b"T.One"))]},
        {"T.One"},
    ),
    "blank line": ({"a.ndb": b"\n" + _ndb(b"T.One")}, REFUSED),
    "blank last line": ({"a.hdb": _hdb(b"T.One") + b"\n"}, REFUSED),
    "blank ign2 line": ({"a.ndb": _ndb(b"T.One"), "a.ign2": b"T.X\n\n"}, REFUSED),
    "blank crb and wdb lines": (
        {"a.ndb": _ndb(b"T.One"), "a.crb": b"\n", "a.wdb": b"\n"},
        {"T.One"},
    ),
    "trailing space in ndb": ({"a.ndb": b"T.One:0:*:" + ONE + b" \n"}, REFUSED),
    "trailing space in ldb": ({"a.ldb": _ldb(b"T.One").replace(b"\n", b" \n")}, REFUSED),
    "trailing space after a level": ({"a.ndb": _ndb(b"T.One", ONE, b":1 ")}, REFUSED),
    "trailing space in a hash's name": ({"a.hdb": _hdb(b"T.One ")}, {"T.One "}),
    "carriage returns": ({"a.hdb": _hdb(b"T.One").replace(b"\n", b"\r\n")}, {"T.One"}),
    "upper case": (
        {"a.hdb": _hdb(b"T.One").replace(MD5, MD5.upper()), "b.ndb": _ndb(b"T.Two", ONE.upper())},
        {"T.One", "T.Two"},
    ),
    "duplicates": ({"a.ndb": _ndb(b"T.One") * 2}, {"T.One"}),
    "comments": ({"a.ndb": b"#x\n" + _ndb(b"T.One") + b"#\n"}, {"T.One"}),
    "nothing but a comment": ({"a.hdb": b"#\n", "a.ndb": _ndb(b"T.One")}, {"T.One"}),
    "two bodies of one name": ({"a.ndb": _ndb(b"T.One") + _ndb(b"T.One", NONE)}, {"T.One"}),
    "empty file": ({"a.ndb": _ndb(b"T.One"), "a.hdb": b""}, REFUSED),
    "empty ign2, wdb, cfg and crb": (
        {"a.ndb": _ndb(b"T.One"), "a.ign2": b"", "a.wdb": b"", "a.cfg": b"", "a.crb": b""},
        {"T.One"},
    ),
    # Gates.
    "minimum level above": ({"a.ndb": _ndb(b"A", ONE, b":999") + _ndb(b"T.B")}, {"T.B"}),
    "maximum level below": ({"a.ndb": _ndb(b"A", ONE, b":1:100") + _ndb(b"T.B")}, {"T.B"}),
    "level in a hash": ({"a.hdb": _hdb(b"A", b":1:100"), "a.ndb": _ndb(b"T.B")}, {"T.B"}),
    "level in a logical one": (
        {"a.ldb": _ldb(b"A", b"Engine:300-400,Target:0") + _ldb(b"T.B", b"Engine:51-255,Target:0")},
        {"T.B"},
    ),
    "odd body for later engines": ({"a.ndb": b"A:0:*:zz!!:300\n" + _ndb(b"T.B")}, {"T.B"}),
    "unknown target": ({"a.ndb": b"A:77:*:" + ONE + b"\n" + _ndb(b"T.B")}, {"T.B"}),
    "unknown attribute": (
        {"a.ldb": _ldb(b"A", b"Engine:51-255,Target:0,Moon:1") + _ldb(b"T.B")},
        {"T.B"},
    ),
    "unwanted applications": ({"a.hdu": _hdb(b"PUA.A"), "a.ndb": _ndb(b"T.B")}, {"T.B"}),
    "broken list of unwanted applications": ({"a.hdu": b"x\n", "a.ndb": _ndb(b"T.B")}, {"T.B"}),
    "allow list": ({"a.hdb": _hdb(b"A"), "a.fp": _hdb(b"Fine")}, set()),
    "allow list after": ({"a.cud": [("a.hdb", _hdb(b"A")), ("z.fp", _hdb(b"Fine"))]}, set()),
    "allow list by SHA-256": (
        {"a.hdb": _hdb(b"A"), "a.sfp": SHA256 + b":*:Fine:73\n"},
        set(),
    ),
    "size of any": ({"a.hsb": SHA256 + b":*:T.One:73\n"}, {"T.One"}),
    "size of any for old engines": ({"a.hsb": SHA256 + b":*:T.One:72\n"}, REFUSED),
    "size of any for all engines": ({"a.hsb": SHA256 + b":*:T.One\n"}, REFUSED),
    "another size": ({"a.hdb": MD5 + b":1:A\n", "a.ndb": _ndb(b"T.B")}, {"T.B"}),
    "size 0": ({"a.hdb": MD5 + b":0:A\n"}, REFUSED),
    "no name": ({"a.hdb": MD5 + b":" + SIZE + b":\n"}, REFUSED),
    "a name that is cut": ({"a.hdb": _hdb(b"T.One (Clam)x")}, {"T.One"}),
    "offset that fits": ({"a.ndb": b"T.One:0:0:" + ONE + b"\n"}, {"T.One"}),
    "offset that does not": ({"a.ndb": b"A:0:5:" + ONE + b"\n" + _ndb(b"T.B")}, {"T.B"}),
    "oldest form": ({"a.db": b"T.One=" + ONE + b"\n"}, {"T.One"}),
}


@pytest.mark.parametrize("case", CASES)
def test_our_effective_set_is_the_engine_s(case: str, tmp_path: Path) -> None:
    database, expected = CASES[case]
    assert scan(tmp_path, database) == expected
    assert predicted(database) == expected


def test_unwanted_applications_when_they_are_wanted(tmp_path: Path) -> None:
    database = {"a.hdu": _hdb(b"PUA.A"), "a.ndu": _ndb(b"PUA.B")}
    assert scan(tmp_path, database, "--detect-pua") == {"PUA.A", "PUA.B"}
    assert predicted(database, pua="on") == {"PUA.A", "PUA.B"}


def test_phishing_signatures_when_they_are_not_wanted(tmp_path: Path) -> None:
    database = {"a.ndb": _ndb(b"HTML.Phishing.A") + _ndb(b"Email.Phishing.B") + _ndb(b"T.C")}
    assert scan(tmp_path / "off", database, "--phishing-sigs=no") == {"T.C"}
    assert predicted(database, phishing="off") == {"T.C"}
    assert scan(tmp_path / "on", database) == predicted(database)


TYPES = b"".join(b"0:0:aabb:x:CL_TYPE_ANY:CL_TYPE_%s\n" % kind for kind in (b"ZIP", b"PDF"))
LONG_LOGIC = b"|".join([b"0"] * 9_000)
REPEATED: dict[str, Database] = {
    "one name ignored and defined": {
        "a.ign2": b"T\n" * 60_000,
        "a.ndb": b"T:0:*:" + ONE + b"\n" + b"T:0:*:aabbcc\n" * 60_000,
    },
    "ignore lists between signatures": {
        "a.cud": [
            part
            for number in range(2_000)
            for part in (
                (f"{number}.ign2", b"T.%d\n" % number * 40),
                (f"{number}.cdb", b"T.%d:CL_TYPE_ZIP:*:*:*:*:*:*:*:*\n" % number),
            )
        ]
    },
    "file types of one magic": {"a.ftm": TYPES * 1_900},
    "long expressions": {
        "a.ldb": b"".join(b"T%d;Target:0;%s;aabbcc\n" % (n, LONG_LOGIC) for n in range(99))
    },
}


@pytest.mark.parametrize("case", REPEATED)
def test_repetition_without_end_takes_no_time_without_end(case: str) -> None:
    database = REPEATED[case]
    start = time.process_time()
    changes(database, {**database, "b.ign2": b"Q\n"})
    changes(database, {"b.ldb": b"".join(b"T%d;Target:0;0;aabbcc\n" % n for n in range(99))})
    assert time.process_time() - start < HANG
