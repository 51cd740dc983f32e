"""`verifier journal export JOURNAL -o DIR`: all of it as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.journal.options import JournalArgument

EXAMPLES = """
Examples:

  verifier journal export audits.journal -o audits/

  verifier journal check audits/ --log journal.vkey
"""


def command(
    journal: JournalArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new directory.")],
) -> None:
    """Write all entries and checkpoints as text, for an auditor without SQLite."""
    from verifier.attest import audit
    from verifier.attest import journal as journals

    with journals.opened(journal) as found:
        audit.write(found, output)
    sys.stdout.write(f"{output}\n")
