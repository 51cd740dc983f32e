"""An in-toto link, the form in which distribution rebuilders say that a file is reproduced.

A link cannot say no, nor "equal but for": there is one only where every shipped file is bit for
bit what was rebuilt. Source: in-toto specification v1.0, sections 4.1 and 4.4; rebuilders name
what they built from as materials and the shipped files as products.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from verifier.attest.predicate import sha256
from verifier.errors import UsageError
from verifier.model import Verdict

if TYPE_CHECKING:
    from verifier.attest.signing import Signer

STEP = "rebuild"


def link(said: dict[str, Any], report: bytes) -> dict[str, Any]:
    """The unsigned link that says of `said`, our own statement, that all files are reproduced.

    Raises:
        UsageError: they are not, bit for bit.
    """
    predicate = said["predicate"]
    if predicate["verdict"] != Verdict.IDENTICAL:
        raise UsageError(
            f"An in-toto link says that files are bit for bit the same, and this verdict is "
            f"{predicate['verdict']}; attest it without --link."
        )
    kind, _, value = str((predicate["source"] or {}).get("digest", "")).partition(":")
    return {
        "_type": "link",
        "name": STEP,
        "command": [],
        "materials": {"source": {kind: value}} if value else {},
        "products": {item["name"]: item["digest"] for item in said["subject"]},
        "byproducts": {"report": sha256(report)},  # not a material: in-toto wants those to agree
        "environment": {},
    }


def sign(unsigned: dict[str, Any], signer: Signer) -> bytes:
    """The link as a file. What is signed is its canonical JSON (securesystemslib's form)."""
    from securesystemslib.formats import encode_canonical  # noqa: PLC0415 - start-up time

    message = str(encode_canonical(unsigned)).encode("utf-8")
    made = signer.signature(message)
    entry = {"keyid": made.keyid, "sig": made.value.hex()}
    if made.headers:  # what GnuPG signs, in-toto finds under another name
        entry = {
            "keyid": made.keyid,
            "signature": made.value.hex(),
            "other_headers": made.headers,
        }
    data = {"signatures": [entry], "signed": unsigned}
    return json.dumps(data, indent=1, sort_keys=True).encode("utf-8") + b"\n"


def name(signer: Signer) -> str:
    """The file name by which in-toto finds it."""
    return f"{STEP}.{signer.keyid[:8]}.link"
