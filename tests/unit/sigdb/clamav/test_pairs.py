"""Pairs of databases of which clamscan says that the second one catches less.

Each is a trick that was once told as no change, or as one that weakens nothing.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.clamav.engine import NONE, ONE, REFUSED, SAMPLE, TWO, changes, scan
from verifier.errors import ParseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sigdb.clamav.engine import Database


def _zipped(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            zipfile.ZipInfo("in.txt", (2024, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED
        )
    return made.getvalue()


NDB = b"T.One:0:*:" + ONE + b"\n"
OTHER = b"K:0:*:" + NONE + b"\n"
LDB = b"T;Engine:51-255,Target:0;%s;" + NONE + b";" + NONE + b"00;" + ONE + b"\n"
TRIGGERED = b"T.L;Engine:81-255,Target:0;0&1;" + TWO + b";%s\n"
CAUGHT: Database = {"a.ndb": NDB}
ZIPPED = _zipped(SAMPLE * 9)
YARA = b'rule r { strings: $a = "MARKER-ONE" condition: $a }\n'
TYPED = b"QQQQ" + ZIPPED  # whose type is found out while it is scanned raw
LONG = b"#" + b"x" * 8190
WEAKER: dict[str, tuple[Database, Database, bytes, str]] = {
    # rebuilt, shipped, sample, class ("" where the shipped side is refused)
    "of two switches for one module the last holds": (
        {**CAUGHT, "a.cfg": b"ARCHIVE:0x0\nARCHIVE:0xffffffff\n"},
        {**CAUGHT, "a.cfg": b"ARCHIVE:0xffffffff\nARCHIVE:0x0\n"},
        ZIPPED,
        "configuration-changed",
    ),
    "what a comment has too much for the loader's buffer is an ignore entry": (
        {**CAUGHT, "a.ign2": b"#\n"},
        {**CAUGHT, "a.ign2": LONG + b"T.One\n"},
        SAMPLE,
        "",
    ),
    "the first special signature sets off the self-protection": (
        {"a.ndb": NDB},
        {"a.ndb": NDB, "a.sdb": b"T.S:0:*:" + NONE + b"\n"},
        TYPED,
        "configuration-changed",
    ),
    "the last special signature goes, and the self-protection with it": (
        {"a.ndb": NDB, "a.sdb": b"T.S:0:*:" + NONE + b"\n"},
        {"a.ndb": NDB, "a.sdb": b"T.S:0:*:" + NONE + b":300\n"},
        b"<html><body>MARKER-ONE-0123456789</body></html>",
        "configuration-changed levels-narrowed",
    ),
    "rules of YARA in a container": (
        {"a.yar": YARA, "a.cud": [("a.ndb", OTHER)]},
        {"a.cud": [("a.yar", YARA), ("a.ndb", OTHER)]},
        SAMPLE,
        "signature-changed",
    ),
    "a comment in a hex string, which the engine's reader of YARA does not know": (
        {"a.yar": b"rule r { strings: $a = { 4d 41 52 4b 45 52 } condition: $a }\n"},
        {"a.yar": b"rule r { strings: $a = { 4d 41 52 /* */ 4b 45 52 } condition: $a }\n"},
        SAMPLE,
        "signature-changed",
    ),
    "a member that swallows what follows": (
        {"a.cud": [("a.ndb", OTHER), ("b.ndb", NDB)]},
        {"a.cud": [("a.ndb", OTHER), ("a.ioc", b"<x>\n"), ("b.ndb", NDB)]},
        SAMPLE,
        "",
    ),
    "parentheses taken away": (
        {"a.ldb": LDB % b"(0&1|2)"},
        {"a.ldb": LDB % b"0&1|2"},
        SAMPLE,
        "signature-narrowed",
    ),
}
ADDED = {
    # one more line, with which the engine refuses the whole database
    "a regular expression that does not compile": ("ldb", TRIGGERED % b"0/(abc/"),
    "one that repeats nothing": ("ldb", TRIGGERED % b"0/a|*/"),
    "one with a range backwards": ("ldb", TRIGGERED % b"0/[z-a]/"),
    "an unknown flag": ("ldb", TRIGGERED % b"0/abc/q"),
    "decimal digits in little-endian": ("ldb", TRIGGERED % b"0(>>10#dl1#=0)"),
    "a binary number of three bytes": ("ldb", TRIGGERED % b"0(>>10#i3#=0)"),
    "a negated choice with modifiers": ("ldb", TRIGGERED % b"!(aa)eeff::w"),
    "a class after one byte": ("ndb", b"T:0:*:00(B)" + ONE + b"\n"),
    "a choice of two bytes after one": ("ndb", b"T:0:*:00(aabb|ccdd)" + ONE + b"\n"),
    "a password of an unknown attribute": ("pwdb", b"N;Moon:1,Target:0;0;a\n"),
    "a password of later engines": ("pwdb", b"N;Engine:300-400,Target:0;0;a\n"),
    "a file type without a name": ("ftm", b"1:*:aabbccdd::CL_TYPE_ANY:CL_TYPE_HTML\n"),
    "a link that ends in anything": ("pdb", b"R:.*\\.org:.*\n"),
    "a pair of links that ends in anything": ("wdb", b"X:a\\.com:b\\.com.*\n"),
}


@pytest.mark.parametrize("case", WEAKER)
def test_the_engine_misses_what_we_say_is_weakened(case: str, tmp_path: Path) -> None:
    rebuilt, shipped, sample, expected = WEAKER[case]
    before = scan(tmp_path / "before", rebuilt, sample=sample)
    after = scan(tmp_path / "after", shipped, sample=sample)
    assert before
    assert not after
    assert changes(rebuilt, rebuilt) == []
    if not expected:
        with pytest.raises(ParseError):
            changes(rebuilt, shipped)
        return
    found = {item.weakening for item in changes(rebuilt, shipped)} - {""}
    assert found == set(expected.split())


@pytest.mark.parametrize("case", ADDED)
def test_an_addition_that_makes_the_engine_refuse_everything(case: str, tmp_path: Path) -> None:
    extension, line = ADDED[case]
    shipped = {**CAUGHT, f"b.{extension}": line}
    assert scan(tmp_path, shipped) == REFUSED
    with pytest.raises(ParseError):
        changes(CAUGHT, shipped)


def test_a_name_that_makes_a_signature_doubtful(tmp_path: Path) -> None:
    """Body signatures of such names are left out where phishing signatures are not wanted."""
    renamed: Database = {"a.ndb": NDB.replace(b"T.One", b"HTML.Phishing.One")}
    off = "--phishing-sigs=no"
    assert scan(tmp_path / "before", CAUGHT, off) == {"T.One"}
    assert scan(tmp_path / "after", renamed, off) == set()
    for name in (b"HTML.Phishing.One", b"PUA.One", b"Heuristics.One"):
        shipped: Database = {"a.ndb": NDB.replace(b"T.One", name)}
        assert [item.weakening for item in changes(CAUGHT, shipped)] == ["moved-to-pua"]
        assert [item.weakening for item in changes(shipped, CAUGHT)] == [""]


def test_an_ignore_entry_that_names_a_file_of_rules() -> None:
    """It means nothing to the engine, which ignores rules of YARA by their own names."""
    ignored: Database = {"a.ign2": b"a.yar\n"}
    found = changes({**ignored, "a.yar": YARA}, {**ignored, "a.yar": YARA.replace(b"ONE", b"XXX")})
    assert [item.weakening for item in found] == ["signature-changed"]


def test_file_types_for_other_engines_alone(tmp_path: Path) -> None:
    types = b"0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE"
    shipped: Database = {**CAUGHT, "a.ftm": types + b":1:100\n"}
    assert scan(tmp_path, shipped) == REFUSED
    with pytest.raises(ParseError, match="without an entry that counts"):
        changes({**CAUGHT, "a.ftm": types + b"\n"}, shipped)
