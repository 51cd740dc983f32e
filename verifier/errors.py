"""The error tree: every error is one sentence of what, where, why and what to do.

Each class carries the exit code of DESIGN's table, so that no caller has to
guess: 2 is a mistake in how the program was called, 3 is inconclusive.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_DIFFERENT = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3


class VerifierError(Exception):
    """Root of all errors that this program raises on purpose."""

    exit_code = EXIT_INCONCLUSIVE


class UsageError(VerifierError):
    """The command line, a specification, a policy or a rule file is wrong."""

    exit_code = EXIT_USAGE


class ParseError(VerifierError):
    """A file is not what its format requires.

    Args:
        message: what is wrong, as one sentence without the place.
        offset: byte offset in the parsed bytes, where there is one.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        self.offset = offset
        super().__init__(message if offset is None else f"{message} (at offset {offset:#x})")


class LimitError(VerifierError):
    """An input asks for more than `verifier.limits` allows."""


class ToolError(VerifierError):
    """Another program is missing, failed, or was stopped."""


class BuildError(VerifierError):
    """A build could not be prepared, failed, or was stopped."""


class SourceError(VerifierError):
    """The audited source could not be had, or is not what its pin says."""
