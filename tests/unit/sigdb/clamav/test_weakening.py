"""Every class of weakening: two cases each, and changes that let nothing new through."""

from __future__ import annotations

import pytest

from tests.unit.sigdb.clamav.engine import MD5, SHA256, changes, told
from tests.unit.sigdb.clamav.lines import (
    CERT,
    KEEP,
    REGEX_LDB,
    A,
    B,
)
from tests.unit.sigdb.clamav.lines import hash_line as _hash
from tests.unit.sigdb.clamav.lines import ldb_line as _ldb
from tests.unit.sigdb.clamav.lines import ndb_line as _ndb
from verifier.kinds import DIFFERENCES
from verifier.sigdb.clamav import FAMILY

CHANGED = {
    # extension, before, after, class
    "a hash is gone": (
        "hdb",
        _hash() + _hash(b"9", b"", b"K").replace(b"7", b"6"),
        None,
        "signature-removed",
    ),
    "a body is gone": ("ndb", _ndb() + KEEP, KEEP, "signature-removed"),
    "a logical one is gone": (
        "ldb",
        _ldb() + REGEX_LDB.replace(b"T;", b"K;"),
        REGEX_LDB.replace(b"T;", b"K;"),
        "signature-removed",
    ),
    "size fixed": ("hsb", _hash(b"*", b":73"), _hash(b"10", b":73"), "signature-narrowed"),
    "size of a section fixed": (
        "msb",
        b"*:" + MD5 + b":T:73\n",
        b"5:" + MD5 + b":T:73\n",
        "signature-narrowed",
    ),
    "target fixed": ("ndb", _ndb(), _ndb(b"T:1:*:" + A), "signature-narrowed"),
    "offset fixed": ("ndb", _ndb(), _ndb(b"T:0:12:" + A), "signature-narrowed"),
    "longer body": ("ndb", _ndb(), _ndb(b"T:0:*:" + A + b"00"), "signature-narrowed"),
    "container added": (
        "ldb",
        _ldb(),
        _ldb(b"Engine:51-255,Container:CL_TYPE_ZIP,Target:0"),
        "signature-narrowed",
    ),
    "file size added": (
        "ldb",
        _ldb(),
        _ldb(b"Engine:51-255,FileSize:1-9,Target:0"),
        "signature-narrowed",
    ),
    "file size narrowed": (
        "ldb",
        _ldb(b"Engine:51-255,FileSize:1-9,Target:0"),
        _ldb(b"Engine:51-255,FileSize:2-9,Target:0"),
        "signature-narrowed",
    ),
    "or becomes and": ("ldb", _ldb(), _ldb(rest=b"0&1;aabbcc;ddeeff"), "signature-narrowed"),
    "one more subsignature": (
        "ldb",
        _ldb(),
        _ldb(rest=b"(0|1)&2;aabbcc;ddeeff;112233"),
        "signature-narrowed",
    ),
    "parentheses that bind to the left taken away": (
        "ldb",
        _ldb(rest=b"(0&1|2);aabbcc;ddeeff;112233"),
        _ldb(rest=b"0&1|2;aabbcc;ddeeff;112233"),
        "signature-narrowed",
    ),
    "container size fixed": (
        "cdb",
        b"T:CL_TYPE_ZIP:*:*:*:*:*:*:*:*\n",
        b"T:CL_TYPE_ZIP:1-9:*:*:*:*:*:*:*\n",
        "signature-narrowed",
    ),
    "another hash": ("hdb", _hash(), _hash().replace(MD5, b"0" * 32), "signature-changed"),
    "another body": ("ndb", _ndb(), _ndb(b"T:0:*:" + B), "signature-changed"),
    "another offset": ("ndb", _ndb(b"T:0:1:" + A), _ndb(b"T:0:2:" + A), "signature-changed"),
    "normalised target to any": (
        "ndb",
        _ndb(b"T:3:*:" + A),
        _ndb(b"T:0:*:" + A),
        "signature-changed",
    ),
    "another regular expression": (
        "ldb",
        REGEX_LDB,
        REGEX_LDB.replace(b"abc", b"abd"),
        "signature-changed",
    ),
    "an attribute that no engine knows": (
        "ldb",
        _ldb(),
        _ldb(b"Engine:51-255,Target:0,Moon:1"),
        "signature-narrowed",
    ),
    "a macro": (
        "ldb",
        _ldb(rest=b"0&1;${6-7}12$;aabbcc"),
        _ldb(rest=b"0&1;${6-7}13$;aabbcc"),
        "signature-changed",
    ),
    "a count": ("ldb", _ldb(rest=b"0>1;aabbcc"), _ldb(rest=b"0>2;aabbcc"), "signature-changed"),
    "minimum raised": (
        "ndb",
        _ndb(b"T:0:*:" + A + b":51"),
        _ndb(b"T:0:*:" + A + b":99"),
        "levels-narrowed",
    ),
    "maximum set": ("hdb", _hash(b"10", b":51"), _hash(b"10", b":51:100"), "levels-narrowed"),
    "engine narrowed": ("ldb", _ldb(), _ldb(b"Engine:81-255,Target:0"), "levels-narrowed"),
    "switch": ("cfg", b"PE:0xffff\n", b"PE:0xfffe\n", "configuration-changed"),
    "switches reordered, of which the last holds": (
        "cfg",
        b"PE:0x0\nPE:0xffff\n",
        b"PE:0xffff\nPE:0x0\n",
        "configuration-changed",
    ),
    "switch overruled for some engines": (
        "cfg",
        b"PE:0x0:1:99\nPE:0xffff\n",
        b"PE:0xffff\nPE:0x0:1:99\n",
        "configuration-changed",
    ),
    "switch gone": ("cfg", b"PE:0xffff\n#\n", b"#\n", "configuration-changed"),
    "switch added": ("cfg", b"", b"PE:0x0\n", "configuration-changed"),
    "ignore entry": ("ign2", b"X.Y\n", b"X.Y\nX.Z\n", "ignore-added"),
    "ignore entry of the old kind": ("ign", b"", b"main:1:X.Z\n", "ignore-added"),
    "ignore entry without its md5": ("ign2", b"X.Z:" + MD5 + b"\n", b"X.Z\n", "ignore-added"),
    "fp added": ("fp", b"#\n", _hash(), "allowlist-added"),
    "sfp added": ("sfp", b"#\n", SHA256 + b":*:Fine:73\n", "allowlist-added"),
    "fp of any size": ("fp", _hash(b"10", b":73"), _hash(b"*", b":73"), "allowlist-added"),
    "wdb": ("wdb", b"", b"M:a.com:b.com\n", "phishing-allowed"),
    "gdb": ("gdb", b"", b"S:W:" + SHA256 + b"\n", "phishing-allowed"),
    "certificate": ("crb", b"", CERT % (b"N", b"1"), "certificate-trusted"),
    "certificate may sign more": (
        "crb",
        CERT % (b"N", b"1"),
        (CERT % (b"N", b"1")).replace(b";0;1;;", b";1;1;;"),
        "certificate-trusted",
    ),
    "certificate with any serial number": (
        "crb",
        CERT % (b"N", b"1"),
        (CERT % (b"N", b"1")).replace(b"b" * 40, b""),
        "certificate-trusted",
    ),
    "block gone": ("crb", CERT % (b"N", b"0"), b"", "certificate-unblocked"),
    "another block": (
        "crb",
        CERT % (b"N", b"0"),
        (CERT % (b"N", b"0")).replace(b"aabbcc", b"aabbcd"),
        "certificate-unblocked",
    ),
    "file type gone": (
        "ftm",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n0:0:50:P:CL_TYPE_ANY:CL_TYPE_ZIP\n",
        b"0:0:50:P:CL_TYPE_ANY:CL_TYPE_ZIP\n",
        "filetype-removed",
    ),
    "file type list gone": (
        "ftm",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n",
        None,
        "filetype-removed",
    ),
    "file type changed": (
        "ftm",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_IGNORED\n",
        "filetype-changed",
    ),
    "file types that fit one file reordered": (
        "ftm",
        b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n0:0:4d5a90:X:CL_TYPE_ANY:CL_TYPE_PDF\n",
        b"0:0:4d5a90:X:CL_TYPE_ANY:CL_TYPE_PDF\n0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n",
        "filetype-changed",
    ),
    "password gone": (
        "pwdb",
        b"N;Target:0;0;secret\nM;Target:0;0;other\n",
        b"M;Target:0;0;other\n",
        "password-removed",
    ),
    "password changed": (
        "pwdb",
        b"N;Target:0;0;secret\n",
        b"N;Target:0;0;other\n",
        "password-removed",
    ),
    "phishing domain gone": ("pdb", b"H:a.com\nH:b.com\n", b"H:b.com\n", "signature-removed"),
    "rules of another language changed": ("yar", b"rule a{}", b"rule b{}", "signature-changed"),
}
WIDER = {
    "size of any": ("hsb", _hash(b"10", b":73"), _hash(b"*", b":73"), "detection-changed"),
    "minimum lowered": ("ndb", _ndb(b"T:0:*:" + A + b":99"), _ndb(b"T:0:*:" + A + b":51"),
                        "detection-changed"),
    "target of any": ("ndb", _ndb(b"T:1:*:" + A), _ndb(), "detection-changed"),
    "offset of any": ("ndb", _ndb(b"T:0:7:" + A), _ndb(), "detection-changed"),
    "shorter body": ("ndb", _ndb(b"T:0:*:00" + A), _ndb(), "detection-changed"),
    "and becomes or": ("ldb", _ldb(rest=b"0&1;aabbcc;ddeeff"), _ldb(), "detection-changed"),
    "one more alternative": (
        "ldb", _ldb(), _ldb(rest=b"0|1|2;aabbcc;ddeeff;112233"), "detection-changed"),
    "subsignatures in another order": (
        "ldb", _ldb(), _ldb(rest=b"0|1;ddeeff;aabbcc"), "detection-changed"),
    "attribute gone": ("ldb", _ldb(b"Engine:51-255,FileSize:1-9,Target:0"), _ldb(),
                       "detection-changed"),
    "renamed": ("ndb", _ndb(), _ndb(b"U:0:*:" + A), "detection-renamed"),
    "renamed hash": ("hdb", _hash(), _hash(name=b"U"), "detection-renamed"),
    "one of two names gone": (
        "hdb", _hash() + _hash(name=b"U"), _hash(name=b"U"), "detection-renamed"),
    "a hash that one of any size covers": (
        "hsb", _hash(b"10", b":73") + _hash(b"*", b":73", b"U"), _hash(b"*", b":73", b"U"),
        "detection-renamed"),
    "added": ("ndb", _ndb(), _ndb() + KEEP, "detection-added"),
    "ignore entry lost": ("ign2", b"X.Y\nX.Z\n", b"X.Y\n", "ignore-removed"),
    "ignore entry with an md5": ("ign2", b"X.Y\n", b"X.Y:" + MD5 + b"\n", "ignore-changed"),
    "allowed no longer": ("fp", _hash() + _hash(b"11"), _hash(b"11"), "allowlist-removed"),
    "allowed by another entry anyway": (
        "fp", _hash(b"*", b":73"), _hash(b"*", b":73") + _hash(b"10", b":73", b"U"),
        "allowlist-added"),
    "trust withdrawn": ("crb", CERT % (b"N", b"1"), b"", "allowlist-removed"),
    "block added": ("crb", b"", CERT % (b"N", b"0"), "detection-added"),
    "password added": ("pwdb", b"N;Target:0;0;a\n", b"N;Target:0;0;a\nM;Target:0;0;b\n",
                       "setting-added"),
    "name of a file type": (
        "ftm", b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE\n",
        b"0:0:4d5a:Exe:CL_TYPE_ANY:CL_TYPE_MSEXE\n", "setting-changed"),
}  # fmt: skip


