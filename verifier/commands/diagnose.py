"""`verifier diagnose SPEC.toml`: which condition of the build explains which difference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import (
    CacheOption,
    JobsOption,
    PolicyOption,
    QuietOption,
    SpecArgument,
    VerboseOption,
    jobs_or_cores,
    notify,
    run_directory,
)
from verifier.errors import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_OK

EXAMPLES = """
Examples:

  verifier diagnose fixtures/specs/hello.toml

  verifier diagnose audit.toml --factor time --factor "build path" --json diagnosis.json

Exit status: 0 each difference has a cause (or there is none), 1 a difference has none of them,
2 wrong usage, 3 nothing could be built or compared.
"""


def command(
    spec: SpecArgument,
    factor: Annotated[
        list[str] | None,
        typer.Option("--factor", metavar="NAME", help="Vary this one. Repeatable; all if absent."),
    ] = None,
    toolchain: Annotated[
        Path | None,
        typer.Option(
            "--toolchain",
            metavar="OTHER.toml",
            help="Also build as this specification says: another root, packages or variables.",
        ),
    ] = None,
    policy: PolicyOption = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="PATH", help="Write the diagnosis as JSON ('-': stdout)."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Keep all builds and logs here."),
    ] = None,
    cache: CacheOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    jobs: JobsOption = None,
) -> None:
    """Vary one condition of a build at a time, and name the one behind each difference."""
    import json as encoder

    from verifier import diagnose, verify
    from verifier import spec as specs
    from verifier.report import diagnosis as shown

    loaded = specs.load(spec)
    other = specs.load(toolchain) if toolchain is not None else None
    folder = run_directory(output, cache, f"diagnose-{spec.stem}")
    options = verify.Options(folder / "rebuild", jobs_or_cores(jobs), policy, cache=cache)
    wanted = diagnose.Options(
        *(folder, options.output / "shipped", options.output / verify.LINKED),
        *(options.jobs, tuple(factor or ()), other),
    )
    settings = verify.settings_of(loaded, options)
    found = verify.diagnosed(loaded, settings, options, wanted, notify(quiet))
    if isinstance(found, str):
        sys.stderr.write(f"verifier: {found}\n")
        raise typer.Exit(EXIT_INCONCLUSIVE)
    text = encoder.dumps(shown.document(found), indent=1, ensure_ascii=False) + "\n"
    if json is not None and str(json) != "-":
        json.write_text(text, "utf-8")
    if json is not None and str(json) == "-":
        sys.stdout.write(text)
    elif quiet:
        sys.stdout.write(f"{shown.summary(found)}\n")
    else:
        shown.show(found, verbose=verbose)
        sys.stderr.write(f"All builds and their logs: {folder}\n")
    raise typer.Exit(EXIT_DIFFERENT if found.unexplained else EXIT_OK)
