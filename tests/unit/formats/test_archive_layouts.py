"""Layouts of archives: they tile real files, hostile ones raise one clear error, flips show."""

from __future__ import annotations

import random
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.cases import archive_build as make
from tests.cases.archive_tampers import BASES
from tests.realfiles import debian_package, wheel
from tests.support import compare_bytes
from verifier import formats
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats import ar, magic, tar
from verifier.formats import zip as zipped
from verifier.model import Policy, Verdict

if TYPE_CHECKING:
    from pathlib import Path


def tiles(data: bytes) -> list[str]:
    """The names of all spans, which must cover the file exactly once."""
    cut = formats.sniff(memoryview(data)).layout(memoryview(data))
    at = 0
    for span in cut.spans:
        assert span.offset == at
        at = span.end
    assert at == len(data)
    names = [span.name for span in cut.spans]
    assert len(set(names)) == len(names)
    return names


@pytest.mark.parametrize("kind", BASES)
def test_spans_tile_the_file(kind: str) -> None:
    assert tiles(BASES[kind](0))


def test_real_files_are_tiled_and_their_members_are_those_that_others_see() -> None:
    package = debian_package("tree").read_bytes()
    assert magic.deb(memoryview(package))
    tiles(package)
    path = wheel("six", "1.16.0")
    names = tiles(path.read_bytes())
    assert [f"member[{name}].data" for name in zipfile.ZipFile(path).namelist()] == [
        name for name in names if name.endswith(".data")
    ]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_tar_files_with_long_names(kind: int, tmp_path: Path) -> None:
    name = "/".join(["d" * 40] * (3 if kind == tarfile.USTAR_FORMAT else 8))
    with tarfile.open(tmp_path / "x", "w", format=kind) as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert f"member[{name}].name" in tiles((tmp_path / "x").read_bytes())


@pytest.mark.parametrize("kind", BASES)
def test_truncated_and_spliced_files_raise_nothing_unexpected(kind: str) -> None:
    data, chance = BASES[kind](0), random.Random(kind)
    found = formats.sniff(memoryview(data))
    tries = [data[:length] for length in range(0, len(data), max(1, len(data) // 200))]
    for _ in range(300):
        one, other, size = (chance.randrange(len(data)) for _ in range(3))
        tries.append(data[:one] + data[other : other + size % 700] + data[one + size % 300 :])
    for each in tries:
        try:
            cut = found.layout(memoryview(each))
        except VerifierError:
            continue
        assert sum(span.length for span in cut.spans) == len(each)


def _named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, link
    block = info.tobuf(tarfile.GNU_FORMAT)
    return make.rehash(make.put(block, 0, name.encode().ljust(100, b"\0")), 0) + bytes(1024)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_named("../x"), "leads out"),
        (_named("/etc/x"), "leads out"),
        (_named("a", tarfile.SYMTYPE, "../../x"), "leads out"),
        (_named("a", tarfile.LNKTYPE, "/etc/x"), "leads out"),
        (_named("a", tarfile.CHRTYPE), "character device"),
        (_named("a", tarfile.BLKTYPE), "block device"),
        (_named("a", tarfile.FIFOTYPE), "named pipe"),
        (_named("a", b"S"), "sparse"),
    ],
    ids=range(8),
)
def test_what_no_tree_may_hold_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        tar.layout(memoryview(data))
    assert compare_bytes(data, data[:-512]).verdict is Verdict.INCONCLUSIVE


def test_links_within_the_tree_are_no_escape() -> None:
    tar.layout(memoryview(_named("a/b/c", tarfile.SYMTYPE, "../../x")))
    tar.layout(memoryview(_named("usr/bin/x", tarfile.SYMTYPE, "/etc/alternatives/x")))


def test_thin_archives_and_zip_escapes_are_refused() -> None:
    with pytest.raises(LimitError, match="thin"):
        ar.layout(memoryview(b"!<thin>\n"))
    with pytest.raises(LimitError, match="leads out"):
        zipped.layout(memoryview(make.zipped(**{"../x": b"x"})))


def test_a_zip_that_declares_a_bomb_is_refused_at_once() -> None:
    data = make.zipped()
    entry = data.index(b"PK\x01\x02")
    with pytest.raises(LimitError, match="times its size"):
        zipped.layout(memoryview(make.put(data, entry + 24, b"\0\0\0\x20")))


def test_overlapping_zip_members_are_refused() -> None:
    data = make.zipped()
    first, second = (
        data.index(b"PK\x01\x02"),
        data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1),
    )
    with pytest.raises(ParseError, match="overlaps"):
        zipped.layout(memoryview(make.put(data, second + 42, data[first + 42 : first + 46])))


@pytest.mark.parametrize("kind", BASES)
def test_no_flipped_byte_goes_unnoticed(kind: str) -> None:
    """Sampled; all bytes of such files were tried once by hand."""
    shipped, rebuilt = BASES[kind](0), BASES[kind](1)
    chance = random.Random(kind)
    policy = Policy(reencode=1 << 20 if kind == "gzip" else 0)
    for at in chance.sample(range(len(shipped)), min(40, len(shipped))):
        flipped = make.put(shipped, at, bytes([shipped[at] ^ chance.choice((1, 0x80, 0xFF))]))
        found = compare_bytes(flipped, rebuilt, policy)
        if found.verdict in {Verdict.IDENTICAL, Verdict.EQUIVALENT}:
            assert at in found.free(), (at, found.patches)


def test_another_stream_of_a_member_only_one_file_has_is_no_patch() -> None:
    """The rules of streams speak of compared payloads alone."""
    found = compare_bytes(make.zipped(new=make.OTHER), make.zipped())
    assert found.verdict is Verdict.DIFFERENT
    assert any(
        (item.kind, item.where) == ("member-added", "new") or "new" in item.where
        for item in found.differences
    )


def test_an_entry_of_a_zip_directory_is_not_told_beside_its_member() -> None:
    more, less = make.zipped(d=b"more"), make.zipped()
    found = [item.kind for item in compare_bytes(more, less).members[0].differences]
    assert "member-added" in found
    assert "central-added" not in found
