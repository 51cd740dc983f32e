"""Whatever a report, a proof or a statement holds: our own errors, or a sound result."""

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.attest import material
from tests.unit.attest.test_shape import _places, _with
from verifier.attest import bundle, entries, make, statement, strict
from verifier.errors import VerifierError

JUNK: list[Any] = [None, True, -1, 2**60, 1.5, "", "x", "../../x", "\0", "a" * 64, [], [7], {}]
JUNK += [{"a": 1}, ["x"], [{}], {"files": 7}, {"environment": 7, "sandbox": []}, [{"size": "x"}]]


def _changed(data: bytes, draw: st.DataObject) -> bytes:
    """The JSON document with some of its values replaced, keys dropped or added."""
    found = json.loads(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        path = draw.draw(st.sampled_from(_places(found)))
        found = _with(found, path, copy.deepcopy(draw.draw(st.sampled_from(JUNK))))
        if not isinstance(found, dict):
            break
    return json.dumps(found).encode()


def _rich(found: material.Run) -> bytes:
    """A report with all that a verification knows."""
    report = json.loads(found.report.read_text("utf-8"))
    report["source"] = {"kind": "git", "digest": "a", "files": [{"name": "a", "size": 1}]}
    around = {"packages": [{"name": "a"}], "tools": {"cc": "1"}, "variables": {}}
    report["build"] = {"recipe": "command", "sandbox": {"kind": "b"}, "environment": around}
    return json.dumps(report).encode()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_odd_reports(good: material.Run, data: st.DataObject) -> None:
    report = _changed(_rich(good), data)
    basis = material.basis(good)._replace(report=report)
    with contextlib.suppress(VerifierError):
        statement.read(strict.canonical(make.statement(basis)), "it")
    try:
        for entry in entries.of_file("it", report, material.NOW):
            entries.read(entry, "it")
    except VerifierError:
        pass
    parts = bundle.Parts(report, basis.proof, good.shipped, good.rebuilt)
    with contextlib.suppress(VerifierError):
        bundle.pack(parts)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_odd_proofs(good: material.Run, data: st.DataObject) -> None:
    assert good.proof is not None
    proof = _changed(good.proof.read_bytes(), data)
    try:
        make.statement(material.basis(good)._replace(proof=proof))
    except VerifierError:
        return


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_odd_statements(good: material.Run, data: st.DataObject) -> None:
    own = make.statement(material.basis(good))
    summary = make.vsa(own, b"", "urn:x", "")
    document = data.draw(st.sampled_from([own, summary]))
    try:
        found = statement.read(_changed(json.dumps(document).encode(), data), "it")
    except VerifierError:
        return
    assert found.subjects


def test_a_report_that_is_no_file_of_ours(tmp_path: Path, good: material.Run) -> None:
    for odd in (b"", b"[]", b"\xff", b'{"schema": "x"}'):
        basis = material.basis(good)._replace(report=odd)
        try:
            make.statement(basis)
        except VerifierError:
            continue
        raise AssertionError(odd)
