"""`verifier diff OLD NEW`: what changed between two saved reports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import QuietOption, VerboseOption

EXAMPLES = """
Examples:

  verifier diff release-1.0.json release-1.1.json

  verifier diff yesterday.json today.json --json changes.json --quiet

Exit status: 0 nothing is worse, 1 something is worse, 2 wrong usage, 3 not comparable (no member in
common, nothing compared, or no report).
"""


def command(
    old: Annotated[Path, typer.Argument(help="The earlier report, written by --json.")],
    new: Annotated[Path, typer.Argument(help="The later one.")],
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="PATH", help="Write the changes as JSON ('-': stdout)."),
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Tell what changed between two reports, what got worse first."""
    from verifier.report import changed, changes, forms, saved

    found = changes.between(saved.load(old), saved.load(new))
    if json is not None:
        forms.put(changed.document(found), json)
    if json is None or str(json) != "-":
        shown = changed.text(found, verbose=verbose)
        sys.stdout.write(shown.partition("\n")[0] + "\n" if quiet else shown)
    raise typer.Exit(found.status)
