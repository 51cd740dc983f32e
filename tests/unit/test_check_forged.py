"""Proofs that someone wrote to be believed: none is."""

from __future__ import annotations

import base64
import copy
import hashlib
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import compare_bytes
from verifier import check, ruleset
from verifier.attest.reproof import judge, vouch
from verifier.semantic.layout import encode
from verifier.semantic.layout.extent import Extent

if TYPE_CHECKING:
    from pathlib import Path

EVIL, GOOD = b"evil program" * 9, b"good program" * 9


def entry(shipped: bytes, rebuilt: bytes, patches: list[dict[str, Any]], **more: Any) -> Any:
    sides = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in (("shipped", shipped), ("rebuilt", rebuilt))
    }
    return {"path": "file", **sides, "patches": patches, **more}


def patch(data: bytes, **more: Any) -> dict[str, Any]:
    known = {"rule": "pe.checksum", "strength": "derived", "field": "x", "free_bytes": 0}
    place = {"offset": 0, "length": len(data), "rebuilt_offset": 0, "rebuilt_length": len(data)}
    return {**known, **place, "data": base64.b64encode(data).decode(), **more}


def held(item: Any, shipped: bytes, rebuilt: bytes) -> None:
    check.check_file(item, memoryview(shipped), memoryview(rebuilt), lambda *_: ("", 0))


def mapped(offset: int, length: int, **more: int) -> dict[str, Any]:
    made = patch(b"", codec="layout", strength="mapped", rule="image.layout")
    del made["data"]
    return {**made, "offset": offset, "length": length, **more}


def layout(offset: int, length: int, rebuilt_offset: int, rebuilt_length: int) -> dict[str, Any]:
    return {"format": "elf", "map": "", "offset": offset, "length": length,
            "rebuilt_offset": rebuilt_offset, "rebuilt_length": rebuilt_length}  # fmt: skip


def test_the_last_bytes_do_not_vouch_for_all_of_them() -> None:
    """A negative place made the checker judge the end of both files, and accept the rest."""
    shipped, rebuilt = EVIL + b"image", GOOD + b"image"
    size = len(EVIL)
    patches = [mapped(0, size, rebuilt_length=size)]
    wide = layout(-5, len(shipped) + 5, -5, len(rebuilt) + 5)
    with pytest.raises(check.Broken, match="place"):
        held(entry(shipped, rebuilt, patches, layouts=[wide]), shipped, rebuilt)


def test_a_negative_length_does_not_reach_behind_the_image() -> None:
    shipped, rebuilt = b"image" + EVIL + b"e", b"image"
    patches = [mapped(0, -1, rebuilt_length=4)]
    item = entry(shipped, rebuilt, patches, layouts=[layout(0, 5, 0, 5)])
    with pytest.raises(check.Broken, match="place"):
        held(item, shipped, rebuilt)


def test_an_image_does_not_vouch_for_its_neighbour() -> None:
    """Two images of a container: the second became a copy of the first."""
    shipped, rebuilt = b"AAAA" + b"AAAA", b"aaaa" + b"bbbb"
    patches = [
        mapped(0, 4),
        mapped(4, 4, rebuilt_length=4),
        patch(b"", offset=8, rebuilt_offset=4, rebuilt_length=4),
    ]
    layouts = [layout(0, 4, 0, 4), layout(4, 4, 0, 4)]
    with pytest.raises(check.Broken, match="one place"):
        held(entry(shipped, rebuilt, patches, layouts=layouts), shipped, rebuilt)


@pytest.mark.parametrize("free", [-1, len(EVIL) + 1, True, 0.5])
def test_free_bytes_are_a_number_of_bytes(free: object) -> None:
    item = entry(EVIL, GOOD, [patch(EVIL, free_bytes=free)])
    with pytest.raises(check.Broken):
        held(item, EVIL, GOOD)


def document(tmp_path: Path, **more: Any) -> tuple[dict[str, Any], Path, Path]:
    for name, data in (("s", EVIL), ("r", GOOD)):
        (tmp_path / name).write_bytes(data)
    proof = {
        "schema": check.SCHEMA,
        "verdict": "equivalent",
        "free_bytes": 0,
        "rules_digest": ruleset.digest(),
        "files": [entry(EVIL, GOOD, [patch(EVIL)])],
    }
    return {**proof, **more}, tmp_path / "s", tmp_path / "r"


def test_identical_files_need_no_patch(tmp_path: Path) -> None:
    with pytest.raises(check.Broken, match="identical"):
        check.check(*document(tmp_path, verdict="identical"))


def test_rules_are_those_that_there_are(tmp_path: Path) -> None:
    proof, *paths = document(tmp_path)
    check.check(proof, *paths, judge, vouch)
    for key, value in (("rule", "pe.invented"), ("strength", "signed"), ("rule", "waiver")):
        forged = copy.deepcopy(proof)
        forged["files"][0]["patches"][0][key] = value
        with pytest.raises(check.Broken, match="No rule"):
            check.check(forged, *paths, judge, vouch)
    with pytest.raises(ValueError, match="other rules"):
        check.check({**proof, "rules_digest": "0" * 64}, *paths, judge, vouch)


@pytest.mark.parametrize("mode", [0o4755, 0o700])
def test_modes_of_directories_proven_are_the_same(mode: int, tmp_path: Path) -> None:
    for side in ("s", "r"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "file").write_bytes(GOOD)
        (tmp_path / side / "file").chmod(0o755)
    proof = {**document(tmp_path / "s")[0], "files": [entry(GOOD, GOOD, [])]}
    for name in ("s", "r"):
        (tmp_path / "s" / name).unlink()
    check.check(proof, tmp_path / "s", tmp_path / "r")
    (tmp_path / "s" / "file").chmod(mode)
    with pytest.raises(check.Broken, match="mode"):
        check.check(proof, tmp_path / "s", tmp_path / "r")


def test_an_altered_map_does_not_hold(tmp_path: Path) -> None:
    """Extents exchanged, doubled, shortened or left out."""
    one, other = (f".text\n{first}{second}" for first, second in ((_F, _G), (_G, _F)))
    shipped, rebuilt = (_linked(tmp_path, text) for text in (other, one))
    assert compare_bytes(shipped, rebuilt).verdict.positive
    from verifier.semantic.layout.explain import explain  # noqa: PLC0415 - here alone

    extents = list(explain("elf", memoryview(shipped), memoryview(rebuilt)).extents)
    assert len(extents) > 1
    forged = [
        extents[1:],
        [*extents, extents[0]],
        [extents[0]._replace(length=extents[0].length - 1), *extents[1:]],
        [Extent(extents[0].a, extents[1].b, extents[0].length), *extents[1:]],
    ]
    for each in forged:
        said = layout(0, len(shipped), 0, len(rebuilt)) | {"map": encode.encode(each)}
        assert judge(said, memoryview(shipped), memoryview(rebuilt), ())[0]


_F = ".globl f\n.type f,@function\n.p2align 4\nf: mov $1,%eax\n ret\n.size f,.-f\n"
_G = ".globl g\n.type g,@function\n.p2align 4\ng: mov $2,%eax\n ret\n.size g,.-g\n"


def _linked(where: Path, text: str) -> bytes:
    (where / "x.s").write_text(text + '.section .note.GNU-stack,"",@progbits\n')
    command = ("gcc", "-shared", "-nostdlib", "-Wl,--build-id=none", "-s", "-o", "x.so", "x.s")
    subprocess.run(command, cwd=where, check=True)
    return (where / "x.so").read_bytes()
