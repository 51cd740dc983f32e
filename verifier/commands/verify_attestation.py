"""`verifier verify-attestation FILE --key KEY`: signature, subject, freshness, policy, proof."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.errors import UsageError

EXAMPLES = """
Examples:

  verifier verify-attestation report.json.attestation.json --key alice.pub --artifact shimx64.efi

  verifier verify-attestation a.json --key keys/ --max-age 90d --policy strict

  verifier verify-attestation a.json --key alice.pub --artifact s.efi --rebuilt r.efi --proof p.json

Exit status: 0 attested, 1 attested that it differs (or its proof does not hold), 3 not attested.
"""

KeysOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--key", metavar="FILE|DIR", help="A trusted public key: PEM, OpenSSH, GnuPG. Repeatable."
    ),
]
MaxAgeOption = Annotated[
    str | None, typer.Option("--max-age", metavar="90d", help="Refuse what is older.")
]


def command(
    attestation: Annotated[Path, typer.Argument(help="What 'verifier attest' wrote.")],
    key: KeysOption = None,
    artifact: Annotated[
        Path | None, typer.Option("--artifact", help="The shipped file or directory at hand.")
    ] = None,
    rebuilt: Annotated[
        Path | None, typer.Option("--rebuilt", help="The rebuilt one; the proof is then re-run.")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option("--proof", help="The proof that the attestation names.")
    ] = None,
    max_age: MaxAgeOption = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="strict|standard|PATH", help="What you accept yourself."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Digest of the source it must speak of.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", help="Who signed by Sigstore.")
    ] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", help="Who vouches for it.")] = None,
) -> None:
    """Check an attestation, and tell a yes from a no by exit status."""
    from verifier import policy as policies
    from verifier.attest import evidence, keys, strict
    from verifier.report import plain

    if rebuilt is not None and proof is None:
        raise UsageError("The proof is re-run on --rebuilt; give --proof too.")
    chosen = None
    if identity is not None or issuer is not None:
        if identity is None or issuer is None or key:
            raise UsageError("Sigstore needs --identity and --issuer, and no --key.")
        chosen = evidence.Identity(identity, issuer)
    elif not key:
        raise UsageError("Name whom you trust: --key FILE, or --identity and --issuer.")
    trusted = [each for path in key or [] for each in keys.load(path)]
    demands = evidence.Demands(
        now=strict.now(),
        max_age=None if max_age is None else strict.duration(max_age),
        policy=None if policy is None else policies.load(policy),
        artifact=artifact,
        rebuilt=rebuilt,
        proof=proof,
        source=source,
    )
    found = evidence.read(strict.read(attestation), str(attestation), trusted, chosen)
    checked = evidence.judge(found, demands)
    sys.stdout.write(f"Attested: {found.statement.verdict}.\n")
    sys.stdout.writelines(f"  {plain.line(each)}\n" for each in checked)
