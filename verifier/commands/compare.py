"""`verifier compare SHIPPED REBUILT`: two files or two directories, without a build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import (
    DatabasesOption,
    FailOnOption,
    HtmlOption,
    JobsOption,
    JsonOption,
    JunitOption,
    MarkdownOption,
    NarrateOption,
    Output,
    PolicyOption,
    ProofOption,
    QuietOption,
    SarifOption,
    SignerOption,
    VerboseOption,
    WitnessOption,
    finish,
    jobs_or_cores,
    notify,
    progress,
    settings,
)

EXAMPLES = """
Examples:

  verifier compare shimx64.efi.signed shimx64.efi --policy strict --proof shim.proof.json

  verifier compare shipped/ rebuilt/ --json report.json --jobs 2

  verifier compare daily.cvd daily.cud --databases ours.toml
"""


def command(
    shipped: Annotated[Path, typer.Argument(help="What customers receive: a file or directory.")],
    rebuilt: Annotated[Path, typer.Argument(help="What the audited source built.")],
    policy: PolicyOption = None,
    json: JsonOption = None,
    proof: ProofOption = None,
    markdown: MarkdownOption = None,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    fail_on: FailOnOption = None,
    html: HtmlOption = None,
    signer: SignerOption = None,
    databases: DatabasesOption = None,
    narrate: NarrateOption = False,
    witness: WitnessOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    jobs: JobsOption = None,
) -> None:
    """Compare two files or two directories, member by member, byte by byte."""
    from verifier import gate, pair, run
    from verifier import policy as policies

    wanted = gate.words(fail_on)
    forms = {"html": html, "markdown": markdown, "sarif": sarif, "junit": junit}
    chosen = settings(policies.load(policy or "standard"), signer or [])
    if databases is not None:
        from verifier.spec.databases import load

        chosen = chosen._replace(databases=load(databases))
    shown = None
    if witness:
        from verifier.source.cache import Cache
        from verifier.witness import Witness

        shown = Witness(Cache.open(), notify(quiet))
    pairing = pair.pair_paths(shipped, rebuilt)
    result = run.compare(
        pairing,
        chosen,
        jobs_or_cores(jobs),
        progress(quiet, "comparing"),
        narrate=narrate,
        with_proof=proof is not None,
        witness=shown,
    )
    raise typer.Exit(finish(result, Output(json, proof, quiet, verbose, forms, wanted)))
