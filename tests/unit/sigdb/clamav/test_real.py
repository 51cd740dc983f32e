"""ClamAV's own test set: all members parse, and one version differs from the next as it should."""

from __future__ import annotations

import io
import tarfile
import zlib
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.realfiles import clamav_source
from tests.unit.sigdb.clamav.engine import told
from verifier.errors import ParseError
from verifier.sigdb import family_of
from verifier.sigdb.base import File
from verifier.sigdb.clamav import FAMILY

if TYPE_CHECKING:
    from pathlib import Path

INPUT = "unit_tests/input"


@cache
def _members(path: Path) -> tuple[File, ...]:
    raw = path.read_bytes()[512:]
    payload = raw if raw.startswith(b"COPYING") else zlib.decompress(raw, 31)
    found = []
    with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            data = memoryview(content.read())
            found.append(File(f"{path.name}!/{member.name}", member.name, data, "cvd"))
    return tuple(found)


def _test(number: int) -> tuple[File, ...]:
    return _members(clamav_source() / INPUT / f"freshclam_testfiles/test-{number}.cvd")


@pytest.mark.parametrize("number", range(1, 7))
def test_every_member_of_every_version_parses(number: int) -> None:
    members = _test(number)
    assert len(members) >= 3
    assert sum(len(list(FAMILY.records(member, {}))) for member in members) > 10
    assert FAMILY.changes is not None
    assert not list(FAMILY.changes(members, _test(number), {}))


def test_the_last_version_adds_exactly_one_signature() -> None:
    assert FAMILY.changes is not None
    found = list(FAMILY.changes(_test(5), _test(6), {}))
    assert [(kind, weak) for kind, _, weak in told(found)] == [("detection-added", "")]
    back = list(FAMILY.changes(_test(6), _test(5), {}))
    assert [(kind, weak) for kind, _, weak in told(back)] == [
        ("detection-removed", "signature-removed")
    ]


@cache
def _bytecode() -> tuple[File, ...]:
    folder = clamav_source() / INPUT / "bytecode_sigs"
    return tuple(
        File(path.name, path.name, memoryview(path.read_bytes()))
        for path in sorted(folder.glob("*.cbc"))
    )


def test_bytecode_parses() -> None:
    assert len(_bytecode()) == 23
    for file in _bytecode():
        (record,) = FAMILY.records(file, {})
        assert len(record.value("code")) == 64
        assert family_of(file.name, file.data) == "clamav"


def test_the_fields_of_bytecode() -> None:
    file = next(file for file in _bytecode() if file.name == "lsig_7.cbc")
    (record,) = FAMILY.records(file, {})
    assert record.name == "Test"
    assert dict(record.body) | {"code": ""} == {
        "format": "6", "exclude": "0", "kind": "256", "resource": "0", "types": "20",
        "functions": "1", "names": "Test.{A,B}", "Target": "1", "engine": "56-255",
        "logic": "(((0|1|2)=42,2)|(3=10))", "sub0": "EP+0:aabb", "sub1": "ffff",
        "sub2": "aaccee", "sub3": "f00d", "sub4": "dead", "code": "",
    }  # fmt: skip


def test_the_bytecode_container_parses() -> None:
    members = _members(clamav_source() / INPUT / "bytecode_sigs/bytecode.cvd")
    records = [record for member in members for record in FAMILY.records(member, {})]
    assert [record.scope for record in records] == ["cbc", "cbc", "cbc", "hdb", "hdb"]
    assert records[0].name == "BC.Win32.Patched.User32"


def _changed(data: bytes, name: str = "lsig_7.cbc") -> list[tuple[str, str, str]]:
    assert FAMILY.changes is not None
    original = next(file for file in _bytecode() if file.name == name)
    other = original._replace(data=memoryview(data))
    return told(list(FAMILY.changes([original], [other], {})))


def test_what_of_bytecode_means_something() -> None:
    original = bytes(next(file for file in _bytecode() if file.name == "lsig_7.cbc").data)
    lines = original.split(b"\n")
    source = next(n for n, line in enumerate(lines) if line.startswith(b"S"))
    stamp = lines[0].replace(b"afhijllfole|", b"afhijllfola|")
    assert stamp != lines[0]
    assert _changed(b"\n".join([stamp, *lines[1:]])) == []
    assert _changed(b"\n".join([*lines[:source], b"Sxx", *lines[source + 1 :]])) == []
    assert _changed(b"\n".join([lines[0].replace(b":4096", b":8192"), *lines[1:]])) == []
    changed = [("detection-changed", "Test", "signature-changed")]
    code = lines[source - 1]
    flipped = code[:-1] + bytes([code[-1] ^ 1])
    assert _changed(b"\n".join([*lines[: source - 1], flipped, *lines[source:]])) == changed
    narrower = original.replace(b"Engine:56-255", b"Engine:99-255")
    assert _changed(narrower) == [("detection-changed", "Test", "levels-narrowed")]
    assert _changed(original.replace(b"(3=10)", b"(3=11)")) == changed


@pytest.mark.parametrize("edit", [
    (b"ClamBC", b"ClamBD"), (b"jb:", b"kb:"), (b":4096", b":20"), (b"coincidence", b"coincidencf"),
    (b"\nTedd", b"\nXedd"), (b"\nEaea", b"\nQaea"), (b"|ancf", b"anncf"),
    (b"Test.{A,B}", b"Te\0t.{A,B}"),
])  # fmt: skip
def test_broken_bytecode_is_refused(edit: tuple[bytes, bytes]) -> None:
    file = next(file for file in _bytecode() if file.name == "lsig_7.cbc")
    data = bytes(file.data).replace(*edit, 1)
    assert data != bytes(file.data)
    with pytest.raises(ParseError):
        list(FAMILY.records(file._replace(data=memoryview(data)), {}))
