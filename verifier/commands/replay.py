"""`verifier replay BUNDLE`: check a bundle again, offline, without a build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
Examples:

  verifier replay audit.zip

  verifier replay audit.zip --key alice.pub

Exit status: that of the report's verdict where all holds; 1 too if the proof does not hold,
3 if anything is missing, more, altered, or not signed.
"""


def command(
    bundle: Annotated[Path, typer.Argument(help="What 'verifier bundle' wrote.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE|DIR", help="A trusted public key. Repeatable."),
    ] = None,
) -> None:
    """Check every digest, proof and attestation of a bundle again."""
    from verifier.attest import keys, replay
    from verifier.commands.options import EXIT

    trusted = [each for path in key or [] for each in keys.load(path)]
    found = replay.replay(bundle, trusted)
    sys.stdout.write(f"Replayed: {found.verdict}.\n")
    sys.stdout.writelines(f"  {line}\n" for line in found.checked)
    raise typer.Exit(EXIT[found.verdict])
