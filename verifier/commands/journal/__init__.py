"""`verifier journal …`: an append-only log of runs and attestations. One file a command."""

from __future__ import annotations

import typer

from verifier.commands.journal import append, check, export, init, prove, witness

app = typer.Typer(
    help="An append-only log of runs and attestations that nobody can change unseen.",
    no_args_is_help=True,
)
app.command("init", epilog=init.EXAMPLES)(init.command)
app.command("append", epilog=append.EXAMPLES)(append.command)
app.command("prove", epilog=prove.EXAMPLES)(prove.command)
app.command("check", epilog=check.EXAMPLES)(check.command)
app.command("export", epilog=export.EXAMPLES)(export.command)
app.command("witness", epilog=witness.EXAMPLES)(witness.command)
app.command("cosign", epilog=witness.COSIGN)(witness.cosign)
