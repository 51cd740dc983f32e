"""Extension modules that MSVC built, as PyPI has them: read, and never taken for equal."""

from __future__ import annotations

import zipfile
from functools import cache

import pytest

from tests import realfiles
from verifier.formats.pe.layout import layout
from verifier.semantic.layout import decoders, pe
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.explain import explain

FROZEN, HASHES = "frozenlist", "xxhash"


@cache
def module(name: str, version: str) -> bytes:
    with zipfile.ZipFile(realfiles.wheel(name, version, "win_amd64")) as archive:
        (member,) = [each for each in archive.namelist() if each.endswith(".pyd")]
        return archive.read(member)


def test_two_releases_with_the_same_code_differ_in_no_function() -> None:
    """xxhash 3.5.0 was linked by another linker than 3.4.1, and its C code is the same."""
    found = explain("pe", *(memoryview(module(HASHES, each)) for each in ("3.5.0", "3.4.1")))
    assert not found.differences
    assert found.notes[0] == "0 of 191 functions differ."
    assert not found.finding.total
    assert any("load-config" in note for note in found.notes)


def test_two_releases_with_other_code_name_what_came_and_went() -> None:
    found = explain("pe", *(memoryview(module(FROZEN, each)) for each in ("1.5.0", "1.4.1")))
    kinds = {each.kind for each in found.differences}
    assert {"function-changed", "function-added", "function-removed"} <= kinds
    assert not found.finding.total


@pytest.mark.parametrize("seed", range(6))
def test_one_changed_instruction_is_one_changed_function(seed: int) -> None:
    """A conditional jump turned into its opposite, each time in another function."""
    data = module(HASHES, "3.5.0")
    image = assemble(pe.load(memoryview(data)), decoders.first)
    code = next(each for each in image.program.pieces if each.name == ".text")
    jumps = [
        at
        for at in image.instructions.tolist()
        if code.address <= at < code.end and data[code.offset + at - code.address] in (0x74, 0x75)
    ]
    at = jumps[len(jumps) * (2 * seed + 1) // 12]
    changed = bytearray(data)
    changed[code.offset + at - code.address] ^= 1
    found = explain("pe", memoryview(bytes(changed)), memoryview(data))
    assert not found.finding.total
    (told,) = found.differences
    assert told.kind == "function-changed"
    assert "comparison or branch" in told.summary
    start = image.atom(at)
    assert told.where.split(" ")[0] == f".text+{start - code.address:#x}"


@pytest.mark.parametrize("name", ["load-config", "delay-import", "clr"])
def test_directories_that_nobody_reads_here_are_a_doubt(name: str) -> None:
    data = bytearray(module(HASHES, "3.5.0"))
    image = layout(memoryview(data)).info
    at = image.table_end - 40 * len(image.sections) - 128
    from verifier.formats.pe.headers import DIRECTORY  # noqa: PLC0415 - the table's order

    place = at + 8 * DIRECTORY[name]
    if not any(data[place : place + 8]):
        start = image.sections[1].address
        data[place : place + 8] = start.to_bytes(4, "little") + (64).to_bytes(4, "little")
    program = pe.load(memoryview(data))
    assert any(name in doubt for doubt in program.doubts), program.doubts
