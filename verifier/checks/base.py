"""What a check is asked and what it answers.

A check is one small function. It looks at one parsed field in both files and
either accepts the shipped value, with the evidence and the bytes it could not
pin down, or refuses it with a reason. It never repairs, and never looks at
bytes that the layout did not name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Range, Signer

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.model import Ref, Span


class Context(NamedTuple):
    """What a check may know beside the two files.

    `siblings` are shipped files next to this one, by their path in the container
    or directory; `certificates` (DER) and `pins` (SHA-256, hex) are the signers
    that the auditor expects; `ancestors` the formats around this file, outermost first;
    `name` the last part of its path.
    """

    siblings: Mapping[str, Ref] = {}
    certificates: tuple[bytes, ...] = ()
    pins: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    name: str = ""


class Question(NamedTuple):
    """May `shipped` have this value in `span`, where `rebuilt` has another in its own?

    A span is None where only the other file has it.
    """

    shipped: Side
    rebuilt: Side
    span: Span | None
    rebuilt_span: Span | None
    parameters: Mapping[str, str]
    context: Context

    @property
    def value(self) -> bytes:
        """The shipped bytes of the field."""
        return self.shipped.bytes_of(self.span)

    @property
    def rebuilt_value(self) -> bytes:
        """The rebuilt bytes of the field."""
        return self.rebuilt.bytes_of(self.rebuilt_span)

    def parameter(self, name: str) -> str:
        """A parameter of the rule, as the rule or the policy gives it."""
        return self.parameters[name]


class Accepted(NamedTuple):
    """The value is right, or right but for its free bytes (ranges within the span)."""

    evidence: str
    free: tuple[Range, ...] = ()
    group: str = ""
    signers: tuple[Signer, ...] = ()


class Refused(NamedTuple):
    """The value is not right; `kind` is that of the difference.

    `describe` leaves it to the format to name the differing bytes, as if there
    were no rule: for rules of whole tables, where the place says more than the reason.
    """

    reason: str
    kind: str = "field"
    describe: bool = False


Answer = Accepted | Refused
Check = Callable[[Question], Answer]


def free_all(question: Question, reason: str) -> tuple[Range, ...]:
    """Every byte of the field is free."""
    return (Range(0, len(question.value), reason),) if question.value else ()
