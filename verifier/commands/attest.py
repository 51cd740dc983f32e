"""`verifier attest REPORT --key KEY`: sign what a saved report says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verifier.commands.options import LOGBOOK
from verifier.errors import UsageError

if TYPE_CHECKING:
    from verifier.attest import signing

EXAMPLES = """
Examples:

  verifier attest report.json --proof proof.json --key audit.pem --auditor alice@example.org

  verifier attest failed.json --key ~/.ssh/id_ed25519 --artifact shimx64.efi

  VERIFIER_PIN=… PYKCS11LIB=/usr/lib/softhsm/libsofthsm2.so verifier attest r.json --key pkcs11:2
"""


def command(
    report: Annotated[Path, typer.Argument(help="A report written by --json.")],
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="FILE|gpg:FPR|pkcs11:N|sigstore",
            help="The private key: a PEM or OpenSSH file, a GnuPG fingerprint, a token's key.",
        ),
    ],
    proof: Annotated[
        Path | None, typer.Option("--proof", help="The proof that was written with the report.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Where the attestation goes; the VSA lies beside it.",
            show_default="REPORT.attestation.json",
        ),
    ] = None,
    auditor: Annotated[
        str | None, typer.Option("--auditor", help="Who attests.", envvar="VERIFIER_AUDITOR")
    ] = None,
    organisation: Annotated[str, typer.Option(help="For whom the auditor works.")] = "",
    infrastructure: Annotated[str, typer.Option(help="On whose machines it was rebuilt.")] = "",
    record: Annotated[
        Path | None, typer.Option("--record", help="The record of the source's audit.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Digest of the audited source, where the report names none.")
    ] = "",
    artifact: Annotated[
        list[Path] | None,
        typer.Option("--artifact", help="A shipped file, where the report names none. Repeatable."),
    ] = None,
    supersedes: Annotated[
        list[Path] | None,
        typer.Option("--supersedes", help="An own attestation that this one replaces. Repeatable."),
    ] = None,
    resource: Annotated[
        str, typer.Option(help="URI of the artifact, for the VSA.", show_default="urn:sha256:…")
    ] = "",
    vsa: Annotated[bool, typer.Option(help="Write a SLSA VSA beside the attestation.")] = True,
    link: Annotated[
        bool,
        typer.Option("--link", help="Write an in-toto link too; of identical files alone."),
    ] = False,
) -> None:
    """Sign a statement about a report, positive or negative: in-toto, and a VSA."""
    from verifier import limits
    from verifier.attest import dsse, make, reproof, statement, strict

    name = auditor or os.environ.get("USER", "")
    if not name:
        raise UsageError("Say who attests: --auditor NAME.")
    basis = make.Basis(
        report=strict.read(report, limits.REPORT_BYTES),
        proof=None if proof is None else make.proof_bytes(proof),
        auditor=make.Auditor(name, organisation, infrastructure),
        issued=strict.now(),
        record=None if record is None else strict.read(record, limits.REPORT_BYTES),
        source=source,
        subjects=tuple(
            statement.Subject(path.name, reproof.file_digest(path)) for path in artifact or []
        ),
        supersedes=tuple(_digest(path) for path in supersedes or []),
    )
    said = make.statement(basis)
    payload = strict.canonical(said)
    statement.read(payload, "The new attestation")
    target = output or report.with_name(report.name + ".attestation.json")
    signed = {target: payload}
    if vsa:
        shown = f"urn:source-binary-verifier:auditor:{name}"
        beside = target.with_name(target.name.removesuffix(".json") + ".vsa.json")
        signed[beside] = strict.canonical(make.vsa(said, payload, shown, resource))
    if key == "sigstore":
        from verifier.attest import keyless

        if link:
            raise UsageError("An in-toto link is signed with a key of one's own, not by Sigstore.")
        made = {path: keyless.sign(each) for path, each in signed.items()}
    else:
        from verifier.attest import signing

        signer = signing.load(key)
        made = {path: dsse.dump(signer.sign(each)) for path, each in signed.items()}
        if link:
            made |= _link(said, basis.report, signer, target.parent)
    if LOGBOOK in os.environ:
        from verifier.attest import logbook

        logbook.record(target.name, made[target], os.environ)
    for path, data in made.items():
        strict.write(path, data)
        sys.stdout.write(f"{path}\n")
    sys.stderr.write(f"Attested by {name}: {said['predicate']['verdict']}.\n")


def _link(
    said: dict[str, Any], report: bytes, signer: signing.Signer, folder: Path
) -> dict[Path, bytes]:
    """The signed link, by the name that in-toto looks for."""
    from verifier.attest import link

    return {folder / link.name(signer): link.sign(link.link(said, report), signer)}


def _digest(path: Path) -> str:
    """The payload's SHA-256 of an earlier attestation, by which a later one names it."""
    from verifier.attest import dsse, predicate, strict

    return predicate.sha256(dsse.parse(strict.read(path), str(path)).payload)
