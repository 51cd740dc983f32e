"""`verifier check PROOF SHIPPED REBUILT`: a door to the stand-alone checker, nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    """Re-check a saved proof with a small program that shares no code with what made it."""
    from verifier import check

    raise typer.Exit(check.main([str(proof), str(shipped), str(rebuilt)], _judge))


def _judge(
    layout: dict[str, Any], shipped: memoryview, rebuilt: memoryview, settled: Any
) -> tuple[str, int]:
    """Judge a map between two program layouts; what cannot be read holds nothing."""
    from verifier.errors import VerifierError
    from verifier.semantic.layout import recheck

    try:
        return recheck.judge(layout, shipped, rebuilt, settled)
    except VerifierError as error:
        return str(error), 0
