"""Updates replayed as ClamAV does it, and chains of them."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cases import clamav_build as make
from verifier.errors import ParseError, VerifierError
from verifier.formats.clamav import pack, script, unpacked
from verifier.sigdb import updates
from verifier.sigdb.base import File
from verifier.signatures.trust import Trust
from verifier.signatures.x509 import load_certificate

if TYPE_CHECKING:
    from pathlib import Path

UPDATES = tuple(f"test-{number}.cdiff" for number in range(2, 7))
CHAIN = ("test-1.cvd", *UPDATES, "test-6.cvd")


def _file(name: str, data: bytes = b"") -> File:
    return File(f"release/{name}", name, memoryview(data or make.file(name)))


def _files(*names: str) -> list[File]:
    return [_file(name) for name in names]


def _kinds(release: updates.Release) -> list[tuple[str, str]]:
    return [(change.kind, change.where) for change in release.changes]


def _script(name: str) -> bytes:
    return unpacked.script(memoryview(make.file(name)))


def test_a_database_and_its_updates_are_the_later_database() -> None:
    files = unpacked.members(memoryview(make.file("test-1.cvd")))
    for name in UPDATES:
        files = script.replay(files, _script(name))
        assert files == unpacked.members(memoryview(make.file(name.replace("cdiff", "cvd"))))


def test_the_engine_replays_alike(tmp_path: Path) -> None:
    for name, data in make.members(make.file("test-1.cvd")).items():
        (tmp_path / name).write_bytes(data)
    for name in UPDATES:
        subprocess.run(
            ["sigtool", f"--run-cdiff={make.folder() / 'freshclam_testfiles' / name}"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    seen = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert seen == make.members(make.file("test-6.cvd"))


def test_the_chain_of_the_test_set_is_one_release() -> None:
    release = updates.verify(updates.ordered(_files(*reversed(CHAIN), "test-3.cvd")))
    assert _kinds(release) == []
    assert release.version == 6
    assert release.files == make.members(make.file("test-6.cvd"))


def test_a_gap() -> None:
    release = updates.verify(_files("test-1.cvd", "test-2.cdiff", "test-4.cdiff", "test-5.cdiff"))
    assert _kinds(release) == [("update-gap", "test-4.cdiff")]
    assert release.version == 2


@pytest.mark.parametrize("last", ["test-2.cdiff", "test-1.cvd"])
def test_a_downgrade(last: str) -> None:
    release = updates.verify(_files("test-1.cvd", "test-2.cdiff", "test-3.cdiff", last))
    assert _kinds(release) == [("update-downgrade", last)]
    assert release.version == 3


def test_a_full_database_that_the_updates_do_not_make() -> None:
    other = _file("test-6.cvd", make.rebuilt("test-5.cvd", version=6))
    release = updates.verify([*_files(*CHAIN[:-1]), other])
    assert ("update-result", "test-6.cvd") in _kinds(release)


def test_an_update_whose_result_its_list_does_not_name() -> None:
    """The prefix of a line to be changed is weak: a script can fit, and make something else."""
    text = _script("test-5.cdiff")
    assert text.count(b"ADD ") == 1
    bad = text.replace(b"ADD ", b"ADD Evil", 1)
    release = updates.verify([_file("test-4.cvd"), _file("test-5.cdiff", _update(5, bad))])
    assert ("update-result", "test-5.cdiff") in _kinds(release)
    assert "test.ndb" in release.changes[-1].summary


def _update(version: int, text: bytes, signature: bytes = b"X") -> bytes:
    return b"ClamAV-Diff:%d:%d:%b:%b" % (version, len(text), pack.gzip(text), signature)


def test_a_signature_for_other_bytes() -> None:
    signature = make.file("test-2.cdiff").rpartition(b":")[2]
    bad = _update(2, _script("test-2.cdiff") + b"#\n", signature)
    release = updates.verify([_file("test-1.cvd"), _file("test-2.cdiff", bad)])
    assert _kinds(release) == [("signature-invalid", "test-2.cdiff")]


def test_a_signature_that_ceases() -> None:
    bad = _update(2, _script("test-2.cdiff"))
    release = updates.verify([_file("test-1.cvd"), _file("test-2.cdiff", bad)])
    assert _kinds(release) == [("update-signature-missing", "test-2.cdiff")]


def test_a_sign_file_that_ceases() -> None:
    beside = {
        f"{name}.sign": memoryview(b"") for name in ("test-1.cvd", "test-2.cdiff", "test-4.cdiff")
    }
    release = updates.verify(_files("test-1.cvd", *UPDATES[:3]), beside)
    assert _kinds(release) == [("update-signature-missing", "test-3.cdiff")]


@pytest.mark.parametrize(
    ("signer", "over", "kinds"),
    [
        ("vendor", "test-1.cvd", []),
        ("vendor", "test-2.cvd", [("signature-invalid", "test-1.cvd")]),
        ("stranger", "test-1.cvd", [("signature-unexpected", "test-1.cvd")]),
    ],
)
def test_a_sign_file_is_verified_where_somebody_is_trusted(
    signer: str, over: str, kinds: list[tuple[str, str]]
) -> None:
    trust = Trust((load_certificate(make.authority("vendor").root),))
    beside = {"test-1.cvd.sign": memoryview(make.sign_file(over, signer))}
    release = updates.verify(_files("test-1.cvd"), beside, trust=trust)
    assert _kinds(release) == kinds


def test_updates_before_the_first_database_are_held_to_order_and_signature() -> None:
    assert _kinds(updates.verify(_files("test-2.cdiff", "test-3.cdiff", "test-3.cvd"))) == []
    release = updates.verify(_files("test-2.cdiff", "test-4.cdiff"))
    assert _kinds(release) == [("update-gap", "test-4.cdiff")]
    with pytest.raises(ParseError):
        updates.verify([])


def test_files_of_one_database_are_one_chain() -> None:
    loose = File("release/a.ndb", "a.ndb", memoryview(b"x"))
    other = File("elsewhere/test.cvd", "test.cvd", memoryview(make.file("test-1.cvd")))
    found = updates.groups([*_files(*reversed(CHAIN)), loose, other, _file("bytecode.cvd")])
    assert {name: [step.name for step in steps] for name, steps in found.items()} == {
        "elsewhere/test": ["test.cvd"],
        "release/bytecode": ["bytecode.cvd"],
        "release/test": list(CHAIN),
    }


FILES = {"a.ndb": b"one\ntwo\nthree\n", "b.ndb": b"x\n", "c.ndb": b"open"}
SCRIPTS = {
    b"OPEN a.ndb\nADD four\nCLOSE\n": {"a.ndb": b"one\ntwo\nthree\nfour\n"},
    b"OPEN new.ndb\nADD one\nCLOSE\n": {"new.ndb": b"one\n"},
    b"OPEN a.ndb\nDEL 3 thr\nDEL 1 o\nCLOSE\n": {"a.ndb": b"two\n"},
    b"OPEN a.ndb\nXCHG 2 tw deux et\nCLOSE\n": {"a.ndb": b"one\ndeux et\nthree\n"},
    b"MOVE a.ndb b.ndb 1 on 2 tw\n": {"a.ndb": b"three\n", "b.ndb": b"x\none\ntwo\n"},
    b"UNLINK b.ndb\n": {"b.ndb": None},
    b"# nothing\nOPEN a.ndb\nCLOSE\n": {},
}
WRONG = {
    b"OPEN a.ndb\n": "before it closes",
    b"ADD x\n": "no file is open",
    b"OPEN a.ndb\nOPEN b.ndb\n": "still open",
    b"OPEN ../a\n": "no name of a file",
    b"OPEN a.ndb": "has no end",
    b"OPEN a.ndb\nDEL 1 x\nCLOSE\n": "not the one to be changed",
    b"OPEN a.ndb\nDEL 4 x\nCLOSE\n": "not the one to be changed",
    b"OPEN a.ndb\nDEL 1 o n\nCLOSE\n": "3 words",
    b"OPEN a.ndb\nDEL 1 o\nXCHG 1 o x\nCLOSE\n": "changed twice",
    b"OPEN a.ndb\nDEL 0 o\nCLOSE\n": "no line number",
    b"OPEN c.ndb\nDEL 1 o\nCLOSE\n": "has no end",
    b"OPEN a.ndb\nCLOSE it\n": "words follow",
    b"MOVE a.ndb b.ndb 1 on 4 tw\n": "not there",
    b"MOVE a.ndb b.ndb 1 on 2 x\n": "not those",
    b"MOVE a.ndb z.ndb 1 on 2 tw\n": "two files",
    b"UNLINK z.ndb\n": "not there",
    b"RENAME a b\n": "unknown verb",
    b"\n": "unknown verb",
}


@pytest.mark.parametrize("text", SCRIPTS, ids=bytes.decode)
def test_what_a_script_does(text: bytes, tmp_path: Path) -> None:
    wanted = {key: value for key, value in {**FILES, **SCRIPTS[text]}.items() if value is not None}
    assert script.replay(FILES, text) == wanted
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a.info").write_bytes(b"ClamAV-VDB:\n")  # sigtool looks at it after the script
    (tmp_path / "a-2.script").write_bytes(text)
    done = subprocess.run(
        ["sigtool", "--run-cdiff=a-2.script"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    (tmp_path / "a-2.script").unlink()
    (tmp_path / "a.info").unlink()
    assert done.returncode == 0, done
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == wanted


@pytest.mark.parametrize("text", WRONG, ids=bytes.decode)
def test_what_no_script_may_do(text: bytes) -> None:
    with pytest.raises(ParseError, match=WRONG[text]):
        script.replay(FILES, text)


def test_damaged_scripts_raise_nothing_unexpected() -> None:
    chance = random.Random(3)
    files = unpacked.members(memoryview(make.file("test-2.cvd")))
    text = _script("test-3.cdiff")
    for _ in range(300):
        at, other = chance.randrange(len(text)), chance.randrange(len(text))
        for bad in (text[:at] + text[other:], text[:at] + chance.randbytes(2) + text[at + 1 :]):
            try:
                script.replay(files, bad)
            except VerifierError:
                continue


def test_an_update_under_the_name_of_another() -> None:
    """freshclam asks for an update by the number in its name, whatever its header says."""
    swapped = [
        _file("test-1.cvd"),
        File("release/test-3.cdiff", "test-3.cdiff", memoryview(make.file("test-2.cdiff"))),
        File("release/test-2.cdiff", "test-2.cdiff", memoryview(make.file("test-3.cdiff"))),
    ]
    found = _kinds(updates.verify(updates.ordered(swapped)))
    assert found == [("update-gap", "test-3.cdiff"), ("update-gap", "test-2.cdiff")]
