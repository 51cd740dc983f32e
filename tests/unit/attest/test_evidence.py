"""What an attestation says, what it is held to, and what is refused."""

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.attest import material
from verifier.attest import evidence, make, statement, strict
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import ParseError, UsageError, VerifierError
from verifier.model import Policy, Strength, Verdict

KEYS = [material.trusted()]


def _read(data: bytes) -> evidence.Evidence:
    return evidence.read(data, "it", KEYS)


def _demands(**changes: Any) -> evidence.Demands:
    return evidence.Demands(**{"now": material.NOW, **changes})


def _resigned(data: dict[str, Any], folder: Path) -> bytes:
    return material.signed(strict.canonical(data), folder)


def test_a_positive_statement_tells_what_was_found(good: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(good, tmp_path))
    said = found.statement.predicate
    assert found.statement.verdict is Verdict.EQUIVALENT
    assert said["rules"]["fired"] == [
        {
            "id": "gzip.mtime",
            "strength": "bounded",
            "patches": "1",
            "bytes": "4",
            "freeBytes": "4",
        }
    ]
    assert said["artifacts"][0]["relation"] == "reconstructed"
    size = str(good.shipped.stat().st_size)
    assert said["coverage"] == {
        "total": size,
        "identical": "0",
        "settled": {"bounded": "4"},
        "freeBytes": "4",
        "unproven": "0",
    }
    assert found.statement.subjects[0].name == "tool.gz"


def test_it_passes_all_demands_together(good: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(good, tmp_path, source="sha256:aa"))
    checked = evidence.judge(
        found,
        _demands(
            now=material.NOW + dt.timedelta(days=3),
            max_age=dt.timedelta(days=4),
            policy=Policy(),
            artifact=good.shipped,
            rebuilt=good.rebuilt,
            proof=good.proof,
            source="sha256:aa",
        ),
    )
    assert "re-run" in checked[-1]


def test_a_negative_statement_is_told_apart(bad: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(bad, tmp_path))
    with pytest.raises(MismatchError, match="attests a mismatch") as refused:
        evidence.judge(found, _demands(artifact=bad.shipped))
    assert refused.value.exit_code == 1
    assert found.statement.predicate["artifacts"][0]["relation"] == "unproven"


def test_an_inconclusive_statement_attests_nothing(bad: material.Run, tmp_path: Path) -> None:
    report = json.loads(bad.report.read_text("utf-8"))
    report |= {"verdict": "inconclusive", "members": [], "artifacts": [], "free_bytes": 0}
    report["summary"] = "Inconclusive: It failed."
    report["problems"] = [{"kind": "build-failed", "where": "build", "summary": "It failed."}]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report), "utf-8")
    ended = material.Run(bad.shipped, bad.rebuilt, path, None)
    with pytest.raises(UsageError, match="--artifact"):
        material.attested(ended, tmp_path)
    subjects = (statement.Subject("tool.gz", "a" * 64),)
    found = _read(material.attested(ended, tmp_path, subjects=subjects))
    assert found.statement.predicate["problems"] == {"build-failed": "1"}
    with pytest.raises(NotAttestedError, match="inconclusive"):
        evidence.judge(found, _demands())


def test_stale_and_future_statements_are_refused(good: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(good, tmp_path))
    day = dt.timedelta(days=1)
    evidence.judge(found, _demands(now=material.NOW + day, max_age=day))
    with pytest.raises(NotAttestedError, match="stale"):
        evidence.judge(found, _demands(now=material.NOW + day, max_age=day / 2))
    with pytest.raises(NotAttestedError, match="future"):
        evidence.judge(found, _demands(now=material.NOW - day))


def test_it_speaks_of_its_subject_and_of_no_other_file(good: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(good, tmp_path))
    evidence.judge(found, _demands(artifact=good.shipped))
    with pytest.raises(NotAttestedError, match="no subject"):
        evidence.judge(found, _demands(artifact=good.rebuilt))
    with pytest.raises(NotAttestedError, match="no subject"):
        evidence.judge(found, _demands(artifact=tmp_path / "ed25519-0.key"))
    with pytest.raises(ParseError, match="cannot be read"):
        evidence.judge(found, _demands(artifact=tmp_path / "none"))
    with pytest.raises(NotAttestedError, match="source"):
        evidence.judge(found, _demands(source="sha256:bb"))


def test_a_directory_must_hold_the_subjects_and_nothing_else(
    good: material.Run, tmp_path: Path
) -> None:
    found = _read(material.attested(good, tmp_path))
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "tool.gz").write_bytes(good.shipped.read_bytes())
    evidence.judge(found, _demands(artifact=folder))
    (folder / "extra").touch()
    with pytest.raises(NotAttestedError, match="extra"):
        evidence.judge(found, _demands(artifact=folder))
    (folder / "extra").unlink()
    (folder / "tool.gz").unlink()
    with pytest.raises(NotAttestedError, match=r"tool\.gz"):
        evidence.judge(found, _demands(artifact=folder))


