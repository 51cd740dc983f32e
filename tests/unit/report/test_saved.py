"""A saved report is read back as it was, and nothing else is taken for one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from tests.unit.attest import material
from verifier import gate, limits
from verifier.errors import LimitError, ParseError, UsageError, VerifierError
from verifier.model import Verdict
from verifier.report import document, saved

EVERYTHING = document.document(reports.everything())


def read(found: Any) -> Any:
    return saved.read(json.dumps(found).encode(), "it")


@pytest.mark.parametrize(
    "report",
    [reports.everything(), reports.made(), reports.hostile("plain"), reports.large(30)],
    ids=["everything", "empty", "text", "large"],
)
@pytest.mark.parametrize("gated", [True, False])
def test_what_is_written_is_read_back(report: Any, gated: bool, tmp_path: Path) -> None:
    report = report._replace(gate=gate.judge(report)) if gated else report
    path = tmp_path / "report.json"
    document.write(report, path)
    assert document.document(saved.load(path)) == json.loads(path.read_text("utf-8"))


def test_a_real_run_is_read_back(tmp_path: Path) -> None:
    for made in (material.equivalent(tmp_path / "a"), material.different(tmp_path / "b")):
        loaded = saved.load(made.report)
        assert document.document(loaded) == json.loads(made.report.read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"verdict": "identical", "summary": "Identical: x."}, "worst member"),
        ({"verdict": "inconclusive", "summary": "Inconclusive: x."}, "worst member"),
        ({"summary": "Identical: all bytes of 1 file are the same."}, "another verdict"),
        ({"free_bytes": 0}, "free bytes"),
        ({"policy": "strict"}, "two policies"),
        ({"odd": 1}, "unknown key"),
        ({"members": 3}, "no array"),
        ({"schema": "urn:other"}, "schema"),
        ({"seconds": "1"}, "no number"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(ParseError, match=fault):
        read({**EVERYTHING, **change})


def _with_member(**changes: Any) -> dict[str, Any]:
    report = reports.made(reports.member("a", Verdict.EQUIVALENT, patches=(reports.patch(),)))
    found = document.document(report)
    found["members"][0] |= changes
    return found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"differences": [{"kind": "bytes", "where": "a", "summary": "b"}]}, "has differences"),
        ({"problems": [{"kind": "timeout", "where": "a", "summary": "b"}]}, "not compared"),
        ({"verdict": "identical"}, "is patched"),
    ],
)
def test_a_member_that_contradicts_itself_is_refused(changes: dict[str, Any], fault: str) -> None:
    assert read(_with_member()).verdict is Verdict.EQUIVALENT
    with pytest.raises(ParseError, match=fault):
        read(_with_member(**changes))


def test_a_positive_verdict_beside_doubts_is_refused() -> None:
    whole = _with_member()
    with pytest.raises(ParseError, match="not complete"):
        read({**whole, "complete": False})
    with pytest.raises(ParseError, match="worst member"):
        read({**whole, "problems": [{"kind": "timeout", "where": "a", "summary": "b"}]})
    patch = {**whole["members"][0]["patches"][0], "free_bytes": 3}
    with pytest.raises(ParseError, match="miscounts"):
        read(_with_member(patches=[patch]))


def test_a_forged_gate_is_refused() -> None:
    forged = {"fail_on": [], "status": 0, "failed": [], "tolerated": []}
    with pytest.raises(ParseError, match="gate"):
        read({**EVERYTHING, "gate": forged})


def test_odd_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, data in enumerate(
        (
            *(b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"1e999"),
            json.dumps({**EVERYTHING, "seconds": 1}).replace("1.5", "1").encode()[:-1],
            json.dumps({**EVERYTHING, "source": {"a": float("inf")}}).encode(),
            json.dumps({**EVERYTHING, "source": {"a": "x"}}).replace('"x"', "1e999").encode(),
            json.dumps({**EVERYTHING, "source": {"a": "\ud800"}}).encode(),
        )
    ):
        path = tmp_path / str(number)
        path.write_bytes(data)
        with pytest.raises(ParseError):
            saved.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        saved.load(tmp_path / "none")
    deep: Any = {}
    for _ in range(limits.SAVED_DEPTH + 1):
        deep = {"a": deep}
    with pytest.raises(LimitError, match="nested"):
        read({**EVERYTHING, "build": deep})
    path.write_text(json.dumps(EVERYTHING), "utf-8")
    monkeypatch.setattr(limits, "SAVED_BYTES", 100)
    with pytest.raises(LimitError, match="larger"):
        saved.load(path)


@pytest.mark.parametrize("junk", [None, True, -1, 1.5, "", [], {}, ["x"], {"a": {}}])
def test_junk_at_any_key_raises_nothing_else(junk: Any) -> None:
    for key in EVERYTHING:
        try:
            read({**EVERYTHING, key: junk})
        except VerifierError:
            continue