def _one(extension: str, content: bytes | None) -> dict[str, bytes]:
    return {} if content is None else {f"a.{extension}": content}


@pytest.mark.parametrize("case", CHANGED)
def test_what_weakens_is_named(case: str) -> None:
    extension, before, after, expected = CHANGED[case]
    found = changes(_one(extension, before), _one(extension, after))
    assert {item.weakening for item in found} == {expected}, found
    assert found[0].kind in DIFFERENCES


@pytest.mark.parametrize("case", WIDER)
def test_what_lets_nothing_new_through_weakens_nothing(case: str) -> None:
    extension, before, after, kind = WIDER[case]
    found = changes(_one(extension, before), _one(extension, after))
    assert [(item.kind, item.weakening) for item in found] == [(kind, "")]


@pytest.mark.parametrize(
    ("wanted", "unwanted"), [("hdb", "hdu"), ("ndb", "ndu"), ("ldb", "ldu"), ("mdb", "mdu")]
)
def test_a_move_to_the_lists_of_unwanted_applications(wanted: str, unwanted: str) -> None:
    line = {"hdb": _hash(), "ndb": _ndb(), "ldb": _ldb(), "mdb": b"5:" + MD5 + b":T\n"}[wanted]
    there, moved = {f"a.{wanted}": line}, {f"a.{unwanted}": line}
    assert told(changes(there, moved)) == [("detection-changed", "T", "moved-to-pua")]
    assert told(changes(moved, there)) == [("detection-changed", "T", "")]
    assert changes(there, moved, pua="on") == []
    assert told(changes(there, moved, pua="off")) == [
        ("detection-removed", "T", "signature-removed")
    ]


