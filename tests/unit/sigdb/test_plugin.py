"""The example plug-in of CONTRIBUTING.md: installed as a user would, found, and right."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb import asking
from verifier import sigdb
from verifier.errors import EXIT_INCONCLUSIVE, ParseError, UsageError
from verifier.sigdb import opaque

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import Family

PLUGIN = Path(__file__).resolve().parents[3] / "fixtures/plugin"
AGENT, BOT = (1, b"Acme.Agent", b"\x6a\x40"), (1, b"Acme.Bot", b"\x90\x90")
CLEAN = (2, b"Acme.Clean", b"\x00")
Entry = tuple[int, bytes, bytes]


def avdb(*entries: Entry, made: int = 1_700_000_000) -> bytes:
    data = struct.pack("<4sHII", b"AVDB", 1, made, len(entries))
    for kind, name, pattern in entries:
        data += struct.pack("<BB", kind, len(name)) + name
        data += struct.pack("<H", len(pattern)) + pattern
    return data + struct.pack("<I", zlib.crc32(data))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("plugin")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(target), str(PLUGIN)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    assert (target / "acme_avdb.py").is_file()
    return target


@pytest.fixture
def family(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    monkeypatch.syspath_prepend(str(installed))
    sigdb.plugins.cache_clear()
    sigdb.named.cache_clear()
    yield sigdb.named("avdb")
    monkeypatch.undo()
    sys.modules.pop("acme_avdb", None)
    sigdb.plugins.cache_clear()
    sigdb.named.cache_clear()


def changes(family: Family, rebuilt: bytes, shipped: bytes) -> list[tuple[str, str, str]]:
    found = asking.changes(family, rebuilt, shipped, "main.avdb")
    return [(item.kind, item.where, item.weakening) for item in found]


def test_the_plugin_is_found_and_asked_first(family: Family) -> None:
    assert list(sigdb.plugins()) == ["avdb"]
    assert sigdb.family_of("main.avdb", memoryview(avdb(AGENT))) == "avdb"
    assert sigdb.family_of("main.avdb", memoryview(b"something else")) == ""
    assert family.name == "avdb"


def test_what_the_engine_does_not_heed_is_no_change(family: Family) -> None:
    one = avdb(AGENT, BOT, CLEAN)
    assert not changes(family, one, avdb(CLEAN, BOT, AGENT, made=1_800_000_000))
    assert not changes(family, one, avdb(AGENT, BOT, CLEAN, (1, b"Acme.Bot", b"\x91")))


def test_its_classes(family: Family) -> None:
    one = avdb(AGENT, BOT)
    longer = (1, b"Acme.Bot", b"\x90\x90\x91")
    assert changes(family, one, avdb(AGENT)) == [
        ("detection-removed", "main.avdb: Acme.Bot", "signature-removed")
    ]
    assert changes(family, one, avdb(AGENT, longer)) == [
        ("detection-changed", "main.avdb: Acme.Bot", "pattern-narrowed")
    ]
    assert changes(family, avdb(AGENT, longer), one) == [
        ("detection-changed", "main.avdb: Acme.Bot", "changed")
    ]
    assert changes(family, one, avdb(AGENT, BOT, CLEAN)) == [
        ("allowlist-added", "main.avdb: Acme.Clean", "allowlist-added")
    ]
    assert changes(family, avdb(AGENT), one) == [("detection-added", "main.avdb: Acme.Bot", "")]


def test_every_byte_counts(family: Family) -> None:
    data = avdb(AGENT, BOT, CLEAN)
    for at in range(len(data)):
        other = bytearray(data)
        other[at] ^= 1
        with pytest.raises(ParseError):  # the checksum, if nothing else
            asking.records(family, bytes(other), "main.avdb")
    with pytest.raises(ParseError):
        asking.records(family, data + b"\0", "main.avdb")
    assert not any(asking.survives(family, item, "a.avdb") for item in asking.mutants([data], 200))


def test_without_the_plugin_there_is_no_such_family() -> None:
    with pytest.raises(UsageError, match="no database family 'avdb'"):
        sigdb.named("avdb")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import no_such_module", "cannot be loaded: No module"),
        ("FAMILY = 1 +", "cannot be loaded: invalid syntax"),
        ("from verifier.sigdb.base import Family\nFAMILY = Family(colour=1)", "cannot be loaded"),
        ("OTHER = 1", "cannot be loaded: module"),
        ("raise RuntimeError('needs a licence')", "cannot be loaded: needs a licence"),
        ("FAMILY = 'avdb'", "names no Family"),
    ],
)
def test_a_broken_plugin_is_named(
    module: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_family.py").write_text(module, "utf-8")
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n", "utf-8")
    points = "[source_binary_verifier.sigdb]\nbroken = broken_family:FAMILY\n"
    (info / "entry_points.txt").write_text(points, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_family", raising=False)
    sigdb.plugins.cache_clear()
    try:
        with pytest.raises(UsageError, match=said):
            sigdb.plugins()
    finally:
        monkeypatch.undo()
        sys.modules.pop("broken_family", None)
        sigdb.plugins.cache_clear()


def test_an_opaque_database_points_to_the_guide() -> None:
    family = sigdb.named("opaque")
    assert not family.accepts("a.bin", memoryview(b""))
    with pytest.raises(opaque.OpaqueError, match="Add a database family") as raised:
        asking.records(family, b"?", "a.bin")
    assert raised.value.exit_code == EXIT_INCONCLUSIVE
    guide = (PLUGIN.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    assert "## Add a database family" in guide
