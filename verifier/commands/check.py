"""`verifier check PROOF SHIPPED REBUILT`: a door to the stand-alone checker, and one more look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import (
    DatabasesOption,
    JobsOption,
    PolicyOption,
    SignerOption,
    jobs_or_cores,
    settings,
)

EXAMPLES = """
Examples:

  verifier check shim.proof.json shimx64.efi.signed shimx64.efi

  verifier check shim.proof.json shimx64.efi.signed shimx64.efi --again

  python verifier/check.py shim.proof.json shimx64.efi.signed shimx64.efi   (the same, alone)
"""


def command(
    proof: Annotated[Path, typer.Argument(help="A proof written by --proof.")],
    shipped: Annotated[Path, typer.Argument(help="The shipped file or directory.")],
    rebuilt: Annotated[Path, typer.Argument(help="The rebuilt file or directory.")],
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Compare both sides again too: each rule must speak of the same bytes here. For"
            " proofs of someone whom you do not trust.",
        ),
    ] = False,
    policy: PolicyOption = None,
    signer: SignerOption = None,
    databases: DatabasesOption = None,
    jobs: JobsOption = None,
) -> None:
    """Re-check a saved proof with a small program that shares no code with what made it.

    Proofs made under other rules than those here are not judged (exit 3). The policy is the
    one that the proof names, unless --policy names another; with --again alone it matters.
    """
    from verifier import check
    from verifier.attest.reproof import judge, vouch

    status = check.main([str(proof), str(shipped), str(rebuilt)], judge, vouch)
    if status or not again:
        raise typer.Exit(status)

    import json

    from verifier import pair, run
    from verifier import policy as policies
    from verifier.attest.again import unlike
    from verifier.model import Verdict
    from verifier.spec.databases import load

    saved = json.loads(proof.read_text("utf-8"))
    chosen = settings(policies.load(policy or saved["policy"]), signer or [])
    if databases is not None:
        chosen = chosen._replace(databases=load(databases))
    found = run.compare(pair.pair_paths(shipped, rebuilt), chosen, jobs_or_cores(jobs))
    if why := unlike(saved, found.proof, found.report.verdict.value):
        typer.echo(f"The proof does not hold: {why}", err=True)
        raise typer.Exit(3 if found.report.verdict is Verdict.INCONCLUSIVE else 1)
    typer.echo("A comparison here settles the same bytes by the same rules.")
