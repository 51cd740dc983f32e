"""The journal loses nothing, mixes nothing up, and tells where it was changed."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.attest import logs, material
from tests.unit.attest.cli import ROOT
from verifier.attest import audit, entries, journal, merkle, note, tlog
from verifier.attest.refusal import MismatchError
from verifier.errors import LimitError, ParseError, UsageError, VerifierError


def _tamper(path: Path, *statements: str) -> None:
    """Change the file behind the verifier's back, as who owns the machine can."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DROP TRIGGER no_update")
    database.execute("DROP TRIGGER no_delete")
    for statement in statements:
        database.executescript(statement)
    for each in journal.SCHEMA[-2:]:
        database.execute(each)
    database.close()


def test_what_was_appended_is_there_and_holds(log: Path) -> None:
    sound = logs.check(log)
    assert (sound.last.size, sound.checkpoints) == (10, 8)
    with journal.opened(log) as found:
        assert [data for _, data in found.entries()] == [logs.entry(number) for number in range(10)]
        assert sound.last.root == merkle.root(10, found.node)


def test_entries_tell_of_runs_sources_waivers_and_attestations(
    good: material.Run, tmp_path: Path
) -> None:
    report = json.loads(good.report.read_text("utf-8"))
    report["source"] = {"kind": "git", "digest": "abc"}
    waiver = {"member": "a", "field": "b", "reason": "c", "expires": "d", "author": "e"}
    report["waivers"] = [{**waiver, "offset": 1, "length": None}]
    kinds = [
        entries.read(data, "it")["kind"]
        for data in entries.of_file("r", json.dumps(report).encode(), material.NOW)
    ]
    assert kinds == ["source", "waiver", "run"]
    signed = material.attested(good, tmp_path)
    (data,) = entries.of_file("a", signed, material.NOW)
    assert entries.attestation(entries.read(data, "it")) + b"\n" == signed
    (data,) = entries.of_file("other", b"\xff", material.NOW)
    assert entries.read(data, "it")["kind"] == "file"


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{}",
        b'{"kind":"run"}',
        logs.entry(1) + b" ",
        logs.entry(1).replace(b"file", b"else", 1),
    ],
)
def test_odd_entries_are_refused(odd: bytes) -> None:
    with pytest.raises(ParseError):
        entries.read(odd, "it")


def test_two_hundred_kills_lose_and_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audits.journal"
    journal.create(path, logs.SIGNER)
    raw = logs.PRIVATE.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()
    command = [sys.executable, "-m", "tests.unit.attest.killed", str(path), "1", raw, "200"]
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    durable, early = map(int, done.stdout.split())
    sound = logs.check(path)
    assert sound.last.size >= durable > 20
    assert early < 200
    assert logs.append(path, 1).size == sound.last.size + 1


WRITER = """
import sys
from pathlib import Path
from tests.unit.attest import killed
from verifier.attest import entries, journal, note, strict
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sys.argv[2]))
signer = journal.Signer(private, note.key_of(private, "example.org/audits", note.ED25519))
for number in range(25):
    with journal.opened(Path(sys.argv[1]), write=True) as found:
        found.append(entries.of_file(f"{sys.argv[3]}-{number}", b"", strict.now()), signer)
"""


def test_several_writers_mix_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "audits.journal"
    journal.create(path, logs.SIGNER)
    raw = logs.PRIVATE.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), raw, name], env=around)
        for name in "abc"
    ]
    while any(each.poll() is None for each in running):
        logs.check(path)  # readers see a sound journal at any moment
        time.sleep(0.05)
    assert [each.returncode for each in running] == [0, 0, 0]
    assert logs.check(path).last.size == 75
    with journal.opened(path) as found:
        names = [entries.read(data, "it")["name"] for _, data in found.entries()]
    for writer in "abc":
        assert [name for name in names if name[0] == writer] == [f"{writer}-{n}" for n in range(25)]


SWAP = (
    "UPDATE entries SET id = 99 WHERE id = 2; UPDATE entries SET id = 2 WHERE id = 3;"
    "UPDATE entries SET id = 3 WHERE id = 99"
)
TAMPERS: dict[str, tuple[str, str]] = {
    "entry": ("UPDATE entries SET data = x'7b7d' WHERE id = 5", "entry 5 was altered"),
    "swap": (
        SWAP,
        "entry 2 was altered, or its hash was; entry 3",
    ),
    "hole": ("DELETE FROM entries WHERE id = 4", "entry 4 is missing"),
    "cut": ("DELETE FROM entries WHERE id > 7", "it was cut: 9 entries were signed, 8 are there"),
    "leaf": ("UPDATE nodes SET hash = zeroblob(32) WHERE level = 0 AND id = 6", "entry 6"),
    "node": (
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND id = 2",
        "entries 4 to 5 was altered",
    ),
    "node gone": ("DELETE FROM nodes WHERE level = 1 AND id = 2", "lacks hashes"),
    "node more": ("INSERT INTO nodes VALUES (40, 1, x'00')", "belongs to no entry"),
    "node odd": ("INSERT INTO nodes VALUES ('a', 'b', 7)", "belongs to no entry"),
    "checkpoint": (
        "UPDATE checkpoints SET note = replace(note, 'audits', 'audit') WHERE size = 3",
        "of the log",
    ),
    "signature": (
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 9) WHERE size=3",
        "out of order",
    ),
    "forgotten": ("DELETE FROM checkpoints WHERE size > 8", "stand behind its last checkpoint"),
    "more": ("INSERT INTO entries VALUES (10, x'7b7d')", "stand behind"),
    "trigger": ("CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END", "tables"),
    "view": ("ALTER TABLE journal ADD COLUMN more TEXT", "tables"),
}


