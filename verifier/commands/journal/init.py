"""`verifier journal init JOURNAL`: an empty journal, and its public key."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from verifier.commands.journal.options import JournalArgument, KeyOption, signer_of

EXAMPLES = """
Examples:

  verifier journal init audits.journal --name example.org/audits --key journal.pem > journal.vkey
"""


def command(
    journal: JournalArgument,
    name: Annotated[
        str, typer.Option("--name", help="What the log is called: a URL without its scheme.")
    ],
    key: KeyOption,
) -> None:
    """Make an empty journal, and print its public key for those who check it."""
    from verifier.attest import journal as journals

    signer = signer_of(key, name)
    journals.create(journal, signer)
    sys.stdout.write(f"{signer.key}\n")
