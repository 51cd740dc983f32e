"""in-toto Statements v1: read strictly what was signed, whichever of two predicates it holds.

Sources: in-toto/attestation spec/v1/statement.md and spec/predicates/vsa.md (v1).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import shape
from verifier.attest import strict
from verifier.errors import ParseError
from verifier.model import Verdict

if TYPE_CHECKING:
    import datetime as dt

TYPE = "https://in-toto.io/Statement/v1"
EQUIVALENCE = "urn:source-binary-verifier:equivalence:v1"
VSA = "https://slsa.dev/verification_summary/v1"
_FRACTION = re.compile(r"\.[0-9]{1,9}Z\Z")
_VSA_VERDICTS = {"PASSED": Verdict.EQUIVALENT, "FAILED": Verdict.INCONCLUSIVE}


class Subject(NamedTuple):
    """A shipped file: its name, and its SHA-256 in hex."""

    name: str
    sha256: str


class Statement(NamedTuple):
    """What a payload says. `digest` is the SHA-256 of the payload: the statement's own name.

    `verdict` of a VSA is no better known than passed (equivalent) or not (inconclusive).
    """

    digest: str
    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: dict[str, Any]
    verdict: Verdict
    issued: dt.datetime

    @property
    def digests(self) -> frozenset[str]:
        """SHA-256 of all shipped files that it speaks of."""
        return frozenset(subject.sha256 for subject in self.subjects)

    @property
    def source(self) -> str:
        """The digest of the audited source, as the auditor pinned it; empty if not told."""
        found = self.predicate.get("source")
        return str(found["digest"]) if isinstance(found, dict) and "digest" in found else ""


def read(payload: bytes, what: str) -> Statement:
    """Parse a statement; ParseError if it is none, or of a predicate that is not known here."""
    data = strict.object_of(payload, what)
    if data.get("_type") != TYPE:
        raise ParseError(f"{what} is no in-toto Statement v1: its _type is {data.get('_type')!r}.")
    subjects = _subjects(data.get("subject"), what)
    kind, predicate = data.get("predicateType"), data.get("predicate")
    if not isinstance(kind, str) or kind not in {EQUIVALENCE, VSA}:
        raise ParseError(f"{what} attests something else: its predicate type is {kind!r}.")
    if not isinstance(predicate, dict):
        raise ParseError(f"{what} has no predicate.")
    verdict, issued = (_vsa if kind == VSA else _own)(predicate, what)
    digest = hashlib.sha256(payload).hexdigest()
    found = Statement(digest, kind, subjects, predicate, verdict, issued)
    if kind == EQUIVALENCE:
        _agree(found, what)
    return found


def _subjects(data: object, what: str) -> tuple[Subject, ...]:
    if not isinstance(data, list) or not data:
        raise ParseError(f"{what} names no subject.")
    found = []
    for item in data:
        name = item.get("name") if isinstance(item, dict) else None
        digests = item.get("digest") if isinstance(item, dict) else None
        value = digests.get("sha256") if isinstance(digests, dict) else None
        if not isinstance(name, str) or not isinstance(value, str):
            raise ParseError(f"{what} has a subject without a name or without a SHA-256.")
        if not strict.SHA256.fullmatch(value):
            raise ParseError(f"{what} has a subject with an odd SHA-256.")
        found.append(Subject(name, value))
    if len({subject.name for subject in found}) != len(found):
        raise ParseError(f"{what} names a subject twice.")
    return tuple(found)


def _own(predicate: dict[str, Any], what: str) -> tuple[Verdict, dt.datetime]:
    shape.check(predicate, "equivalence-v1", what)
    issued = strict.time_of(predicate["times"]["issued"], f"The time of {what}")
    return Verdict(predicate["verdict"]), issued


def _agree(statement: Statement, what: str) -> None:
    """A statement may not contradict itself; a positive one must have proven every file."""
    told = {
        item["name"]: item["shipped"]["sha256"]
        for item in statement.predicate["artifacts"]
        if item["shipped"] is not None
    }
    if told and told != dict(statement.subjects):
        raise ParseError(f"{what} contradicts itself: subjects and artifacts differ.")
    if not statement.verdict.positive:
        return  # nothing that waivers say takes a negative back
    _waivers(statement, what)
    artifacts = statement.predicate["artifacts"]
    proven = {"byte-identical", "reconstructed", "layout"}
    if (
        not statement.predicate["complete"]
        or not artifacts
        or any(item["relation"] not in proven for item in artifacts)
        or statement.predicate["differences"]["count"] != "0"
        or statement.predicate["problems"]
    ):
        raise ParseError(f"{what} contradicts itself: it says {statement.verdict} of what is not.")


def _waivers(statement: Statement, what: str) -> None:
    """ParseError for a waiver that had run out, or whose state and use do not agree."""
    issued = statement.issued.date().isoformat()
    for waiver in statement.predicate["waivers"]:
        used, state = waiver["used"], waiver.get("state", "")
        if state and used != (state == "used"):
            raise ParseError(f"{what} contradicts itself: a waiver is {state}, and used or not.")
        if used and waiver["expires"] < issued:
            raise ParseError(f"{what} rests on a waiver that had expired on {waiver['expires']}.")


def _vsa(predicate: dict[str, Any], what: str) -> tuple[Verdict, dt.datetime]:
    verdict = _VSA_VERDICTS.get(str(predicate.get("verificationResult")))
    time = predicate.get("timeVerified")
    if verdict is None or not isinstance(time, str):
        raise ParseError(f"{what} is a VSA without its result or its time.")
    whole = _FRACTION.sub("Z", time)  # others write parts of seconds
    return verdict, strict.time_of(whole, f"The time of {what}")
