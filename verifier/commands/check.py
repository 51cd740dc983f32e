"""`verifier check PROOF SHIPPED REBUILT`: a door to the stand-alone checker, nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
Examples:

  verifier check shim.proof.json shimx64.efi.signed shimx64.efi

  python verifier/check.py shim.proof.json shimx64.efi.signed shimx64.efi   (the same, alone)
"""


def command(
    proof: Annotated[Path, typer.Argument(help="A proof written by --proof.")],
    shipped: Annotated[Path, typer.Argument(help="The shipped file or directory.")],
    rebuilt: Annotated[Path, typer.Argument(help="The rebuilt file or directory.")],
) -> None:
    """Re-check a saved proof with a small program that shares no code with what made it.

    Proofs made under other rules than those here are not judged (exit 3).
    """
    from verifier import check
    from verifier.attest.reproof import judge, vouch

    raise typer.Exit(check.main([str(proof), str(shipped), str(rebuilt)], judge, vouch))
