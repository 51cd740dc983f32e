"""Whether enough independent auditors say the same of the same shipped files and source.

Negative statements are monotone: none that is given can help, none that is taken away is missed
where a journal is at hand. One counts against the quorum whatever its age, until its own auditor
supersedes it. One owner counts once, however many keys or statements; so does an organisation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.attest import evidence, statement
from verifier.attest.refusal import NotAttestedError
from verifier.errors import LimitError, UsageError, VerifierError
from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.attest.auditors import Auditors
    from verifier.attest.evidence import Demands
    from verifier.attest.statement import Statement


class Standing(StrEnum):
    """What becomes of one attestation."""

    COUNTED = "counted"
    NEGATIVE = "mismatch"
    INCONCLUSIVE = "inconclusive"
    SUPERSEDED = "superseded"
    REPEATED = "repeated"  # its auditor, or organisation, is counted already
    STALE = "stale"
    FOREIGN = "foreign"  # of other files, or of another source
    REFUSED = "refused"


class Vote(NamedTuple):
    """One attestation: from where, whose, what became of it and why."""

    name: str
    owner: str
    standing: Standing
    reason: str
    said: Statement | None = None


class Outcome(NamedTuple):
    """What the quorum found.

    `verdict` is equivalent for an agreement, different for a mismatch, and inconclusive where
    too few have attested.
    """

    verdict: Verdict
    summary: str
    votes: tuple[Vote, ...]


def hold(
    given: Sequence[tuple[str, bytes]],
    auditors: Auditors,
    threshold: int,
    demands: Demands,
    digests: frozenset[str] = frozenset(),
) -> Outcome:
    """Count attestations (name and bytes of each).

    `digests` are the SHA-256 of the shipped files in question; where none are given, all
    statements of trusted auditors must speak of the same files, and so with `demands.source`.

    Raises:
        UsageError: the threshold can never be reached.
    """
    if not 1 <= threshold <= len(auditors.owners):
        raise UsageError(
            f"A threshold of {threshold} cannot be met by {len(auditors.owners)} trusted auditors."
        )
    if len(given) > limits.ATTESTATIONS:
        raise LimitError(f"There are more than {limits.ATTESTATIONS} attestations.")
    votes = _superseded(_repeated([_read(name, data, auditors) for name, data in given]))
    votes = [_placed(vote, demands, digests) for vote in votes]
    votes = _once(votes, auditors)
    return _sum(votes, threshold, asked=bool(digests))


def _read(name: str, data: bytes, auditors: Auditors) -> Vote:
    """Whose it is and what it says; every reason not to believe it is told."""
    try:
        found = evidence.read(data, name, auditors.keys)
    except VerifierError as error:
        return Vote(name, "", Standing.REFUSED, str(error))
    owners = sorted({key.owner for key in found.keys})
    if len(owners) != 1:
        who = " and ".join(owners)
        reason = f"One statement is one auditor's; it is signed by {who}."
        if found.statement.verdict is Verdict.DIFFERENT:  # a second signature hides no negative
            return Vote(name, who, Standing.NEGATIVE, reason, found.statement)
        return Vote(name, "", Standing.REFUSED, reason)
    if found.statement.predicate_type != statement.EQUIVALENCE:
        return Vote(name, owners[0], Standing.REFUSED, "A VSA names no source; it cannot count.")
    return Vote(name, owners[0], _standing(found.statement), "", found.statement)


def _standing(said: Statement) -> Standing:
    if said.verdict.positive:
        return Standing.COUNTED
    different = said.verdict is Verdict.DIFFERENT
    return Standing.NEGATIVE if different else Standing.INCONCLUSIVE


def _repeated(votes: Sequence[Vote]) -> list[Vote]:
    """One auditor's statement given twice is one, also in another envelope, by another key."""
    seen: set[tuple[str, str]] = set()
    found = []
    for vote in votes:
        mark = (vote.owner, vote.said.digest) if vote.said is not None else None
        if mark in seen:
            found.append(_out(vote, Standing.REPEATED, "This very statement was given before."))
        else:
            found.append(vote)
        if mark is not None:
            seen.add(mark)
    return found


