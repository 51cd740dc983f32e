"""`verifier journal append JOURNAL FILE…`: entries for files, all or none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.journal.options import JournalArgument, KeyOption, signer_of

EXAMPLES = """
Examples:

  verifier journal append audits.journal report.json attestation.json --key journal.pem

  verifier journal append audits.journal record.md --key journal.pem > latest.checkpoint
"""


def command(
    journal: JournalArgument,
    files: Annotated[
        list[Path], typer.Argument(help="Reports, attestations, or any files (their digests).")
    ],
    key: KeyOption,
) -> None:
    """Add entries for files, all or none, and print the new checkpoint."""
    from verifier import limits
    from verifier.attest import entries, strict
    from verifier.attest import journal as journals

    now = strict.now()
    new = [
        entry
        for path in files
        for entry in entries.of_file(path.name, strict.read(path, limits.REPORT_BYTES), now)
    ]
    with journals.opened(journal, write=True) as found:
        signed = found.append(new, signer_of(key, found.log.name))
    sys.stdout.write(str(signed.note))
