"""The last function of an image refers to data behind it: no function begins there to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from verifier.semantic.layout import encode, recheck
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "int first[4] = {1, 2, 3, 4};\n", "int second[4] = {5, 6, 7, 8};\n"
CODE = """
int one(int n) { return first[n & 3]; }
int two(int n) { return second[n & 3]; }
int last(int n) { return %s[0] + n; }
"""
FLAGS = ("-O1", "-fPIC", "-fvisibility=hidden", "-fno-toplevel-reorder")
LINK = ("-shared", "-nostdlib", "-Wl,--build-id=none", "-Wl,-e,last")


def image(where: Path, data: str, used: str) -> bytes:
    where.mkdir()
    (where / "last.c").write_text(data + CODE % used)
    builds.run("gcc", *FLAGS, *LINK, "-o", "last.so", "last.c", where=where)
    return (where / "last.so").read_bytes()


@pytest.mark.parametrize(("used", "total"), [("first", True), ("second", False)])
def test_data_that_moved_is_followed_from_the_last_function(
    tmp_path: Path, used: str, total: bool
) -> None:
    rebuilt = image(tmp_path / "rebuilt", FIRST + SECOND, "first")
    shipped = image(tmp_path / "shipped", SECOND + FIRST, used)
    found = explain("elf", memoryview(shipped), memoryview(rebuilt))
    assert found.finding.total == total
    assert [each.where for each in found.differences] == ([] if total else ["last"])
    honest = image(tmp_path / "honest", SECOND + FIRST, "first")
    extents = explain("elf", memoryview(honest), memoryview(rebuilt)).extents
    layout = {"format": "elf", "map": encode.encode(extents)}
    fault, _assumed = recheck.judge(layout, memoryview(shipped), memoryview(rebuilt), ())
    assert bool(fault) != total
