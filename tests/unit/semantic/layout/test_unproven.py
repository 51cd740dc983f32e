"""Files of which nothing can be proven: their functions are compared all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds, loose
from verifier import run
from verifier.model import Settings, Verdict
from verifier.pair import pair_paths
from verifier.semantic.layout import encode, recheck
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.semantic.layout.explain import Explained


def compared(shipped: Path, rebuilt: Path) -> Explained:
    return explain("elf", memoryview(shipped.read_bytes()), memoryview(rebuilt.read_bytes()))


@pytest.mark.parametrize("name", list(loose.KINDS))
def test_just_the_functions_that_changed_are_told(tmp_path: Path, name: str) -> None:
    kind = loose.KINDS[name]
    rebuilt = loose.built(kind, tmp_path / "rebuilt")
    found = compared(loose.built(kind, tmp_path / "shipped", changed=True), rebuilt)
    changed = [each for each in found.differences if each.kind == "function-changed"]
    assert {each.where for each in changed} == {"grow", "decide"}
    assert all(each.detail for each in changed)
    others = [each.where for each in found.differences if each not in changed]
    assert not others or (name.startswith("i386") and others == ["__x86.get_pc_thunk.bp"])
    assert not found.finding.total


@pytest.mark.parametrize("name", list(loose.KINDS))
def test_another_order_changes_no_function_and_is_never_equal(tmp_path: Path, name: str) -> None:
    kind = loose.KINDS[name]
    rebuilt = loose.built(kind, tmp_path / "rebuilt")
    shipped = loose.built(kind, tmp_path / "shipped", turned=True)
    found = compared(shipped, rebuilt)
    assert not found.differences, found.differences
    assert not found.finding.total
    layout = {"format": "elf", "map": encode.encode(found.extents)}
    data = [memoryview(path.read_bytes()) for path in (shipped, rebuilt)]
    assert recheck.judge(layout, *data, ())[0]


@pytest.mark.parametrize("name", ["x86-64 fixed", "i386 fixed", "AArch64 fixed"])
def test_stripped_programs_are_compared_by_their_code(tmp_path: Path, name: str) -> None:
    kind = loose.KINDS[name]
    files = [loose.built(kind, tmp_path / which, changed=which == "shipped") for which in
             ("rebuilt", "shipped")]  # fmt: skip
    for file in files:
        builds.run(kind.compiler.removesuffix("gcc") + "strip", "-s", file)
    found = compared(files[1], files[0])
    assert len(found.differences) == 2
    assert all(each.where.startswith(".text+") for each in found.differences)


def test_an_object_stays_different_and_names_what_changed(tmp_path: Path) -> None:
    kind = loose.KINDS["x86-64 object of a kernel"]
    rebuilt = loose.built(kind, tmp_path / "rebuilt")
    shipped = loose.built(kind, tmp_path / "shipped", changed=True)
    report = run.compare(pair_paths(shipped, rebuilt), Settings(), 1).report
    assert report.verdict is Verdict.DIFFERENT
    told = report.members[0].differences
    assert [each.kind for each in told[:2]] == ["function-changed"] * 2
    assert not any(each.kind == "bytes" and ".text" in each.where for each in told)