def test_an_ignored_signature_is_told_from_a_removed_one() -> None:
    for extension, line in (("ndb", _ndb()), ("cdb", b"T:CL_TYPE_ZIP:*:*:*:*:*:*:*:*\n")):
        source = {f"a.{extension}": line}
        shipped = {**source, "b.ign2": b"T\n"}
        assert told(changes(source, shipped)) == [
            ("detection-removed", "T", "signature-ignored"),
            ("ignore-added", "T", "ignore-added"),
        ]
        back = changes(shipped, source)
        assert told(back) == [("detection-added", "T", ""), ("ignore-removed", "T", "")]
        assert "An ignore entry of the source" in back[0].summary


def test_an_ignore_list_that_moves_before_its_signatures() -> None:
    source = {"a.cud": [("a.ndb", _ndb() + KEEP), ("b.ign2", b"T\n")]}
    shipped = {"a.cud": [("b.ign2", b"T\n"), ("a.ndb", _ndb() + KEEP)]}
    assert told(changes(source, shipped)) == [("detection-removed", "T", "signature-ignored")]
    assert told(changes(shipped, source)) == [("detection-added", "T", "")]


def test_an_ignore_entry_with_an_md5_acts_on_one_line_alone() -> None:
    source = {"a.ndb": _ndb(b"T.N:0:*:" + A)}
    wrong = {**source, "a.ign2": b"T.N:" + b"0" * 32 + b"\n"}
    assert told(changes(source, wrong)) == [("ignore-added", "T.N", "ignore-added")]


