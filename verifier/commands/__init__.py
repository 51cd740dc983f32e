"""The command line. Each command is one file; all heavy imports wait until they are needed."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

from verifier import __version__
from verifier.commands import (
    attest,
    bundle,
    check,
    compare,
    journal,
    layout,
    quorum,
    rebuild,
    replay,
    rules,
    verify,
    verify_attestation,
)
from verifier.errors import EXIT_INCONCLUSIVE, VerifierError

_INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    name="verifier",
    help="Is a shipped, signed artifact what its audited source builds? Answers with a proof.",
    epilog="Exit status: 0 identical or equivalent, 1 different, 2 wrong usage, 3 inconclusive.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("verify", epilog=verify.EXAMPLES)(verify.command)
app.command("compare", epilog=compare.EXAMPLES)(compare.command)
app.command("rebuild", epilog=rebuild.EXAMPLES)(rebuild.command)
app.command("check", epilog=check.EXAMPLES)(check.command)
app.command("layout", epilog=layout.EXAMPLES)(layout.command)
app.command("attest", epilog=attest.EXAMPLES)(attest.command)
app.command("verify-attestation", epilog=verify_attestation.EXAMPLES)(verify_attestation.command)
app.command("bundle", epilog=bundle.EXAMPLES)(bundle.command)
app.command("replay", epilog=replay.EXAMPLES)(replay.command)
app.command("quorum", epilog=quorum.EXAMPLES)(quorum.command)
app.add_typer(journal.app, name="journal")
app.add_typer(rules.app, name="rules")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"verifier {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_version, is_eager=True
    ),
) -> None:
    del version


def main() -> NoReturn:
    """Run the command line; every failure is one sentence and a non-zero status."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        status = app(standalone_mode=True)
    except VerifierError as error:
        sys.stderr.write(f"verifier: {error}\n")
        sys.exit(error.exit_code)
    except SystemExit as ending:
        if ending.code != _INTERRUPTED:
            raise
        sys.stderr.write("verifier: stopped before its start; nothing was concluded.\n")
        sys.exit(EXIT_INCONCLUSIVE)
    except KeyboardInterrupt:
        sys.stderr.write("verifier: stopped before its end; nothing was concluded.\n")
        sys.exit(EXIT_INCONCLUSIVE)
    except Exception as error:
        if os.environ.get("VERIFIER_DEBUG"):
            raise
        sys.stderr.write(
            f"verifier: unexpected {type(error).__name__}: {error}. Nothing was concluded; "
            "run again with VERIFIER_DEBUG=1 and report it.\n"
        )
        sys.exit(EXIT_INCONCLUSIVE)
    sys.exit(status)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
