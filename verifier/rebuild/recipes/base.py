"""What a recipe is: it chooses a root, lays the source, and runs steps."""

from __future__ import annotations

import abc
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.root import Root, base_root, extended_root
from verifier.source.apt import Apt

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier import spec
    from verifier.account import Maker
    from verifier.rebuild.model import Package, StepRecord
    from verifier.rebuild.sandbox.base import Room, Sandbox
    from verifier.source.base import Source
    from verifier.source.cache import Cache

FAKETIME_PACKAGE = "libfaketime"
# The dynamic loader fills in the library directory of the machine it runs on.
FAKETIME_LIBRARY = "/usr/$LIB/faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Job:
    """One rebuild's inputs."""

    spec: spec.Spec
    source: Source
    cache: Cache
    notify: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the steps did. `outputs` are globs relative to the tree.

    `packages` were pinned beside those of the root; `makers` are tools that the shipped file
    names, and those used; `notes` are sentences for the report.
    """

    steps: tuple[StepRecord, ...]
    variables: dict[str, str]
    outputs: tuple[str, ...]
    clock: str | None = None
    packages: tuple[Package, ...] = ()
    makers: tuple[Maker, ...] = ()
    notes: tuple[str, ...] = ()


class Recipe(abc.ABC):
    """One recipe at work on one job."""

    # Files among the read-only sources that the recipe writes itself: inputs of no one else.
    own: frozenset[str] = frozenset()
    build_path: str  # where the tree lies in the sandbox unless the specification says

    def __init__(self, job: Job) -> None:
        self.job = job

    @abc.abstractmethod
    def root(self) -> Root | None:
        """The root to build in, from the cache or made now; None for the host's tools."""

    @abc.abstractmethod
    def lay(self, room: Room) -> None:
        """Put the source where the steps expect it: in the tree, or the read-only sources."""

    @abc.abstractmethod
    def build(self, sandbox: Sandbox) -> Outcome:
        """Run the steps; FailedBuildError says which one failed, and why."""

    def debian_root(self, *requests: tuple[tuple[str, ...], str]) -> Root | None:
        """The base root of `sandbox.root`'s suite, with each request's packages added in turn."""
        sandbox = self.job.spec.sandbox
        kind, _, suite = sandbox.root.partition(":")
        if kind != "debian" or sandbox.kind == "host":
            return None
        if suite != self.job.spec.debian.suite:
            raise BuildError(f"sandbox.root is {sandbox.root}; set debian.suite to {suite} too.")
        apt = Apt(self.job.cache, self.job.spec.debian, self.job.notify)
        root = base_root(apt)
        for wanted, what in requests:
            root = extended_root(apt, root, wanted, what)
        extra = self.job.spec.build.packages
        if sandbox.clock is not None:
            extra = (*extra, FAKETIME_PACKAGE)
        if extra:
            root = extended_root(apt, root, ("install", *extra), ", ".join(extra))
        return root


def set_clock(
    settings: spec.Sandbox, variables: dict[str, str], changelog: int | None = None
) -> tuple[dict[str, str], str | None]:
    """The variables with those of the sandbox's clock, and its moment in ISO form, if it is set.

    "epoch" is what SOURCE_DATE_EPOCH says among the variables. The clock runs on from its moment.
    Programs that are linked statically read the real one.

    Raises:
        BuildError: the clock follows SOURCE_DATE_EPOCH, and the build has none.
    """
    moment = settings.clock
    if moment is None:
        return variables, None
    if not isinstance(moment, dt.datetime):
        text = variables.get("SOURCE_DATE_EPOCH")
        if moment == "changelog" and changelog is not None:
            text = str(changelog)
        if text is None:
            raise BuildError(
                f'sandbox.clock is "{moment}", and the build sets no SOURCE_DATE_EPOCH; give it '
                "one, or give the clock a date."
            )
        moment = dt.datetime.fromtimestamp(epoch(text, "SOURCE_DATE_EPOCH"), dt.UTC)
    return {**variables, **clock_variables(moment)}, moment.isoformat()


def clock_variables(moment: dt.datetime) -> dict[str, str]:
    """The environment that shifts a step's clock to `moment` (UTC), from which it runs on.

    An offset, not a start time: every process of a build then sees one continuing clock.
    File times stay real (NO_FAKE_STAT), or make would take products for older than sources.
    """
    offset = int((moment - dt.datetime.now(dt.UTC)).total_seconds())
    return {
        "LD_PRELOAD": FAKETIME_LIBRARY,
        "FAKETIME": f"{offset:+d}s",
        "NO_FAKE_STAT": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def epoch(text: str, what: str) -> int:
    """Seconds since 1970 from a text."""
    if not text.isdigit():
        raise BuildError(f"{what} is {text!r} instead of a number of seconds.")
    return int(text)
