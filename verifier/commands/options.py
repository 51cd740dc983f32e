"""Options that several commands share, and what they have in common after a run."""

from __future__ import annotations

import atexit
import datetime as dt
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier import policy as policies
from verifier.errors import (
    EXIT_DIFFERENT,
    EXIT_INCONCLUSIVE,
    EXIT_OK,
    UsageError,
)
from verifier.model import Settings, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.model import Policy, Report
    from verifier.run import Result

EXIT = {
    Verdict.IDENTICAL: EXIT_OK,
    Verdict.EQUIVALENT: EXIT_OK,
    Verdict.DIFFERENT: EXIT_DIFFERENT,
    Verdict.INCONCLUSIVE: EXIT_INCONCLUSIVE,
}

LOGBOOK = "VERIFIER_JOURNAL"  # names the journal that takes every run and attestation

PolicyOption = Annotated[
    str | None,
    typer.Option(
        "--policy", metavar="strict|standard|layout|PATH", help="What counts as equivalent."
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="PATH", help="Write the JSON report ('-': stdout).")
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="PATH", help="Write the report as a page for a browser."),
]
ProofOption = Annotated[
    Path | None,
    typer.Option("--proof", metavar="PATH", help="Write the proof, for 'verifier check'."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict alone.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="List every member and patch.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes.", show_default="cores")
]
SignerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signer",
        metavar="FILE|SHA256",
        help="An expected signer: a certificate (PEM, DER) or its SHA-256. Repeatable.",
    ),
]
SpecArgument = Annotated[
    Path, typer.Argument(metavar="SPEC.toml", help="What is audited, and how it is built.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="DIR", help="Roots, sources and packages.", envvar="VERIFIER_CACHE"
    ),
]
NarrateOption = Annotated[
    bool, typer.Option("--narrate", help="Let diffoscope comment on what differs.")
]


WitnessOption = Annotated[
    bool,
    typer.Option(
        "--witness", help="Show changes of detection on the real engines, in the sandbox."
    ),
]
DatabasesOption = Annotated[
    Path | None,
    typer.Option(
        "--databases",
        metavar="TOML",
        help="What is known of signature databases: a file of [[databases]] tables.",
    ),
]


MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="PATH", help="Write a comment for a pull request."),
]
SarifOption = Annotated[
    Path | None, typer.Option("--sarif", metavar="PATH", help="Write SARIF 2.1.0, for annotations.")
]
JunitOption = Annotated[
    Path | None,
    typer.Option("--junit", metavar="PATH", help="Write JUnit XML: a test case for each member."),
]
FailOnOption = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="WORD,…",
        help="What fails: 'different', 'weakening', kinds of differences; 'drift', 'waiver', …",
        show_default="every negative",
    ),
]


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how a result is shown."""

    json: Path | None = None
    proof: Path | None = None
    quiet: bool = False
    verbose: bool = False
    forms: dict[str, Path | None] = field(default_factory=dict)
    fail_on: tuple[str, ...] = ()


def settings(policy: Policy, signers: Sequence[str]) -> Settings:
    """The settings of a run from its policy and expected signers."""
    certificates, pins = signer_files(signers)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return Settings(policy=policy, certificates=certificates, pins=pins, today=today)


def signer_files(signers: Sequence[str]) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Certificates as DER, and SHA-256 pins; UsageError for what is neither."""
    certificates: list[bytes] = []
    pins: list[str] = []
    for signer in signers:
        text = signer.lower().replace(":", "")
        if len(text) == 64 and all(char in "0123456789abcdef" for char in text):
            pins.append(text)
        else:
            certificates.extend(policies.certificates(Path(signer)))
    return tuple(certificates), tuple(pins)


def jobs_or_cores(jobs: int | None) -> int:
    """The number of workers asked for, or one for each processor."""
    return jobs or os.cpu_count() or 1


def progress(quiet: bool, what: str) -> Callable[[int, int], None]:
    """A progress line on stderr: redrawn on a terminal, silent elsewhere."""
    if quiet or not sys.stderr.isatty():
        return lambda _done, _known: None
    from rich.progress import Progress

    bar = Progress(transient=True, auto_refresh=False)
    task = bar.add_task(what, total=None)
    bar.start()

    def update(done: int, known: int) -> None:
        bar.update(task, completed=done, total=known, refresh=done % 64 == 0 or done == known)
        if done == known:
            bar.stop()

    return update


def notify(quiet: bool) -> Callable[[str], None]:
    """Say on stderr what is being done; a counting line is redrawn on a terminal."""
    if quiet:
        return lambda _text: None
    live = sys.stderr.isatty()
    shown = [""]

    def tell(text: str) -> None:
        counting = _without_digits(text) == _without_digits(shown[0])
        if live:
            start = "\r\x1b[K" if counting else "\n" if shown[0] else ""
            sys.stderr.write(f"{start}verifier: {text}")
        elif not counting:
            sys.stderr.write(f"verifier: {text}\n")
        sys.stderr.flush()
        shown[0] = text

    if live:
        atexit.register(sys.stderr.write, "\n")
    return tell


def _without_digits(text: str) -> str:
    return "".join(char for char in text if not char.isdigit())


def run_directory(output: Path | None, cache: Path | None, name: str) -> Path:
    """Where a run keeps its files: as asked, or a new directory of the cache. It must be empty."""
    from verifier.source.cache import Cache, hold

    if output is None:
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S")
        output = Cache.open(cache).under("runs") / f"{name}-{stamp}-{os.getpid()}"
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} is not an empty directory; name another with --output.")
    output.mkdir(parents=True, exist_ok=True)
    hold(output)
    return output


def finish(result: Result, output: Output) -> int:
    """Write what was asked for, print the result, and return the exit status."""
    from verifier import gate
    from verifier.report import forms

    report = result.report
    report = report._replace(gate=gate.judge(report, output.fail_on))
    if LOGBOOK in os.environ:
        from verifier.attest import logbook

        name = output.json.name if output.json is not None else "report"
        logbook.record(name, forms.text(report, "json").encode("utf-8"), os.environ)
    if output.proof is not None and result.proof is not None:
        output.proof.write_text(json.dumps(result.proof, indent=1) + "\n", "utf-8")
    if not forms.write(report, {"json": output.json, **output.forms}):
        show(report, output)
        if output.proof is not None and result.proof is None:
            sys.stderr.write(f"No proof was written: the verdict is {report.verdict}.\n")
    return status(report)


def status(report: Report) -> int:
    """The exit status that the gate gave, which says on stderr what it tolerated."""
    found = report.gate
    if found is None:
        return EXIT[report.verdict]
    if found.status == EXIT_OK and found.tolerated:
        sys.stderr.write(
            f"Exit status 0: {found.tolerated[0].by} tolerates all that differs here.\n"
        )
    return found.status


def show(report: Report, output: Output) -> None:
    """Print the report, or the verdict alone."""
    if output.quiet:
        sys.stdout.write(f"{report.verdict}\n")
        return
    from verifier.report import terminal

    terminal.show(report, sys.stdout, verbose=output.verbose)
