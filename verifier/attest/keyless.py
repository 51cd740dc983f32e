"""Sigstore: keyless signatures, which need the network to make and none to verify.

A bundle holds exactly one signature, by whoever the identity provider says it was.
"""

from __future__ import annotations

import logging
import os

from verifier.attest import dsse
from verifier.attest.refusal import NotAttestedError
from verifier.errors import ToolError

_MISSING = "Sigstore needs the package sigstore: install verifier with [sigstore]."


def sign(payload: bytes) -> bytes:
    """A Sigstore bundle over an in-toto statement, signed as this machine's ambient identity.

    Raises:
        ToolError: not installed, no network, or no identity (SIGSTORE_ID_TOKEN, or a CI's own).
    """
    try:
        from sigstore import dsse as statements  # noqa: PLC0415 - large, and optional
        from sigstore.models import ClientTrustConfig  # noqa: PLC0415
        from sigstore.oidc import IdentityToken, detect_credential  # noqa: PLC0415
        from sigstore.sign import SigningContext  # noqa: PLC0415
    except ImportError as error:
        raise ToolError(_MISSING) from error
    try:
        config = ClientTrustConfig.production()
        token = os.environ.get("SIGSTORE_ID_TOKEN") or detect_credential()
        if not token:
            raise ToolError("Sigstore knows no identity here; set SIGSTORE_ID_TOKEN.")
        context = SigningContext.from_trust_config(config)
        with context.signer(IdentityToken(token)) as signer:
            return signer.sign_dsse(statements.Statement(payload)).to_json().encode("utf-8")
    except _failures() as error:
        raise ToolError(
            f"Sigstore could not sign; it needs the network and a valid identity: {error}"
        ) from error


def verify(data: bytes, what: str, identity: str, issuer: str) -> bytes:
    """The payload of a bundle that `identity` (of `issuer`) signed; needs no network.

    Raises:
        NotAttestedError: it does not verify as signed by that identity.
        ToolError: the package is not installed.
    """
    try:
        from sigstore.models import Bundle, ClientTrustConfig  # noqa: PLC0415 - large, and optional
        from sigstore.verify import Verifier  # noqa: PLC0415
        from sigstore.verify.policy import Identity  # noqa: PLC0415
    except ImportError as error:
        raise ToolError(_MISSING) from error
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns that it works offline, as told
    try:
        root = ClientTrustConfig.production(offline=True).trusted_root
        kind, payload = Verifier(trusted_root=root).verify_dsse(
            Bundle.from_json(data), Identity(identity=identity, issuer=issuer)
        )
    except _failures() as error:
        raise NotAttestedError(f"{what} is not signed by {identity}: {error}") from error
    if kind != dsse.IN_TOTO:
        raise NotAttestedError(f"{what} has the payload type {kind!r}, not {dsse.IN_TOTO}.")
    return bytes(payload)


def _failures() -> tuple[type[Exception], ...]:
    """What sigstore raises on purpose, and what its network libraries raise through it."""
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.oidc import ExpiredIdentity, IssuerError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    return Error, IssuerError, ExpiredIdentity, HTTPError, OSError, ValueError
