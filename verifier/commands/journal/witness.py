"""`verifier journal witness | cosign`: another auditor watches a journal grow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.commands.journal.options import JournalArgument, KeyOption, LogOption
from verifier.errors import UsageError

if TYPE_CHECKING:
    from verifier.attest.note import Key, Line

EXAMPLES = """
Examples:

  verifier journal prove audits.journal --from 0 -o request.txt

  verifier journal witness request.txt --log journal.vkey --key bob.pem --name bob.example \\
      --state bob.seen > bob.sig
"""
COSIGN = """
Examples:

  verifier journal cosign audits.journal bob.sig --witness bob.vkey
"""


def command(
    request: Annotated[Path, typer.Argument(help="What 'journal prove --from SIZE' wrote.")],
    log: LogOption,
    key: KeyOption,
    name: Annotated[str, typer.Option("--name", help="What this witness is called.")],
    state: Annotated[Path, typer.Option("--state", help="What this witness has seen; kept here.")],
) -> None:
    """Cosign a checkpoint of another's journal, if it extends what was seen of it before."""
    from verifier.attest import note, signing, strict
    from verifier.attest import witness as witnesses

    private = signing.private_key(key)
    by = note.key_of(private, name, note.COSIGNATURE)
    data = strict.read(request)
    line = witnesses.cosign(data, note.load(log, note.ED25519), state, private, by, strict.now())
    sys.stdout.write(line)
    sys.stderr.write(f"The key of this witness: {by}\n")


def cosign(
    journal: JournalArgument,
    signatures: Annotated[Path, typer.Argument(help="What 'journal witness' printed.")],
    witness: Annotated[list[Path], typer.Option("--witness", help="The witness's public key.")],
) -> None:
    """Add a witness's signature to the checkpoint that it signed, and print that checkpoint."""
    from verifier.attest import journal as journals
    from verifier.attest import note, strict

    others = [note.load(path, note.COSIGNATURE) for path in witness]
    text = strict.read(signatures).decode("utf-8", "replace")
    lines = [note.line(each, str(signatures)) for each in text.split("\n") if each]
    with journals.opened(journal, write=True) as found:
        sizes = [
            size for size, data in found.checkpoints() if _signed_by(data, lines, others, found.log)
        ]
        if not sizes:
            raise UsageError(f"{signatures} has no signature of a known witness on a checkpoint.")
        signed = found.add_signatures(sizes[-1], lines)
    sys.stdout.write(str(signed.note))


def _signed_by(data: bytes, lines: list[Line], others: list[Key], log: Key) -> bool:
    """Whether all of these lines are good signatures of known witnesses on this checkpoint."""
    from verifier.attest import note
    from verifier.attest.refusal import MismatchError

    known = note.parse(data, "The checkpoint")
    tried = str(known._replace(lines=(*known.lines, *lines))).encode("utf-8")
    try:
        found = note.opened(tried, log, others, "The checkpoint")
    except MismatchError:
        return False
    return {line.name for line in lines} <= {name for name, _ in found.witnesses}
