"""`verifier verify SPEC.toml`: source → rebuild → pair → compare → verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import (
    CacheOption,
    FailOnOption,
    HtmlOption,
    JobsOption,
    JsonOption,
    JunitOption,
    MarkdownOption,
    NarrateOption,
    Output,
    PolicyOption,
    ProofOption,
    QuietOption,
    SarifOption,
    SpecArgument,
    VerboseOption,
    WitnessOption,
    finish,
    jobs_or_cores,
    notify,
    progress,
    run_directory,
)

EXAMPLES = """
Examples:

  verifier verify fixtures/specs/shim.toml --policy strict --proof shim.proof.json

  verifier verify audit.toml --json report.json --html report.html --output audit-2026-11/
"""


def command(
    spec: SpecArgument,
    policy: PolicyOption = None,
    json: JsonOption = None,
    proof: ProofOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    fail_on: FailOnOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Keep rebuilt files, log and both sides of each pair here.",
            show_default="a new directory below the cache",
        ),
    ] = None,
    cache: CacheOption = None,
    narrate: NarrateOption = False,
    witness: WitnessOption = False,
    rebuilds: Annotated[
        int | None,
        typer.Option(
            "--rebuilds",
            metavar="N",
            min=1,
            help="Build N times, every second time under other conditions.",
            show_default="2 where the first is not identical",
        ),
    ] = None,
    diagnose: Annotated[
        bool,
        typer.Option("--diagnose", help="Find the cause of each difference, by many builds."),
    ] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    jobs: JobsOption = None,
) -> None:
    """Rebuild audited source in a sandbox and compare it with what was shipped."""
    from verifier import gate, verify
    from verifier import spec as specs

    wanted = gate.words(fail_on)
    forms = {"html": html, "markdown": markdown, "sarif": sarif, "junit": junit}
    loaded = specs.load(spec)
    folder = run_directory(output, cache, spec.stem)
    options = verify.Options(
        *(folder, jobs_or_cores(jobs), policy, narrate, cache, witness, rebuilds, diagnose)
    )
    settings = verify.settings_of(loaded, options)
    tell = notify(quiet)
    result = verify.verify(loaded, settings, options, tell, progress(quiet, "comparing"))
    status = finish(result, Output(json, proof, quiet, verbose, forms, wanted))
    if not quiet:
        sys.stderr.write(f"Rebuilt files, build log and both sides of each pair: {folder}\n")
    raise typer.Exit(status)
