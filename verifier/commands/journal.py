"""`verifier journal init | append | prove | check | export | witness | cosign`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.errors import UsageError

if TYPE_CHECKING:
    from verifier.attest.journal import Signer
    from verifier.attest.note import Checkpoint, Key, Line

app = typer.Typer(
    help="An append-only log of runs and attestations that nobody can change unseen.",
    no_args_is_help=True,
)
EXAMPLES = """
Examples:

  verifier journal init audits.journal --name example.org/audits --key journal.pem

  verifier journal append audits.journal report.json attestation.json --key journal.pem

  verifier journal check audits.journal --log journal.vkey --checkpoint seen-last-month.checkpoint
"""
PROVE = """
Examples:

  verifier journal prove audits.journal --entry 3 -o third.tlog-proof

  verifier journal prove audits.journal --from 120 -o request.txt    (for a witness)
"""
CHECK = """
Examples:

  verifier journal check audits.journal --log journal.vkey --witness bob.vkey --witnesses 1

  verifier journal check third.tlog-proof --log journal.vkey --file report.json

  verifier journal check request.txt --log journal.vkey --checkpoint seen.checkpoint

Exit status: 0 it holds, 1 it was tampered with, 3 it cannot be read or is not signed.
"""
WITNESS = """
Examples:

  verifier journal witness request.txt --log journal.vkey --key bob.pem --name bob.example \\
      --state bob.seen > bob.sig

  verifier journal cosign audits.journal bob.sig --witness bob.vkey
"""

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


@app.command("init", epilog=EXAMPLES)
def init(
    journal: JournalArgument,
    name: Annotated[
        str, typer.Option("--name", help="What the log is called: a URL without its scheme.")
    ],
    key: KeyOption,
) -> None:
    """Make an empty journal, and print its public key for those who check it."""
    from verifier.attest import journal as journals

    signer = _signer(key, name)
    journals.create(journal, signer)
    sys.stdout.write(f"{signer.key}\n")


@app.command("append", epilog=EXAMPLES)
def append(
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
        signed = found.append(new, _signer(key, found.log.name))
    sys.stdout.write(str(signed.note))


@app.command("prove", epilog=PROVE)
def prove(
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


@app.command("check", epilog=CHECK)
def check(
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
    from verifier.attest import audit, strict, tlog
    from verifier.attest import journal as journals
    from verifier.attest.refusal import NotAttestedError

    key, others = _log(log), [_witness(path) for path in witness or []]
    known = [strict.read(path) for path in checkpoint or []]
    if what.is_dir():
        last = audit.export(what, key, others, known).last
    elif _is_database(what):
        with journals.opened(what) as found:
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


@app.command("export", epilog=EXAMPLES)
def export(
    journal: JournalArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new directory.")],
) -> None:
    """Write all entries and checkpoints as text, for an auditor without SQLite."""
    import json

    from verifier.attest import journal as journals

    if output.exists():
        raise UsageError(f"{output} is there already; name a new directory.")
    with journals.opened(journal) as found, found.reading():
        last = found.latest()
        output.mkdir(parents=True)
        with (output / "entries.jsonl").open("wb") as file:
            for _, data in found.entries():
                file.write(data + b"\n")
        with (output / "checkpoints.jsonl").open("w", encoding="utf-8") as text:
            for _, data in found.checkpoints():
                text.write(json.dumps(data.decode("utf-8"), ensure_ascii=False) + "\n")
        (output / "checkpoint").write_text(str(last.note), "utf-8")
    sys.stdout.write(f"{output}\n")


@app.command("witness", epilog=WITNESS)
def witness(
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
    line = witnesses.cosign(data, _log(log), state, private, by, strict.now())
    sys.stdout.write(line)
    sys.stderr.write(f"The key of this witness: {by}\n")


@app.command("cosign", epilog=WITNESS)
def cosign(
    journal: JournalArgument,
    signatures: Annotated[Path, typer.Argument(help="What 'journal witness' printed.")],
    witness: Annotated[list[Path], typer.Option("--witness", help="The witness's public key.")],
) -> None:
    """Add a witness's signature to the checkpoint that it signed, and print that checkpoint."""
    from verifier.attest import journal as journals
    from verifier.attest import note, strict

    others = [_witness(path) for path in witness]
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


def _signer(path: Path, name: str) -> Signer:
    from verifier.attest import journal as journals
    from verifier.attest import note, signing

    private = signing.private_key(path)
    return journals.Signer(private, note.key_of(private, name, note.ED25519))


def _log(path: Path) -> Key:
    return _public(path, 1, "a log")


def _witness(path: Path) -> Key:
    return _public(path, 4, "a witness")


def _public(path: Path, kind: int, what: str) -> Key:
    from verifier.attest import note, strict

    found = note.key(strict.read(path, 4096).decode("utf-8", "replace"))
    if found.kind != kind:
        raise UsageError(f"The key of {path} is not that of {what}.")
    return found


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")
