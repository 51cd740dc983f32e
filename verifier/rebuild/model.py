"""What a rebuild leaves behind. Frozen; `to_json` gives the report's `build`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from verifier.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.account import Inputs, Maker


class FailedBuildError(BuildError):
    """A build that failed or was stopped: one sentence, the end of its log, and where it lies."""

    def __init__(self, message: str, log_tail: str, log: Path | None) -> None:
        super().__init__(message)
        self.log_tail = log_tail
        self.log = log


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package.

    `digest` is "sha256:…" of its .deb, or "md5sums-sha256:…": the SHA-256 of dpkg's own list of
    its files' MD5s, where the .deb is not at hand.
    """

    name: str
    version: str
    architecture: str
    digest: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What built: the packages, the first line of each tool's --version, and the variables."""

    packages: tuple[Package, ...]
    tools: dict[str, str]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One finished step; `status` is its exit status, `seconds` wall clock."""

    name: str
    argv: tuple[str, ...]
    seconds: float
    status: int


@dataclass(frozen=True, slots=True)
class Output:
    """One file that the build produced, `name` relative to the output directory."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Build:
    """One finished rebuild. `root_digest` is None where the host's own tools built.

    `inputs` is what it read, None where that was not to be recorded; `record` names the file
    beside the log that holds all of it, and its SHA-256.
    `clock` is the moment to which the sandbox's clock was set; `conditions` what a step met, where
    that was asked for.
    """

    recipe: str
    sandbox: dict[str, Any]
    root_digest: str | None
    environment: Environment
    steps: tuple[StepRecord, ...]
    outputs: tuple[Output, ...]
    output_dir: Path
    log: Path
    clock: str | None
    seconds: float
    inputs: Inputs | None = None
    record: dict[str, str] | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    makers: tuple[Maker, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, texts and numbers; makers stand elsewhere in the report."""
        data = asdict(self)
        del data["makers"]
        del data["inputs"]  # the report has a place of its own for them
        data["output_dir"], data["log"] = str(self.output_dir), str(self.log)
        return data