@pytest.mark.parametrize(
    "policy",
    [
        Policy("strict", accepts=Strength.SIGNED),
        Policy("mine", denied=("gzip.mtime",)),
        Policy("mine", parameters={"gzip.mtime": {"not-before": "2020-01-01"}}),
    ],
)
def test_what_the_reader_does_not_accept_is_refused(
    good: material.Run, tmp_path: Path, policy: Policy
) -> None:
    found = _read(material.attested(good, tmp_path))
    with pytest.raises(NotAttestedError):
        evidence.judge(found, _demands(policy=policy))


def test_tolerated_differences_pass_and_weakenings_never(bad: material.Run, tmp_path: Path) -> None:
    data = make.statement(material.basis(bad))
    kinds = tuple(data["predicate"]["differences"]["kinds"])
    lenient = Policy("lenient", tolerates=kinds)
    found = _read(_resigned(data, tmp_path))
    assert "tolerated" in evidence.judge(found, _demands(policy=lenient))[-1]
    data["predicate"]["differences"]["weakenings"] = "1"
    found = _read(_resigned(data, tmp_path))
    with pytest.raises(MismatchError):
        evidence.judge(found, _demands(policy=lenient))


def test_only_the_attested_proof_counts(good: material.Run, tmp_path: Path) -> None:
    found = _read(material.attested(good, tmp_path))
    assert good.proof is not None
    asked = {"artifact": good.shipped, "rebuilt": good.rebuilt}
    other = tmp_path / "proof.json"
    other.write_bytes(good.proof.read_bytes() + b"\n")
    with pytest.raises(NotAttestedError, match="not the proof"):
        evidence.judge(found, _demands(**asked, proof=other))
    with pytest.raises(MismatchError, match="does not hold"):
        evidence.judge(
            found, _demands(artifact=good.shipped, rebuilt=good.shipped, proof=good.proof)
        )
    with pytest.raises(UsageError, match="--rebuilt"):
        evidence.judge(found, _demands(artifact=good.shipped, proof=good.proof))


def test_a_signed_lie_about_the_proof_is_found(good: material.Run, tmp_path: Path) -> None:
    """Even a trusted auditor cannot attest one file and prove another."""
    asked = {"artifact": good.shipped, "rebuilt": good.rebuilt, "proof": good.proof}
    honest = make.statement(material.basis(good))
    for change, reason in [
        (lambda said: said["artifacts"][0]["rebuilt"].update(size="1"), "different files"),
        (lambda said: said["artifacts"].append({**said["artifacts"][0]}), "different files"),
        (lambda said: said["proof"].update(freeBytes="0"), "miscounts"),
    ]:
        data = copy.deepcopy(honest)
        change(data["predicate"])
        if len(data["predicate"]["artifacts"]) == 2:
            data["predicate"]["artifacts"][1]["name"] = "b"
            data["subject"].append({**data["subject"][0], "name": "b"})
        found = _read(_resigned(data, tmp_path))
        with pytest.raises(MismatchError, match=reason):
            evidence.judge(found, _demands(**asked))


CONTRADICTIONS: dict[str, Any] = {
    "differences": lambda said: said["differences"].update(count="1"),
    "problems": lambda said: said["problems"].update(timeout="1"),
    "complete": lambda said: said.update(complete=False),
    "relation": lambda said: said["artifacts"][0].update(relation="unproven"),
    "no artifact": lambda said: said["artifacts"].clear(),
    "another file": lambda said: said["artifacts"][0]["shipped"].update(sha256="b" * 64),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_positive_statement_that_contradicts_itself_is_refused(
    good: material.Run, tmp_path: Path, name: str
) -> None:
    data = make.statement(material.basis(good))
    CONTRADICTIONS[name](data["predicate"])
    with pytest.raises(ParseError, match="contradicts itself"):
        _read(_resigned(data, tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"predicateType": "urn:source-binary-verifier:equivalence:v2"},
        {"predicate": None},
        {"predicate": {}},
        {"subject": []},
        {"subject": [{"name": "a"}]},
        {"subject": [{"name": "a", "digest": {"sha256": "A" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "a" * 64 + "\n"}}]},
        {"subject": [{"name": "a", "digest": {"sha512": "a" * 128}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "a" * 64}}] * 2},
    ],
)
def test_other_statements_are_refused(
    good: material.Run, tmp_path: Path, change: dict[str, Any]
) -> None:
    data = make.statement(material.basis(good)) | change
    with pytest.raises(ParseError):
        _read(_resigned(data, tmp_path))


def test_a_report_and_a_proof_must_belong_together(
    good: material.Run, bad: material.Run, tmp_path: Path
) -> None:
    assert good.proof is not None
    with pytest.raises(UsageError, match="with its proof"):
        make.statement(material.basis(good)._replace(proof=None))
    with pytest.raises(ParseError, match="not of this report"):
        make.statement(material.basis(bad)._replace(proof=good.proof.read_bytes()))
    other = material.equivalent(tmp_path / "other", b"other")
    assert other.proof is not None
    with pytest.raises(ParseError, match="different files"):
        make.statement(material.basis(good)._replace(proof=other.proof.read_bytes()))


