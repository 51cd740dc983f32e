"""Re-run a saved proof through the stand-alone checker, with its failures as our errors."""

from __future__ import annotations

import hashlib
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from verifier import check
from verifier.attest.refusal import MismatchError
from verifier.errors import ParseError

if TYPE_CHECKING:
    from pathlib import Path

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError)


def recheck(proof: dict[str, Any], shipped: Path, rebuilt: Path) -> int:
    """Apply the proof to both sides; the number of free bytes.

    Raises:
        MismatchError: the proof does not hold.
        ParseError: it cannot be checked.
    """
    import zstandard  # noqa: PLC0415 - start-up time

    try:
        return check.check(proof, shipped, rebuilt)["free"]
    except check.Broken as error:
        raise MismatchError(f"The proof does not hold: {error}") from error
    except (*_UNREADABLE, zlib.error, lzma.LZMAError, MemoryError, zstandard.ZstdError) as error:
        raise ParseError(
            f"The proof cannot be checked: {type(error).__name__}: {error}."
        ) from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex; ParseError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ParseError(f"{path} cannot be read: {error.strerror}.") from error
