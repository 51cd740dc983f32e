"""Whether a signature is by someone the auditor expects, where the auditor named anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.checks.base import Context, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.model import Signer


def unexpected(context: Context, signers: Iterable[Signer]) -> Refused | None:
    """A refusal that names the first signer whose chain holds no expected certificate.

    None where all are expected, or where the auditor expects nobody in particular: then the
    report names the signers and says that they are not pinned.
    """
    if not (context.certificates or context.pins):
        return None
    for signer in signers:
        if not signer.pinned:
            who = signer.subject or f"a certificate of {signer.issuer}, serial {signer.serial}"
            return Refused(f"It is signed by {who}, whom nobody expects.", "signature-unexpected")
    return None