def test_an_artifact_must_be_one_that_the_report_speaks_of(good: material.Run) -> None:
    known = statement.Subject("tool.gz", make.sha256(good.shipped.read_bytes()))
    make.statement(material.basis(good, subjects=(known,)))
    with pytest.raises(UsageError, match="none of the files"):
        make.statement(material.basis(good, subjects=(statement.Subject("x", "a" * 64),)))


def test_an_edited_report_is_refused(good: material.Run, bad: material.Run) -> None:
    report = json.loads(bad.report.read_text("utf-8"))
    for change in ({"verdict": "identical"}, {"verdict": "fine"}, {"extra": 1}, {"members": []}):
        edited = json.dumps({**report, **change}).encode()
        with pytest.raises(ParseError):
            make.statement(material.basis(bad)._replace(report=edited))
    report = json.loads(good.report.read_text("utf-8"))
    edited = json.dumps({**report, "complete": False}).encode()
    with pytest.raises(ParseError, match="contradicts"):
        make.statement(material.basis(good)._replace(report=edited))


def test_a_source_that_is_stated_must_be_the_reports(good: material.Run) -> None:
    report = json.loads(good.report.read_text("utf-8"))
    report["source"] = {"kind": "git", "digest": "abc", "files": [{"name": "a", "size": 3}]}
    found = material.basis(good)._replace(report=json.dumps(report).encode())
    said = make.statement(found)["predicate"]
    assert said["source"]["digest"] == "abc"
    assert said["inputs"]["bytes"] == "3"
    with pytest.raises(UsageError, match="abc"):
        make.statement(found._replace(source="def"))


def test_what_a_build_read_is_told_by_class_and_must_fit_the_policy(good: material.Run) -> None:
    report = json.loads(good.report.read_text("utf-8"))
    assert make.statement(material.basis(good))["predicate"]["inputs"]["recorded"] is None
    report["build"] = {"record": {"file": "inputs.json", "sha256": "a" * 64}}
    report["policy_details"]["unaccounted"] = "inconclusive"
    classes = [{"name": "source", "files": 3, "size": 70}]
    rest = {"events": [], "unread": [], "problems": [], "unaccounted": []}
    odd = {"path": "/x", "reason": "odd", "chain": [], "sha256": "", "size": 0}

    def said(inputs: object) -> dict[str, object]:
        data = json.dumps({**report, "inputs": inputs}).encode()
        basis = material.basis(good)._replace(report=data)
        recorded: dict[str, object] = make.statement(basis)["predicate"]["inputs"]["recorded"]
        return recorded

    assert said({"method": "strace", "classes": classes, **rest}) == {
        "method": "strace",
        "sha256": "a" * 64,
        "classes": {"source": {"files": "3", "bytes": "70"}},
        "unaccounted": "0",
        "events": "0",
        "problems": "0",
    }
    for change in ({"unaccounted": [odd]}, {"problems": ["a gap"]}):
        with pytest.raises(ParseError, match="demands inputs that are all known"):
            said({"method": "strace", "classes": classes, **rest, **change})
    with pytest.raises(ParseError, match="demands inputs that are all known"):
        said(None)
    report["policy_details"]["unaccounted"] = "report"
    assert said({"method": "s", "classes": [], **rest, "unaccounted": [odd]})["unaccounted"] == "1"


def test_the_vsa_says_passed_of_a_positive_verdict_alone(
    good: material.Run, bad: material.Run, tmp_path: Path
) -> None:
    for found, result, level in (
        (good, "PASSED", "urn:source-binary-verifier:level:equivalent"),
        (bad, "FAILED", "FAILED"),
    ):
        own = make.statement(material.basis(found))
        summary = make.vsa(own, strict.canonical(own), "urn:x:alice", "pkg:generic/tool")
        assert summary["predicate"]["verificationResult"] == result
        assert summary["predicate"]["verifiedLevels"] == [level]
        read = _read(_resigned(summary, tmp_path))
        assert read.statement.verdict.positive == (result == "PASSED")
        with pytest.raises(UsageError if result == "PASSED" else NotAttestedError):
            evidence.judge(read, _demands(policy=Policy()))
    summary["predicate"]["timeVerified"] = "2024-06-12T07:24:34.351608Z"
    assert _read(_resigned(summary, tmp_path)).statement.issued.year == 2024
    summary["predicate"]["verificationResult"] = "MAYBE"
    with pytest.raises(ParseError, match="VSA"):
        _read(_resigned(summary, tmp_path))


def test_any_payload_raises_nothing_but_our_errors(good: material.Run, tmp_path: Path) -> None:
    data = strict.canonical(make.statement(material.basis(good)))
    for at in range(0, len(data), 37):
        for odd in (data[:at], data[:at] + b'"' + data[at:], data[:at] + data[at + 1 :]):
            try:
                statement.read(odd, "it")
            except VerifierError:
                continue
