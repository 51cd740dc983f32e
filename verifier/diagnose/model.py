"""What a diagnosis holds. Frozen; written as JSON after `schemas/diagnosis-v1.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from verifier.account import Cause, Maker
    from verifier.model import Difference, Report

SCHEMA = "urn:source-binary-verifier:diagnosis:v1"
NONE = "none of these"  # the factor of a difference that nothing explains
CHANCE = "randomness"


class Place(NamedTuple):
    """Where two files differ. `settled` places are those that a rule speaks for.

    Offsets are those of the first of the two files; None where the place has none.
    """

    member: str
    kind: str
    where: str
    summary: str
    offset: int | None = None
    length: int | None = None
    settled: bool = False


class Tried(NamedTuple):
    """One factor: how it was varied, and what that moved. `problem` says why it was not tried."""

    factor: str
    varied: str
    moved: tuple[Place, ...] = ()
    builds: int = 0
    seconds: float = 0.0
    problem: str = ""


class Diagnosis(NamedTuple):
    """One diagnosis. `held` says what of the baseline could be held still, and what not."""

    held: tuple[str, ...]
    factors: tuple[Tried, ...]
    differences: tuple[tuple[str, Difference], ...]  # from shipped: member, difference
    causes: tuple[Cause, ...]
    makers: tuple[Maker, ...] = ()
    report: Report | None = None
    seconds: float = 0.0

    @property
    def unexplained(self) -> int:
        """Differences from shipped that no factor explains."""
        return sum(1 for cause in self.causes if cause.factor == NONE)