def _superseded(votes: Sequence[Vote]) -> list[Vote]:
    """An auditor's later statement may replace an own one of the same files, and no other's."""
    by: dict[tuple[str, str], list[Vote]] = {}
    for vote in votes:
        for digest in vote.said.predicate["supersedes"] if vote.said is not None else ():
            by.setdefault((vote.owner, digest), []).append(vote)
    found = []
    for vote in votes:
        said = vote.said
        later = () if said is None else by.get((vote.owner, said.digest), ())
        names = [each.name for each in later if said and each.said and _replaces(each.said, said)]
        reason = f"Replaced by {min(names)}." if names else ""
        found.append(_out(vote, Standing.SUPERSEDED, reason) if names else vote)
    return found


def _replaces(later: Statement, said: Statement) -> bool:
    return later.issued >= said.issued and later.digests >= said.digests


def _placed(vote: Vote, demands: Demands, digests: frozenset[str]) -> Vote:
    """Whether a statement that stands is of the files and source in question, and good enough."""
    said = vote.said
    if said is None or vote.standing in {Standing.REPEATED, Standing.SUPERSEDED}:
        return vote
    if digests and not said.digests >= digests:
        return _out(vote, Standing.FOREIGN, "It speaks of other files.")
    if demands.source is not None and said.source != demands.source:
        shown = said.source or "(none)"
        return _out(vote, Standing.FOREIGN, f"It speaks of another source: {shown}.")
    if vote.standing is not Standing.COUNTED:
        return vote._replace(reason=str(said.predicate["summary"]))
    return _fit(vote, said, demands)


def _fit(vote: Vote, said: Statement, demands: Demands) -> Vote:
    """A positive statement must be fresh, within the policy, and of a source."""
    try:
        evidence.fresh(said, "It", demands)
    except NotAttestedError as error:
        return _out(vote, Standing.STALE, str(error))
    try:
        evidence.judge(evidence.Evidence("It", said, (vote.owner,)), demands)
    except VerifierError as error:
        return _out(vote, Standing.REFUSED, str(error))
    return vote if said.source else _out(vote, Standing.REFUSED, "It names no source.")


def _once(votes: Sequence[Vote], auditors: Auditors) -> list[Vote]:
    """Count the latest positive statement of each owner, and one of each organisation."""
    positive = [
        (vote.said.issued, vote.name, vote, vote.said)
        for vote in votes
        if vote.standing is Standing.COUNTED and vote.said is not None
    ]
    kept: list[Vote] = []
    taken: set[tuple[str, str]] = set()
    for _, _, vote, said in sorted(positive, key=lambda item: item[:2], reverse=True):
        marks = {("owner", vote.owner), ("statement", said.digest)}
        for house in (
            auditors.organisations.get(vote.owner, ""),
            said.predicate["auditor"]["organisation"],
        ):
            marks |= {("house", house.casefold())} if house else set()
        if not marks & taken:
            kept.append(vote)
            taken |= marks
    reason = "Its auditor, the organisation, or the statement itself is counted already."
    return [
        _out(vote, Standing.REPEATED, reason)
        if vote.standing is Standing.COUNTED and vote not in kept
        else vote
        for vote in votes
    ]


def _sum(votes: Sequence[Vote], threshold: int, *, asked: bool) -> Outcome:
    """`asked` is whether each statement that stands was held to the files in question already."""
    counted = [vote for vote in votes if vote.standing is Standing.COUNTED]
    against = [vote for vote in votes if vote.standing is Standing.NEGATIVE]
    standing = [vote.said for vote in (*counted, *against) if vote.said is not None]
    verdict, summary = Verdict.INCONCLUSIVE, ""
    owners = ", ".join(sorted(vote.owner for vote in counted)) or "nobody"
    if against:
        who = ", ".join(sorted({vote.owner for vote in against}))
        verdict, summary = Verdict.DIFFERENT, f"Mismatch: {who} attests that it differs."
    elif not asked and len({said.digests for said in standing}) > 1:
        verdict, summary = Verdict.DIFFERENT, "Mismatch: the auditors speak of different files."
    elif len({said.source for said in standing}) > 1:
        verdict, summary = Verdict.DIFFERENT, "Mismatch: the auditors speak of different sources."
    elif len(counted) >= threshold:
        verdict = Verdict.EQUIVALENT
        summary = f"Agreed: {len(counted)} of {threshold} needed attest it ({owners})."
    else:
        summary = f"Not attested: {len(counted)} of {threshold} needed attest it ({owners})."
    return Outcome(verdict, summary, tuple(votes))


def _out(vote: Vote, standing: Standing, reason: str) -> Vote:
    return vote._replace(standing=standing, reason=reason)
