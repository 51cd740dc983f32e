"""`verifier bundle REPORT -o BUNDLE`: everything about one run, in one archive."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.errors import UsageError, VerifierError

EXAMPLES = """
Examples:

  verifier bundle report.json --proof proof.json --shipped s.efi --rebuilt r.efi -o audit.zip

  verifier bundle shim.report.json --proof shim.proof.json --run shim/ \\
      --spec fixtures/specs/shim.toml --attestation shim.report.json.attestation.json -o shim.zip
"""


def command(
    report: Annotated[Path, typer.Argument(help="A report written by --json.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive, a zip file.")],
    proof: Annotated[
        Path | None, typer.Option("--proof", help="The proof that was written with the report.")
    ] = None,
    shipped: Annotated[
        Path | None, typer.Option("--shipped", help="The shipped file or directory.")
    ] = None,
    rebuilt: Annotated[
        Path | None, typer.Option("--rebuilt", help="The rebuilt file or directory.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="The --output of 'verify': both sides, and the build's log."),
    ] = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="The specification that was verified.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="The record of the source's audit.")
    ] = None,
    attestation: Annotated[
        list[Path] | None, typer.Option("--attestation", help="A signed statement. Repeatable.")
    ] = None,
    log: Annotated[list[Path] | None, typer.Option("--log", help="A log. Repeatable.")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", help="Any other file, such as a report page. Repeatable."),
    ] = None,
) -> None:
    """Pack specification, report, proof, files, attestations and logs into one archive."""
    from verifier import limits
    from verifier.attest import bundle, make, replay, strict

    data = strict.read(report, limits.REPORT_BYTES)
    logs = list(log or [])
    if run is not None:
        if shipped is not None or rebuilt is not None:
            raise UsageError("--run brings both sides; give no --shipped and no --rebuilt.")
        shipped, rebuilt = run / "shipped", run / "rebuilt"
        build = make.report_of(data)["build"] or {}
        kept = build.get("log")
        if isinstance(kept, str) and Path(kept).is_file():
            logs.append(Path(kept))
    parts = bundle.Parts(
        report=data,
        proof=None if proof is None else make.proof_bytes(proof),
        shipped=shipped,
        rebuilt=rebuilt,
        spec=spec,
        record=record,
        attestations=tuple(attestation or []),
        logs=tuple(logs),
        also=tuple(also or []),
    )
    digest = bundle.write(bundle.pack(parts), output)
    try:
        replay.replay(output)
    except VerifierError:
        output.unlink()  # what cannot be replayed is no evidence
        raise
    sys.stdout.write(f"{digest}  {output}\n")
