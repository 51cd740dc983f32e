"""What the commands of a journal share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from verifier.attest.journal import Signer

JournalArgument = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The journal's file.")]
KeyOption = Annotated[Path, typer.Option("--key", help="The Ed25519 private key, PEM or OpenSSH.")]
LogOption = Annotated[
    Path, typer.Option("--log", help="The public key of the journal, as 'init' prints it.")
]
WitnessOption = Annotated[
    list[Path] | None,
    typer.Option("--witness", help="The public key of a witness. Repeatable."),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where it goes.", show_default="stdout")
]


def signer_of(path: Path, name: str) -> Signer:
    """The private key of the log called `name`."""
    from verifier.attest import journal, note, signing

    private = signing.private_key(path)
    return journal.Signer(private, note.key_of(private, name, note.ED25519))