@pytest.mark.parametrize(("extension", "line", "more"), [
    ("ndb", _ndb(), KEEP),
    ("hdb", _hash(), _hash(b"11", b"", b"K").replace(b"7", b"6")),
    ("pwdb", b"T;Target:0;0;a\n", b"K;Target:0;0;b\n"),
])  # fmt: skip
def test_a_last_line_that_the_loader_drops(extension: str, line: bytes, more: bytes) -> None:
    whole = {"a.cud": [(f"a.{extension}", more + line)]}
    cut = {"a.cud": [(f"a.{extension}", (more + line).rstrip())]}
    assert told(changes(whole, cut)) == [("database-record-dropped", "T", "record-dropped")]
    assert changes(cut, cut) == []
    assert {item.weakening for item in changes(cut, whole)} == {""}
    loose = {f"a.{extension}": (more + line).rstrip()}
    assert changes(loose, loose) == []
    assert told(changes(loose, cut)) == [("database-record-dropped", "T", "record-dropped")]


@pytest.mark.parametrize(("extension", "content"), [
    ("yar", b"rule a{condition:true}"), ("ioc", b"<ioc/>"), ("pwdb", b"T;Target:0;0;a\n"),
])  # fmt: skip
def test_a_file_that_the_packer_leaves_out(extension: str, content: bytes) -> None:
    source = {f"a.{extension}": content, "a.ndb": KEEP}
    shipped = {"a.cud": [("a.ndb", KEEP)]}
    assert [item.weakening for item in changes(source, shipped)] == ["dropped-by-packer"]
    assert [item.weakening for item in changes(source, {"a.ndb": KEEP})] != ["dropped-by-packer"]


def test_profiles_decide_what_matters() -> None:
    low, high = (
        {"a.ndb": _ndb(b"T:0:*:" + A + b":51") + KEEP},
        {"a.ndb": _ndb(b"T:0:*:" + A + b":99") + KEEP},
    )
    assert told(changes(low, high)) == [("detection-changed", "T", "levels-narrowed")]
    assert changes(low, high, level="216") == []
    assert told(changes(low, high, level="60")) == [("detection-removed", "T", "signature-removed")]
    listed = {"a.wdb": b"M:a.com:b.com\n"}
    assert changes({}, listed, phishing="off") == []
    assert told(changes({}, listed, phishing="on"))[0][2] == "phishing-allowed"


def test_two_changes_of_a_pair_are_both_told() -> None:
    """A covered signature does not swallow the one that it would have been paired with."""
    source = {"a.hsb": _hash(b"10", b":73") + _hash(b"*", b":73", b"U")}
    shipped = {"a.hsb": _hash(b"12", b":73") + _hash(b"*", b":73", b"U")}
    assert told(changes(source, shipped)) == [
        ("detection-added", "T", ""),
        ("detection-renamed", "U", ""),
    ]


def test_every_class_has_a_sentence_and_two_cases() -> None:
    counts = dict.fromkeys(FAMILY.classes, 0)
    for _, _, _, name in CHANGED.values():
        counts[name] += 1
    elsewhere = {"moved-to-pua", "signature-ignored", "record-dropped", "dropped-by-packer"}
    assert {name for name, count in counts.items() if count < 2} == elsewhere
    assert all(text.endswith(".") for text in FAMILY.classes.values())


def test_a_change_says_where_it_stands() -> None:
    first = KEEP + b"#c\n"
    found = changes({"a.ndb": first}, {"a.ndb": first + _ndb()})
    assert found[0].where == "a.ndb: T"
    assert (found[0].path, found[0].offset, found[0].length) == (
        "db/a.ndb",
        len(first),
        len(_ndb()) - 1,
    )
