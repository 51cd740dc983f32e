"""What a signature that is not accepted raises."""

from __future__ import annotations

from typing import Literal

from verifier.errors import VerifierError

Kind = Literal["structure", "digest", "signature", "chain", "unused", "attribute", "timestamp"]


class SignatureError(VerifierError):
    """A signature is present and is refused.

    Args:
        message: what is wrong and why, as one sentence without the place.
        offset: byte offset in the signature blob (certificate table or module file).
        kind_hint: which check refused; `digest` means that the signature is for other content.
    """

    def __init__(
        self, message: str, offset: int | None = None, kind_hint: Kind = "structure"
    ) -> None:
        self.offset = offset
        self.kind_hint: Kind = kind_hint
        super().__init__(message if offset is None else f"{message} (at offset {offset:#x})")
