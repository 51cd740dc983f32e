"""Which shipped files may make up a release, and what came of verifying it.

Between the pipeline, which knows the order of stages, and `verifier.release`,
which runs in a worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.engine import Failure, Task
from verifier.model import Member, Problem, Verdict
from verifier.release import ReleaseAnswer, ReleaseRequest, Shipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.model import Alone, Pair

_STEPS = (".cdiff", ".cvd", ".cld", ".cud", ".sign")


def task(pairs: Iterable[Pair], alone: Iterable[Alone]) -> Task:
    """The work on all shipped files that a release may be made of."""
    known = [Shipped(pair.path, pair.shipped) for pair in pairs]
    known += [Shipped(item.path, item.file) for item in alone if item.shipped]
    files = tuple(sorted(item for item in known if item.path.endswith(_STEPS)))
    size = sum(item.file.length for item in files)
    # A step reads, hashes and writes what the database unpacks to, some times its size.
    steps = 8 * max((item.file.length for item in files), default=0) * len(files)
    seconds = limits.WORKER_SECONDS + (size + steps) / limits.WORKER_BYTES_PER_SECOND
    return Task("release", ReleaseRequest(files), ReleaseAnswer, seconds, files)


def found(task: Task, answer: object) -> tuple[Member, ...]:
    """Members to be joined to those of the files that they are about."""
    if isinstance(answer, ReleaseAnswer):
        return answer.members
    assert isinstance(answer, Failure)
    path = next((item.path for item in task.ticket), "")
    problem = Problem(answer.kind, path.rpartition("/")[2], answer.summary)
    return (Member(path, Verdict.INCONCLUSIVE, problems=(problem,)),)
