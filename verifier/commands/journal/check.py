"""`verifier journal check JOURNAL|EXPORT|PROOF`: whether it holds, and where not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.commands.journal.options import LogOption, WitnessOption
from verifier.errors import UsageError

if TYPE_CHECKING:
    from verifier.attest.note import Checkpoint, Key

EXAMPLES = """
Examples:

  verifier journal check audits.journal --log journal.vkey --witness bob.vkey --witnesses 1

  verifier journal check third.tlog-proof --log journal.vkey --file report.json

  verifier journal check request.txt --log journal.vkey --checkpoint seen.checkpoint

Exit status: 0 it holds, 1 it was tampered with, 3 it cannot be read or is not signed.
"""


def command(
    what: Annotated[
        Path, typer.Argument(metavar="JOURNAL|EXPORT|PROOF", help="What is to be checked.")
    ],
    log: LogOption,
    witness: WitnessOption = None,
    witnesses: Annotated[
        int, typer.Option("--witnesses", min=0, help="How many of them must have cosigned.")
    ] = 0,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint kept elsewhere. Repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="The file that a proven entry must be of.")
    ] = None,
) -> None:
    """Check a journal, an export, or a proof, and say where it was tampered with."""
    from verifier.attest import audit, note, strict, tlog
    from verifier.attest import journal as journals
    from verifier.attest.refusal import NotAttestedError

    key, others = (
        note.load(log, note.ED25519),
        [note.load(path, note.COSIGNATURE) for path in witness or []],
    )
    known = [strict.read(path) for path in checkpoint or []]
    if what.is_dir():
        last = audit.export(what, key, others, known).last
    elif _is_database(what):
        with journals.opened(what) as found:
            known += journals.kept_beside(what)
            last = audit.journal(found, key, others, known).last
    else:
        data = strict.read(what)
        one = tlog.is_inclusion(data)
        last = (_included if one else _grown)(data, key, others, known, file, str(what))
    if len(last.witnesses) < witnesses:
        raise NotAttestedError(
            f"{what} holds, but {len(last.witnesses)} known witnesses have cosigned its last "
            f"checkpoint, not {witnesses}."
        )
    sys.stdout.write(f"It holds: {last.size} entries, root {last.root.hex()}.\n")
    for name, time in last.witnesses:
        sys.stdout.write(f"  cosigned by {name} at {time}\n")


def _included(
    data: bytes, key: Key, others: list[Key], known: list[bytes], file: Path | None, what: str
) -> Checkpoint:
    from verifier.attest import entries, predicate, strict, tlog
    from verifier.attest.refusal import MismatchError

    if known:
        raise UsageError("An inclusion proof carries its own checkpoint; give no --checkpoint.")
    proof = tlog.inclusion(data, what)
    last = tlog.included(proof, key, others, what)
    entry = entries.read(proof.entry, f"The entry of {what}")
    if file is not None and predicate.sha256(strict.read(file)) != entry["sha256"]:
        raise MismatchError(f"{what} proves an entry of another file than {file}.")
    sys.stdout.write(f"Entry {proof.at}: {entry['kind']} {entry['name']}, {entry['time']}.\n")
    return last


def _grown(
    data: bytes, key: Key, others: list[Key], known: list[bytes], file: Path | None, what: str
) -> Checkpoint:
    from verifier.attest import note, tlog

    if len(known) != 1 or file is not None:
        raise UsageError("A proof of growth is checked from one --checkpoint that you know.")
    old = note.opened(known[0], key, others, "The checkpoint that is known")
    return tlog.grows(tlog.growth(data, what), old, key, others, what)


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
