"""`verifier source record | check`: what reviewers of a tree saw, and whether it is still so."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.light import Command, Group
from verifier.errors import EXIT_DIFFERENT, UsageError

app = typer.Typer(
    help="The record of an audit: each path that reviewers saw, signed, and held against a tree.",
    no_args_is_help=True,
    cls=Group,
)

EXAMPLES = """
Examples:

  verifier source record src/ -o audit-record.json --reviewer alice@example.org --key alice.pem

  verifier source check src/ audit-record.json --key alice.pub
"""

TreeArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The tree; its top-level .git is left out.")
]


@app.command("record", cls=Command, epilog=EXAMPLES)
def record_tree(
    tree: TreeArgument,
    reviewer: Annotated[
        str, typer.Option("--reviewer", help="Who audited it.", envvar="VERIFIER_AUDITOR")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PATH", help="Where the record goes, not in DIR."),
    ] = Path("audit-record.json"),
    date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="When.", show_default="today")
    ] = None,
    notes: Annotated[str, typer.Option(help="What else the reviewers say.")] = "",
    modes: Annotated[
        str,
        typer.Option(metavar="full|git", help="All permission bits, or the executable bit alone."),
    ] = "full",
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="FILE|gpg:FPR|pkcs11:N", help="Sign it, as 'attest' does."),
    ] = None,
) -> None:
    """Write what reviewers saw: each path with mode, size, SHA-256 and SWHID."""
    from verifier.attest import strict
    from verifier.source import record, recordkeys
    from verifier.source.tree import scan

    if modes not in (record.FULL, record.GIT):
        raise UsageError(f"--modes is {modes!r}, neither full nor git.")
    if not tree.is_dir():
        raise UsageError(f"{tree} is no directory.")
    if output.absolute().parent.resolve().is_relative_to(tree.resolve()):
        raise UsageError(f"{output} lies in {tree}, which it would change; name another place.")
    words = record.Words(reviewer, _day(date), notes)
    strict.write(output, record.make(scan(tree), words, modes))
    made = record.read(output)
    sys.stdout.write(f"{output}\n")
    if key is not None:
        from verifier.attest import dsse, signing

        said = strict.canonical(recordkeys.statement(strict.read(output), made))
        target = recordkeys.beside(output)[0]
        strict.write(target, dsse.dump(signing.load(key).sign(said)))
        sys.stdout.write(f"{target}\n")
    told = made.data["tree"]
    sys.stderr.write(
        f"Recorded {told['files']} files of {told['bytes']} bytes: {told['swhid']}.\n"
        "To sign it with ssh-keygen: "
        f"ssh-keygen -Y sign -n {recordkeys.NAMESPACE} -f KEY {output}\n"
    )


@app.command("check", cls=Command, epilog=EXAMPLES)
def check_tree(
    tree: TreeArgument,
    against: Annotated[Path, typer.Argument(metavar="RECORD", help="What 'record' wrote.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="A public key that may sign it. Repeatable."),
    ] = None,
) -> None:
    """Hold a tree against a record; status 1 and one line for each path that differs."""
    from verifier.source import record, recordkeys
    from verifier.source.base import SourceDiffersError
    from verifier.source.tree import scan

    if not tree.is_dir():
        raise UsageError(f"{tree} is no directory.")
    kept = record.read(against)
    signers = recordkeys.signers(against, kept, key) if key else ()
    found = scan(tree)
    try:
        record.hold(kept, found.entries, found.swhid)
    except SourceDiffersError as error:
        sys.stdout.writelines(f"{change}\n" for change in error.changes)
        raise typer.Exit(EXIT_DIFFERENT) from None
    by = f", signed by {', '.join(signers)}" if signers else "; no signature was asked for (--key)"
    data = kept.data
    sys.stdout.write(f"{tree} is what {data['reviewer']} saw on {data['date']}{by}.\n")


def _day(date: str | None) -> str:
    try:
        day = dt.date.fromisoformat(date) if date else dt.datetime.now(dt.UTC).date()
    except ValueError:
        raise UsageError(f"--date is {date!r}, which is no date such as 2026-12-31.") from None
    return day.isoformat()
