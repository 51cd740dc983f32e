"""Pairs of databases of which clamscan says that the second one catches less.

Each is a trick that was once told as no change, or as one that weakens nothing.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.clamav.engine import ONE, SAMPLE, changes, scan
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
CAUGHT: Database = {"a.ndb": NDB}
ZIPPED = _zipped(SAMPLE * 9)
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
    assert {item.weakening for item in changes(rebuilt, shipped)} - {""} == {expected}
