"""From a saved report to the statements about it: our own predicate, and a SLSA VSA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits, shape
from verifier.attest import strict
from verifier.attest.predicate import predicate, sha256
from verifier.attest.statement import EQUIVALENCE, TYPE, VSA, Subject
from verifier.errors import ParseError, UsageError
from verifier.model import Policy, Verdict
from verifier.report import saved
from verifier.wire import to_data

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

SLSA_VERSION = "1.1"
LEVEL = "urn:source-binary-verifier:level:"  # SLSA itself has no level for what we found


class Auditor(NamedTuple):
    """Who attests; organisation and infrastructure tell how independent one is of another."""

    name: str
    organisation: str = ""
    infrastructure: str = ""


class Basis(NamedTuple):
    """What a statement rests on. `report` and `proof` are the bytes of the saved files.

    `subjects` are shipped files that the report itself cannot name, since it ended before it
    had them; `source` is a digest that the auditor states where the run knew of none.
    """

    report: bytes
    proof: bytes | None
    auditor: Auditor
    issued: dt.datetime
    record: bytes | None = None
    source: str = ""
    subjects: tuple[Subject, ...] = ()
    supersedes: tuple[str, ...] = ()


def report_of(data: bytes) -> dict[str, Any]:
    """A saved report; ParseError if it is none, or contradicts itself."""
    report = strict.object_of(data, "The report")
    shape.check(report, "report-v1", "The report")
    saved.report_of(report, "The report")
    return report


def parsed_proof(data: bytes) -> dict[str, Any]:
    """A saved proof; ParseError if it is none."""
    proof = strict.object_of(data, "The proof")
    shape.check(proof, "proof-v1", "The proof")
    return proof


def proof_bytes(path: Path) -> bytes:
    """The bytes of a saved proof."""
    return strict.read(path, limits.REPORT_BYTES)


def policy_digest(policy: Policy) -> str:
    """The digest by which a statement names its policy."""
    return sha256(strict.canonical(to_data(policy)))


def proof_of(data: bytes, report: dict[str, Any]) -> dict[str, Any]:
    """A saved proof that belongs to `report`; ParseError if it does not."""
    proof = parsed_proof(data)
    for name in ("verdict", "policy", "rules_digest", "free_bytes"):
        if proof[name] != report[name]:
            raise ParseError(f"The proof is not of this report: they differ in {name}.")
    files = [
        (item["path"], _bare(item["shipped"]), _bare(item["rebuilt"])) for item in proof["files"]
    ]
    told = [
        (item["path"], _bare(item["shipped"]), _bare(item["rebuilt"]))
        for item in report.get("artifacts", [])
    ]
    if sorted(files, key=str) != sorted(told, key=str):
        raise ParseError("The proof is not of this report: they speak of different files.")
    return proof


def _bare(side: dict[str, Any] | None) -> tuple[str, int] | None:
    return None if side is None else (side["sha256"], side["size"])


def statement(basis: Basis) -> dict[str, Any]:
    """The statement with our own predicate."""
    report = report_of(basis.report)
    if report["verdict"] == Verdict.EQUIVALENT and basis.proof is None:
        raise UsageError("An equivalent verdict is attested with its proof; give --proof.")
    proof = None if basis.proof is None else proof_of(basis.proof, report)
    said = predicate(report, basis, _laid_out(proof))
    shape.check(said, "equivalence-v1", "The predicate")
    return _statement(_subjects(report, basis), EQUIVALENCE, said)


def _laid_out(proof: dict[str, Any] | None) -> frozenset[str]:
    """Paths of the files in whose proof a map between two program layouts has a part."""
    found = set()
    for file in proof["files"] if proof is not None else ():
        waiting = [file]
        while waiting:
            entry = waiting.pop()
            if entry.get("layouts"):
                found.add(file["path"])
            waiting += [patch["payload"] for patch in entry["patches"] if "payload" in patch]
    return frozenset(found)


def _statement(subjects: tuple[Subject, ...], kind: str, predicate: object) -> dict[str, Any]:
    listed = [{"name": each.name, "digest": {"sha256": each.sha256}} for each in subjects]
    return {"_type": TYPE, "subject": listed, "predicateType": kind, "predicate": predicate}


def _subjects(report: dict[str, Any], basis: Basis) -> tuple[Subject, ...]:
    """The shipped files. A report that ended before it had any needs them named."""
    found = tuple(
        Subject(item["path"], item["shipped"]["sha256"])
        for item in report.get("artifacts", [])
        if item["shipped"] is not None
    )
    if found and basis.subjects:
        strange = {each.sha256 for each in basis.subjects} - {each.sha256 for each in found}
        if strange:
            raise UsageError("An --artifact is none of the files that the report speaks of.")
    if not found and not basis.subjects:
        raise UsageError("The report names no shipped file; name what it was about: --artifact.")
    return found or basis.subjects


def vsa(own: dict[str, Any], payload: bytes, verifier_id: str, resource: str) -> dict[str, Any]:
    """A SLSA verification summary beside `own`, whose signed bytes are `payload`.

    `verificationResult` is PASSED for a positive verdict alone. It claims no SLSA level.
    """
    said = own["predicate"]
    passed = Verdict(said["verdict"]).positive
    first = own["subject"][0]["digest"]["sha256"]
    summary = {
        "verifier": {"id": verifier_id},
        "timeVerified": said["times"]["issued"],
        "resourceUri": resource or f"urn:sha256:{first}",
        "policy": {
            "uri": f"urn:source-binary-verifier:policy:{said['policy']['name']}",
            "digest": {"sha256": said["policy"]["sha256"]},
        },
        "inputAttestations": [{"uri": EQUIVALENCE, "digest": {"sha256": sha256(payload)}}],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": [LEVEL + said["verdict"] if passed else "FAILED"],
        "slsaVersion": SLSA_VERSION,
    }
    return {**own, "predicateType": VSA, "predicate": summary}
