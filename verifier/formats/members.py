"""What archive formats share: unique labels of members, and kinds for what a field means."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from verifier import names
from verifier.formats.base import describe_bytes, text
from verifier.model import Difference, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.formats.base import Side
    from verifier.model import Run


# `Span` from a tuple of its six values: headers make hundreds of thousands, and
# this takes half the time of the constructor.
whole_span = cast(
    "Callable[[tuple[str, int, int, str, str, str]], Span]", partial(tuple.__new__, Span)
)


class Labels:
    """Hands out one label for each member, in order: a second `a` is called `a#2`."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def take(self, name: str) -> str:
        """`name`, or `name#2` and so on where it was taken before."""
        while (seen := self._count.get(name, 0) + 1) > 1:
            self._count[name] = seen
            name = f"{name}#{seen}"
        self._count[name] = 1
        return name


def describer(kinds: Mapping[str, str]) -> Callable[[Side, Side, Span, Run], Difference]:
    """Describe fields by kind (`header.mode` → `mode`) with the member's name as place."""

    def describe(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
        kind = kinds.get(span.field)
        if kind is None:
            return describe_bytes(shipped, rebuilt, span, run)
        other = next((item for item in rebuilt.layout.spans if item.name == span.name), None)
        summary = (
            f"{span.name.rpartition('.')[2]}: shipped “{_shown(shipped.bytes_of(span))}”, "
            f"rebuilt “{_shown(rebuilt.bytes_of(other))}”."
        )
        where = names.group(span)[1]
        return Difference(kind, where, summary, run.offset, run.length)

    return describe


def _shown(raw: bytes) -> str:
    return text(raw.rstrip(b"\0 "))
