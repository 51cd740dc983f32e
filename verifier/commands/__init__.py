"""The command line. Each command is one file, imported when it is the one that is run."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import typer

from verifier import __version__, interrupt
from verifier.commands.light import Command, Group
from verifier.errors import EXIT_INCONCLUSIVE, VerifierError

_INTERRUPTED = 130  # what typer makes of Ctrl-C

# What --help says of each, which is the first line of what the command itself says: with twenty
# commands, importing all of them for each run is most of the start-up time.
COMMANDS = {
    "init": "Propose a specification from a look at the audited tree and at what was shipped.",
    "verify": "Rebuild audited source in a sandbox and compare it with what was shipped.",
    "compare": "Compare two files or two directories, member by member, byte by byte.",
    "rebuild": "Get the audited source and build it in its sandbox, without comparing anything.",
    "diagnose": "Vary one condition of a build at a time, and name the one behind each difference.",
    "show": "Show a saved report again, in any form, and end with its exit status.",
    "diff": "Tell what changed between two reports, what got worse first.",
    "check": "Re-check a saved proof with a small program that shares no code with what made it.",
    "layout": "Cut a file into named spans that cover each byte exactly once.",
    "attest": "Sign a statement about a report, positive or negative: in-toto, and a VSA.",
    "verify-attestation": "Check an attestation, and tell a yes from a no by exit status.",
    "quorum": "Count independent auditors who attest the same shipped files and the same source.",
    "bundle": "Pack specification, report, proof, files, attestations and logs into one archive.",
    "replay": "Check every digest, proof and attestation of a bundle again.",
}
GROUPS = {
    "journal": "An append-only log of runs and attestations that nobody can change unseen.",
    "cache": "What is kept between runs, and making room: list and prune it.",
    "source": "The record of an audit: each path that reviewers saw, signed, and held against "
    "a tree.",
    "sandbox": "The place where builds run: try to break out of it.",
    "rules": "What may vary, and why: list, show and check the rules.",
}


def build(chosen: str) -> typer.Typer:
    """The program; of its commands only `chosen` is imported, the others are names and a line."""
    app = typer.Typer(
        name="verifier",
        cls=Group,
        help="Is a shipped, signed artifact what its audited source builds? Answers with a proof.",
        epilog="Exit status: 0 identical or equivalent, 1 different, 2 wrong usage, "
        "3 inconclusive.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, line in COMMANDS.items():
        if name == chosen:
            module = importlib.import_module(f"verifier.commands.{name.replace('-', '_')}")
            app.command(name, cls=Command, epilog=module.EXAMPLES)(module.command)
        else:
            app.command(name, help=line)(_another)
    for name, line in GROUPS.items():
        if name == chosen:
            app.add_typer(importlib.import_module(f"verifier.commands.{name}").app, name=name)
        else:
            app.command(name, help=line)(_another)
    return app


def _another() -> None:
    """Stands for a command that is not the one that is run."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"verifier {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_version, is_eager=True
    ),
) -> None:
    del version


def main() -> NoReturn:
    """Run the command line; every failure is one sentence and a non-zero status."""
    interrupt.install()
    try:
        status = build(_chosen(sys.argv[1:]))(standalone_mode=True)
    except VerifierError as error:
        sys.stderr.write(f"{_inert(f'verifier: {error}')}\n")
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
        said = f"verifier: unexpected {type(error).__name__}: {error}. Nothing was concluded; "
        sys.stderr.write(_inert(f"{said}run again with VERIFIER_DEBUG=1 and report it.") + "\n")
        sys.exit(EXIT_INCONCLUSIVE)
    sys.exit(status)


def _inert(text: str) -> str:
    """A message that may hold text of a hostile file, line by line."""
    from verifier.report.plain import lines

    return "\n".join(lines(text, 20_000))


def _chosen(arguments: list[str]) -> str:
    """The command that the arguments name: the first that is no option."""
    return next((each for each in arguments if not each.startswith("-")), "")
