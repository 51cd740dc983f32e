"""Why evidence does not help: it proves nothing, or it proves the opposite."""

from __future__ import annotations

from verifier.errors import EXIT_DIFFERENT, VerifierError


class NotAttestedError(VerifierError):
    """Nobody who is trusted has said it, or not of this, or not lately enough."""


class MismatchError(VerifierError):
    """Who is trusted says that it differs, or a proof does not hold."""

    exit_code = EXIT_DIFFERENT
