"""What a rebuild is accountable for: what went into it, what made it, why its result differs.

Frozen types of the report, like those of `verifier.model`. No I/O, no third-party import.
"""

from __future__ import annotations

from typing import NamedTuple


class InputClass(NamedTuple):
    """How many files of one class a build read, and their bytes."""

    name: str  # `source`, `produced`, `pinned`, `package`, `root`, `kernel`, `unaccounted`
    files: int
    size: int


class Input(NamedTuple):
    """One file that a build read and that needs a word. `chain` are commands, outermost first."""

    path: str
    reason: str
    chain: tuple[str, ...] = ()
    sha256: str = ""
    size: int = 0


class Inputs(NamedTuple):
    """What went into a rebuild, as a recorder outside its sandbox saw it.

    `events` are what a build should not do: alter an audited file, ask for the network.
    `unread` are audited files that nothing read. `problems` say what was not seen.
    """

    method: str
    classes: tuple[InputClass, ...]
    unaccounted: tuple[Input, ...] = ()
    events: tuple[Input, ...] = ()
    unread: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Maker(NamedTuple):
    """A tool that a shipped file says it was made with, and the one used here."""

    tool: str
    member: str
    shipped: str
    here: str
    advice: str = ""

    @property
    def drifted(self) -> bool:
        """Whether the two are not the same."""
        return self.shipped != self.here


class Cause(NamedTuple):
    """What a difference depends on: one varied `factor`, or none that was tried."""

    factor: str
    member: str
    where: str
    summary: str
    advice: str = ""


class Tolerated(NamedTuple):
    """Differences of one kind that leave the exit status alone, and who said so."""

    kind: str
    differences: int
    by: str  # `policy NAME` or `--fail-on`


class Gate(NamedTuple):
    """What a gate made of a report. It never changes the verdict.

    `fail_on` is what was asked for; empty is the strictest: every negative fails. `failed` are
    the reasons for a `status` other than 0.
    """

    fail_on: tuple[str, ...]
    status: int
    failed: tuple[str, ...] = ()
    tolerated: tuple[Tolerated, ...] = ()
