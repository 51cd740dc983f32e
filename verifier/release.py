"""Shipped databases and updates of one folder, verified as one release. Runs in a worker.

It is about what the shipped files say of each other: the rebuilt side has no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import content
from verifier.errors import LimitError, VerifierError
from verifier.model import Difference, Member, Problem, Ref, Verdict
from verifier.sigdb.base import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.model import Settings
    from verifier.signatures.trust import Trust


class Shipped(NamedTuple):
    """One shipped file: its path in the report, and where its bytes are."""

    path: str
    file: Ref


class ReleaseRequest(NamedTuple):
    """All shipped files that may belong to a release: databases, updates, signatures."""

    files: tuple[Shipped, ...]


class ReleaseAnswer(NamedTuple):
    """A member for each file that something is wrong with, to be joined to its own."""

    members: tuple[Member, ...]


def verify(settings: Settings, request: ReleaseRequest) -> ReleaseAnswer:
    """Replay each chain of updates among the files; a database without updates is none."""
    from verifier.sigdb import updates  # noqa: PLC0415 - few runs meet updates

    files = [
        File(item.path, item.path.rpartition("/")[2], content.view(item.file))
        for item in request.files
    ]
    found: list[Member] = []
    try:
        groups = updates.groups(files)
    except VerifierError as error:
        summary = f"The updates cannot be put into an order: {error}"
        return ReleaseAnswer((_open(files[0].path, summary),))
    for steps in groups.values():
        if any(step.name.endswith(".cdiff") for step in steps):
            found += _chain(settings, steps, files)
    return ReleaseAnswer(tuple(found))


def _chain(settings: Settings, steps: Sequence[File], files: Sequence[File]) -> list[Member]:
    from verifier.checks.clamav_signature import keys_of  # noqa: PLC0415
    from verifier.sigdb import updates  # noqa: PLC0415

    folder = steps[0].path.rpartition("/")[0]
    beside = {file.name: file.data for file in files if file.path.rpartition("/")[0] == folder}
    try:
        keys = keys_of(settings.certificates)
        release = updates.verify(steps, beside, keys, _trust(settings))
    except LimitError as error:
        return [_open(steps[0].path, f"The updates are too large to be replayed: {error}")]
    return [
        Member(
            change.path,
            Verdict.DIFFERENT,
            differences=(Difference(change.kind, change.where, change.summary),),
        )
        for change in release.changes
    ]


def _trust(settings: Settings) -> Trust | None:
    """Who may have signed a `.sign`; None where the auditor names nobody."""
    if not (settings.certificates or settings.pins):
        return None
    from verifier.signatures.trust import Trust  # noqa: PLC0415 - loads the arithmetic
    from verifier.signatures.x509 import load_certificate  # noqa: PLC0415

    known = tuple(load_certificate(each) for each in settings.certificates)
    return Trust(known, frozenset(settings.pins))


def _open(path: str, summary: str) -> Member:
    problem = Problem("limit", path.rpartition("/")[2], summary)
    return Member(path, Verdict.INCONCLUSIVE, problems=(problem,))
