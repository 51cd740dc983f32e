"""`verifier quorum --threshold K --keys DIR ATTESTATION…`: do enough auditors agree?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = """
Examples:

  verifier quorum --threshold 2 --keys auditors/ --artifact shimx64.efi a.json b.json c.json

  verifier quorum --threshold 2 --keys auditors/ --source sha256:… --max-age 90d *.attestation.json

  verifier quorum --threshold 2 --keys auditors/ --journal audits.journal --log journal.vkey \
      --witness bob.vkey a.json b.json

Exit status: 0 agreed, 1 mismatch, 2 wrong usage, 3 not attested (too few, too old, of other files).
"""


def command(
    attestations: Annotated[list[Path], typer.Argument(help="What the auditors signed.")],
    threshold: Annotated[
        int, typer.Option("--threshold", min=1, help="How many auditors must agree.")
    ],
    keys: Annotated[
        Path,
        typer.Option(
            "--keys", help="Trusted public keys: KEYS/alice.pem, or files of KEYS/alice/."
        ),
    ],
    artifact: Annotated[
        list[Path] | None,
        typer.Option("--artifact", help="The shipped file in question. Repeatable."),
    ] = None,
    digest: Annotated[
        list[str] | None,
        typer.Option("--digest", metavar="SHA256", help="Its digest instead. Repeatable."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Digest of the source in question.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option("--max-age", metavar="90d", help="Count nothing that is older.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="strict|standard|PATH", help="What you accept yourself."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Also heed every attestation of this journal.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="The journal's public key.")] = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(
            "--witness", help="A witness that must have cosigned the journal. Repeatable."
        ),
    ] = None,
) -> None:
    """Count independent auditors who attest the same shipped files and the same source."""
    from verifier import policy as policies
    from verifier.attest import auditors, evidence, quorum, strict
    from verifier.commands.options import EXIT

    trusted = auditors.load(keys)
    demands = evidence.Demands(
        now=strict.now(),
        max_age=None if max_age is None else strict.duration(max_age),
        policy=None if policy is None else policies.load(policy),
        source=source,
    )
    given = [(str(path), strict.read(path)) for path in attestations]
    if journal is not None:
        given += _logged(journal, log, witness or [])
    elif log is not None or witness:
        raise UsageError("--log and --witness are of a journal; give --journal too.")
    found = quorum.hold(given, trusted, threshold, demands, _digests(artifact or [], digest or []))
    sys.stdout.write(f"{found.summary}\n")
    for vote in found.votes:
        who = vote.owner or "-"
        reason = f": {vote.reason}" if vote.reason else ""
        sys.stdout.write(f"  {vote.standing:<13} {who:<16} {vote.name}{reason}\n")
    raise typer.Exit(EXIT[found.verdict])


def _digests(artifacts: list[Path], given: list[str]) -> frozenset[str]:
    from verifier.attest import reproof, strict

    found = {reproof.file_digest(path) for path in artifacts}
    for text in given:
        plain = text.lower().removeprefix("sha256:")
        if not strict.SHA256.fullmatch(plain):
            raise UsageError(f"{text!r} is no SHA-256.")
        found.add(plain)
    return frozenset(found)


def _logged(path: Path, log: Path | None, witness: list[Path]) -> Iterator[tuple[str, bytes]]:
    """The attestations of a journal, after the whole of it was checked."""
    from verifier.attest import audit, entries, note
    from verifier.attest import journal as journals
    from verifier.attest.refusal import NotAttestedError

    if log is None:
        raise UsageError("A journal is checked by its public key; give --log.")
    key = note.load(log, note.ED25519)
    others = [note.load(each, note.COSIGNATURE) for each in witness]
    with journals.opened(path) as found:
        seen = audit.journal(found, key, others, ()).last.witnesses
        missing = sorted({each.name for each in others} - {name for name, _ in seen})
        if missing:
            raise NotAttestedError(f"{missing[0]} has not cosigned the last checkpoint of {path}.")
        for index, data in found.entries():
            entry = entries.read(data, f"entry {index} of {path}")
            if entry["kind"] == "attestation":
                yield f"{path}#{index}", entries.attestation(entry)