@pytest.mark.parametrize("name", TAMPERS)
def test_tampering_is_found_and_located(log: Path, name: str) -> None:
    statement, reason = TAMPERS[name]
    _tamper(log, statement)
    with pytest.raises(MismatchError, match=reason):
        logs.check(log)


def _forge(path: Path, number: int) -> None:
    """Another entry at `number`, with all stored hashes made to fit it."""
    with journal.opened(path) as found:
        data = [logs.entry(99) if index == number else each for index, each in found.entries()]
    tree = audit.Tree()
    for each in data:
        tree.add(each)
    _tamper(path, f"UPDATE entries SET data = x'{data[number].hex()}' WHERE id = {number}", *(
        f"UPDATE nodes SET hash = x'{hashed.hex()}' WHERE level = {level} AND id = {index}"
        for level, row in enumerate(tree.nodes) for index, hashed in enumerate(row)
    ))  # fmt: skip


@pytest.mark.parametrize(("number", "place"), [(0, "0 to 0"), (2, "1 to 2"), (5, "4 to 6")])
def test_a_forgery_with_fitting_hashes_is_located_by_checkpoints(
    log: Path, number: int, place: str
) -> None:
    _forge(log, number)
    with pytest.raises(MismatchError, match=f"entries {place} are not what was signed"):
        logs.check(log)


def test_nothing_is_appended_to_what_was_tampered_with(log: Path) -> None:
    _tamper(log, "DELETE FROM entries WHERE id > 7")
    with pytest.raises(MismatchError, match="not what its last checkpoint says"):
        logs.append(log, 1)


def test_a_journal_that_was_set_back_is_not_appended_to(log: Path) -> None:
    kept = log.read_bytes()
    logs.append(log, 10)
    log.write_bytes(kept)  # yesterday's copy, whole and sound in itself
    logs.check(log)
    with pytest.raises(MismatchError, match="was set back"):
        logs.append(log, 11)


def test_a_truncated_journal_is_found_by_a_checkpoint_kept_elsewhere(log: Path) -> None:
    kept = log.read_bytes()
    late = logs.append(log, 10)
    log.write_bytes(kept)
    with pytest.raises(MismatchError, match="others have seen 11 entries"):
        logs.check(log, late)


def test_a_split_view_is_found_by_a_checkpoint_kept_elsewhere(log: Path) -> None:
    """One log shows two auditors two histories, both well signed."""
    other = log.with_name("other.journal")
    shutil.copy(log, other)
    mine, theirs = logs.append(log, 10), logs.append(other, 11)
    assert mine.size == theirs.size
    logs.check(log, mine)
    with pytest.raises(MismatchError, match="split view: others have seen 11 entries"):
        logs.check(log, theirs)
    growth = logs.growth(other, mine.size)
    with pytest.raises(MismatchError, match="Split view: the log signed two roots"):
        tlog.grows(tlog.growth(growth, "it"), mine, logs.LOG, (), "it")


def test_another_key_cannot_go_on_with_a_journal(log: Path) -> None:
    other = journal.Signer(logs.BOB, note.key_of(logs.BOB, logs.LOG.name, note.ED25519))
    with journal.opened(log, write=True) as found, pytest.raises(UsageError, match="another key"):
        found.append([logs.entry(1)], other)
    with journal.opened(log) as found, pytest.raises(MismatchError, match="another key"):
        audit.journal(found, other.key, (), ())


def test_wrong_use(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there already"):
        journal.create(log, logs.SIGNER)
    with pytest.raises(UsageError, match="nothing to append"):
        logs.append(log)
    with pytest.raises(UsageError, match="no journal"), journal.opened(tmp_path / "none"):
        pass
    with journal.opened(log, write=True) as found, pytest.raises(LimitError):
        found.append([bytes((64 << 20) + 1)], logs.SIGNER)
    assert logs.check(log).last.size == 10


def test_signatures_are_added_to_checkpoints_that_are_there(log: Path) -> None:
    with journal.opened(log, write=True) as found:
        with pytest.raises(UsageError, match="no checkpoint of 2"):
            found.add_signatures(2, [])
        many = [note.Line(f"w{number}", b"abcd", b"x") for number in range(70)]
        with pytest.raises(LimitError):
            found.add_signatures(3, many)
    logs.check(log)


def test_what_killed_writers_left_is_swept_away(log: Path) -> None:
    old, new = (
        log.with_name(".audits.journal.checkpoint.old"),
        log.with_name(".audits.journal.checkpoint.new"),
    )
    for path in (old, new):
        path.touch()
    os.utime(old, (1, 1))
    logs.append(log, 10)
    assert (old.exists(), new.exists()) == (False, True)


def test_odd_files_are_no_journals(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "odd"
    good = log.read_bytes()
    for data in (b"", b"text", good[:100], good[:4096], b"SQLite format 3\0" + bytes(200)):
        path.write_bytes(data)
        with pytest.raises(VerifierError), journal.opened(path) as found:
            audit.journal(found, logs.LOG, (), ())
    for at in range(0, len(good), 401):
        odd = bytearray(good)
        odd[at] ^= 0xFF
        path.write_bytes(odd)
        try:
            with journal.opened(path) as found:
                audit.journal(found, logs.LOG, (), ())
        except VerifierError:
            continue
