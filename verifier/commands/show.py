"""`verifier show REPORT`: a saved report in any of its forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import (
    EXIT,
    FailOnOption,
    HtmlOption,
    JsonOption,
    JunitOption,
    MarkdownOption,
    Output,
    QuietOption,
    SarifOption,
    VerboseOption,
)

EXAMPLES = """
Examples:

  verifier show report.json --verbose

  verifier show report.json --html page.html --markdown comment.md --sarif report.sarif

  verifier show report.json --fail-on weakening,drift --quiet

Exit status: that of the verdict, or of the gate that --fail-on describes; 3 for what is no report.
"""


def command(
    report: Annotated[Path, typer.Argument(help="A report written by --json.")],
    json: JsonOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    fail_on: FailOnOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show a saved report again, in any form, and end with its exit status."""
    from verifier import gate
    from verifier.commands import options
    from verifier.report import forms, saved

    wanted = gate.words(fail_on)
    loaded = saved.load(report)
    if wanted:
        loaded = loaded._replace(gate=gate.judge(loaded, wanted))
    asked = {"json": json, "html": html, "markdown": markdown, "sarif": sarif, "junit": junit}
    if not forms.write(loaded, asked):
        options.show(loaded, Output(quiet=quiet, verbose=verbose))
    raise typer.Exit(options.status(loaded) if wanted else EXIT[loaded.verdict])
