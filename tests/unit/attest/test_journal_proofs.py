"""Proofs, witnesses and exports of a journal: what holds is taken, all else is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.attest import logs, material
from verifier.attest import audit, journal, merkle, note, tlog, witness
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import ParseError, UsageError


def test_inclusion_proofs_of_all_entries(log: Path) -> None:
    with journal.opened(log) as found:
        last = found.latest()
        signed = str(last.note).encode()
        for at in range(10):
            hashes = tuple(merkle.inclusion(at, 10, found.node))
            text = str(tlog.Inclusion(at, found.entry(at), hashes, signed)).encode()
            assert tlog.is_inclusion(text)
            read = tlog.inclusion(text, "it")
            assert str(read).encode() == text
            assert tlog.included(read, logs.LOG, (), "it") == last
            for odd in (
                read._replace(at=(at + 1) % 10),
                read._replace(entry=logs.entry(99)),
                read._replace(hashes=read.hashes[::-1]),
                read._replace(hashes=read.hashes[:-1]),
            ):
                with pytest.raises(MismatchError, match="does not show"):
                    tlog.included(odd, logs.LOG, (), "it")


ODD_PROOFS: list[Callable[[str], str]] = [
    lambda text: text.replace("old 3", "old 03"),
    lambda text: text.replace("old 3", "old \uff13"),
    lambda text: text.replace("old 3", "new 3"),
    lambda text: text.replace("\n\n", "\n"),
    lambda text: "old 3\n" + "AAAA\n" + text[6:],
    lambda text: "old 3\n" + ("A" * 43 + "=\n") * 70 + text[6:],
    lambda text: text[:0],
]


@pytest.mark.parametrize("change", ODD_PROOFS)
def test_odd_proofs_are_refused(log: Path, change: Callable[[str], str]) -> None:
    text = logs.growth(log, 3).decode()
    tlog.growth(text.encode(), "it")
    with pytest.raises(ParseError):
        tlog.growth(change(text).encode(), "it")


def _ask(request: bytes, state: Path) -> note.Line:
    text = witness.cosign(request, logs.LOG, state, logs.BOB, logs.BOB_KEY, material.NOW)
    return note.line(text[:-1], "it")


def test_a_witness_follows_a_log_and_signs_one_history(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "bob.seen"
    line = _ask(logs.growth(log, 0), state)
    with journal.opened(log, write=True) as found:
        signed = found.add_signatures(10, [line])
    data = str(signed.note).encode()
    assert note.opened(data, logs.LOG, [logs.BOB_KEY], "it").witnesses[0][0] == "bob.example"
    assert _ask(logs.growth(log, 10), state)  # the same again: an empty proof
    request = logs.growth(log, 10)
    logs.append(log, 10, 11)
    with pytest.raises(ParseError, match="starts at 3"):
        _ask(logs.growth(log, 3), state)
    _ask(logs.growth(log, 10), state)
    with pytest.raises(ParseError, match="starts at 10"):
        _ask(request, state)  # replayed
    back = tlog.growth(request, "it")._replace(old=12)
    with pytest.raises(MismatchError, match="an old one was replayed"):
        _ask(str(back).encode(), state)


def test_a_witness_refuses_a_fork_and_stays_where_it_was(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "bob.seen"
    other = log.with_name("other.journal")
    shutil.copy(log, other)
    logs.append(log, 10)
    logs.append(other, 11, 12)
    _ask(logs.growth(log, 0), state)
    with pytest.raises(MismatchError, match="history was rewritten"):
        _ask(logs.growth(other, 11), state)
    honest = tlog.growth(logs.growth(other, 11), "it")
    forged = honest._replace(hashes=(*honest.hashes, bytes(32)))
    with pytest.raises(MismatchError):
        _ask(str(forged).encode(), state)
    logs.append(log, 13)
    assert _ask(logs.growth(log, 11), state)


def test_a_witness_asks_for_the_logs_own_signature(log: Path, tmp_path: Path) -> None:
    request = tlog.growth(logs.growth(log, 0), "it")
    bare = note.parse(request.signed, "it")
    unsigned = str(bare._replace(lines=(bare.lines[0]._replace(id=b"none"),))).encode()
    with pytest.raises(NotAttestedError, match="not signed by the log"):
        _ask(str(request._replace(signed=unsigned)).encode(), tmp_path / "bob.seen")
    (tmp_path / "odd").write_bytes(b"no database, but long enough to be looked at" * 9)
    with pytest.raises(ParseError, match="record of a witness"):
        _ask(logs.growth(log, 0), tmp_path / "odd")


def _exported(log: Path, folder: Path) -> Path:
    with journal.opened(log) as found:
        audit.write(found, folder)
        with pytest.raises(UsageError, match="cannot be written"):
            audit.write(found, folder)
    return folder


def _edit(change: Callable[[list[Any]], list[Any]], name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        lines = (folder / name).read_bytes().split(b"\n")[:-1]
        (folder / name).write_bytes(b"".join(each + b"\n" for each in change(lines)))

    return edit


EXPORT_TAMPERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (_edit(lambda lines: lines[:-2], "entries.jsonl"), "it was cut"),
    "swap": (
        _edit(lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "entries.jsonl"),
        "entries 4 to 6 are not what was signed",
    ),
    "more": (_edit(lambda lines: [*lines, lines[0]], "entries.jsonl"), "behind its last"),
    "altered": (
        _edit(lambda lines: [lines[1], *lines[1:]], "entries.jsonl"),
        "entries 0 to 0 are not",
    ),
    "space": (
        _edit(lambda lines: [lines[0] + b" ", *lines[1:]], "entries.jsonl"),
        "entry 0 is not canonical",
    ),
    "order": (
        _edit(lambda lines: [*lines[:-2], lines[-1], lines[-2]], "checkpoints.jsonl"),
        "out of order",
    ),
}


@pytest.mark.parametrize("name", EXPORT_TAMPERS)
def test_exports_hold_and_tampered_ones_do_not(log: Path, tmp_path: Path, name: str) -> None:
    folder = _exported(log, tmp_path / "export")
    assert audit.export(folder, logs.LOG, (), ()).last.size == 10
    change, reason = EXPORT_TAMPERS[name]
    change(folder)
    with pytest.raises(MismatchError, match=reason):
        audit.export(folder, logs.LOG, (), ())


def test_what_is_no_export_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no exported journal"):
        audit.export(tmp_path, logs.LOG, (), ())
    folder = _exported(log, tmp_path / "export")
    (folder / "checkpoints.jsonl").write_text("", "utf-8")
    with pytest.raises(NotAttestedError, match="No checkpoint"):
        audit.export(folder, logs.LOG, (), ())
