"""One attestation: who signed it, what it says, and whether that answers what was asked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier.attest import dsse, keyless, make, statement, strict
from verifier.attest.predicate import sha256
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.attest.reproof import file_digest, recheck
from verifier.errors import UsageError
from verifier.model import Strength, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.attest.keys import PublicKey
    from verifier.attest.statement import Statement
    from verifier.model import Policy

SKEW = dt.timedelta(minutes=5)  # how far another auditor's clock may be ahead of ours


class Evidence(NamedTuple):
    """A statement whose signature holds; `signers` are names of trusted keys or identities."""

    name: str
    statement: Statement
    signers: tuple[str, ...]
    keys: tuple[PublicKey, ...] = ()


class Identity(NamedTuple):
    """Who signs by Sigstore: an e-mail address or workflow, and who vouches for it."""

    name: str
    issuer: str


class Demands(NamedTuple):
    """What an attestation must satisfy beside its signature; None asks for nothing."""

    now: dt.datetime
    max_age: dt.timedelta | None = None
    policy: Policy | None = None
    artifact: Path | None = None
    rebuilt: Path | None = None
    proof: Path | None = None
    source: str | None = None


def read(
    data: bytes, name: str, keys: Sequence[PublicKey], identity: Identity | None = None
) -> Evidence:
    """Check the signature first, then read what was signed.

    Raises:
        NotAttestedError: no trusted key signed it.
        ParseError: it is no attestation.
    """
    if identity is not None:
        payload = keyless.verify(data, name, *identity)
        return Evidence(name, statement.read(payload, name), (identity.name,))
    envelope = dsse.parse(data, name)
    found = dsse.signers(envelope, keys, name)
    if not found:
        raise NotAttestedError(f"{name} is not signed by a trusted key.")
    names = tuple(key.name for key in found)
    return Evidence(name, statement.read(envelope.payload, name), names, found)


def judge(evidence: Evidence, demands: Demands) -> list[str]:
    """What was checked, in words. Returns for a positive statement that satisfies all demands.

    Raises:
        NotAttestedError: stale, of other files or another source, or an inconclusive verdict.
        MismatchError: the verdict is that the files differ, or the proof does not hold.
    """
    said = evidence.statement
    checked = [f"signed by {', '.join(evidence.signers)}"]
    fresh(said, evidence.name, demands)
    checked.append(f"issued {strict.show_time(said.issued)}")
    if demands.source is not None and said.source != demands.source:
        raise NotAttestedError(
            f"{evidence.name} speaks of the source {said.source or '(none)'}, not {demands.source}."
        )
    if demands.artifact is not None:
        _subject(said, evidence.name, demands.artifact)
        checked.append(f"{demands.artifact} is its subject")
    checked += _waivers(said)
    if not said.verdict.positive:
        _negative(said, evidence.name, demands.policy)
        checked.append("all that differs is tolerated by the policy")
        return checked
    if demands.policy is not None:
        _policy(said, evidence.name, demands.policy)
        checked.append(f"within policy {demands.policy.name}")
    if demands.proof is not None:
        checked.append(_proof(said, evidence.name, demands))
    return checked


def _waivers(said: Statement) -> list[str]:
    """What the statement says of waivers, for whoever relies on it."""
    if said.predicate_type != statement.EQUIVALENCE:
        return []
    return [
        f"{each.get('state') or ('used' if each['used'] else 'unused')} waiver: {each['member']}: "
        f"{each['field']}: {each['reason']} ({each['author']}, until {each['expires']})"
        for each in said.predicate["waivers"]
    ]


def fresh(said: Statement, name: str, demands: Demands) -> None:
    """NotAttestedError for a statement from the future, older than `max_age`, or run out.

    A positive one runs out with the first waiver that it rests on.
    """
    shown = strict.show_time(said.issued)
    if said.issued > demands.now + SKEW:
        raise NotAttestedError(f"{name} was issued in the future ({shown}).")
    if demands.max_age is not None and said.issued < demands.now - demands.max_age:
        raise NotAttestedError(f"{name} is stale: it was issued {shown}.")
    today = demands.now.date().isoformat()
    for waiver in said.predicate.get("waivers", []) if said.verdict.positive else []:
        if waiver["used"] and waiver["expires"] < today:
            raise NotAttestedError(
                f"{name} rests on a waiver of {waiver['member']} that expired on "
                f"{waiver['expires']}."
            )


def _subject(said: Statement, name: str, artifact: Path) -> None:
    """One file must be a subject; a directory must hold all subjects and no other file."""
    if not artifact.is_dir():
        if file_digest(artifact) not in said.digests:
            raise NotAttestedError(
                f"{name} does not speak of {artifact}: its digest is no subject."
            )
        return
    found = {
        path.relative_to(artifact).as_posix(): file_digest(path)
        for path in sorted(artifact.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    told = dict(said.subjects)
    odd = sorted(key for key in found.keys() | told.keys() if found.get(key) != told.get(key))
    if odd:
        raise NotAttestedError(f"{name} does not speak of {artifact} as it is: {odd[0]} differs.")


def _negative(said: Statement, name: str, policy: Policy | None) -> None:
    """A negative verdict; returns only where the policy tolerates everything that differs."""
    if said.verdict is not Verdict.DIFFERENT:
        raise NotAttestedError(f"{name} is an inconclusive verdict: {_summary(said)}")
    told = said.predicate["differences"]
    if (
        policy is None
        or not said.predicate["complete"]
        or said.predicate["problems"]
        or told["weakenings"] != "0"
        or not told["kinds"]
        or not set(told["kinds"]) <= set(policy.tolerates)
    ):
        raise MismatchError(f"{name} attests a mismatch: {_summary(said)}")


def _summary(said: Statement) -> str:
    return str(said.predicate.get("summary") or "the verification failed.")


def _policy(said: Statement, name: str, policy: Policy) -> None:
    """Each rule that fired must be one that the policy accepts."""
    if said.predicate_type != statement.EQUIVALENCE:
        raise UsageError(f"{name} is a VSA, which names no rules; --policy cannot be checked.")
    for rule in said.predicate["rules"]["fired"]:
        strength = Strength(rule["strength"])
        waived = strength is Strength.WAIVED
        accepted = policy.waivers if waived else strength.rank <= policy.accepts.rank
        if not accepted or rule["id"] in policy.denied:
            raise NotAttestedError(
                f"{name} rests on rule {rule['id']} ({strength}), which {policy.name} refuses."
            )
    told = said.predicate["policy"]["sha256"]
    if policy.parameters and told != make.policy_digest(policy):
        raise NotAttestedError(
            f"{name} was made under another policy, and the parameters of {policy.name} cannot be "
            "checked afterwards; compare again."
        )


def _proof(said: Statement, name: str, demands: Demands) -> str:
    """Re-run the proof on both files; it must be the proof that was signed."""
    assert demands.proof is not None
    if demands.artifact is None or demands.rebuilt is None:
        raise UsageError("To re-run the proof, give --artifact and --rebuilt too.")
    if said.predicate_type != statement.EQUIVALENCE or said.predicate["proof"] is None:
        raise NotAttestedError(f"{name} names no proof, so none can be re-run.")
    data = make.proof_bytes(demands.proof)
    if sha256(data) != said.predicate["proof"]["sha256"]:
        raise NotAttestedError(f"{demands.proof} is not the proof that {name} speaks of.")
    proof = make.parsed_proof(data)
    same_files(said.predicate, proof, name)
    free = recheck(proof, demands.artifact, demands.rebuilt)
    if str(free) != said.predicate["proof"]["freeBytes"]:
        raise MismatchError(f"{name} miscounts the free bytes of its proof.")
    return f"the proof was re-run and holds, with {free} free bytes"


def same_files(predicate: dict[str, Any], proof: dict[str, Any], name: str) -> None:
    """MismatchError unless statement and proof speak of the same files."""
    told = {
        (item["name"], side, item[side]["sha256"], item[side]["size"])
        for item in predicate["artifacts"]
        for side in ("shipped", "rebuilt")
        if item[side] is not None
    }
    proven = {
        (item["path"], side, item[side]["sha256"], str(item[side]["size"]))
        for item in proof["files"]
        for side in ("shipped", "rebuilt")
    }
    if told != proven:
        raise MismatchError(f"{name} and its proof speak of different files.")
