"""`verifier journal prove JOURNAL`: that an entry is in it, or that it only grew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.journal.options import JournalArgument, OutputOption
from verifier.errors import UsageError

EXAMPLES = """
Examples:

  verifier journal prove audits.journal --entry 3 -o third.tlog-proof

  verifier journal prove audits.journal --from 120 -o request.txt    (for a witness)
"""


def command(
    journal: JournalArgument,
    entry: Annotated[int | None, typer.Option("--entry", min=0, help="Prove this entry.")] = None,
    old: Annotated[
        int | None, typer.Option("--from", min=0, help="Prove the growth from this size.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Prove that an entry is in the log, or that the log still begins with what it was."""
    from verifier.attest import journal as journals
    from verifier.attest import merkle, tlog

    if (entry is None) == (old is None):
        raise UsageError("Say what to prove: --entry NUMBER or --from SIZE.")
    with journals.opened(journal) as found, found.reading():
        last = found.latest()
        signed = str(last.note).encode("utf-8")
        if entry is not None:
            hashes = tuple(merkle.inclusion(entry, last.size, found.node))
            made = str(tlog.Inclusion(entry, found.entry(entry), hashes, signed))
        else:
            assert old is not None
            hashes = tuple(merkle.consistency(old, last.size, found.node))
            made = str(tlog.Growth(old, hashes, signed))
    _write(made, output)


def _write(text: str, output: Path | None) -> None:
    from verifier.attest import strict

    if output is None:
        sys.stdout.write(text)
    else:
        strict.write(output, text.encode("utf-8"))
