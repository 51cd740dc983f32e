"""Which rebuilt span corresponds to which shipped one: by name, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.sequences import increasing

if TYPE_CHECKING:
    from verifier.formats.base import Layout
    from verifier.model import Span


class Aligned(NamedTuple):
    """A shipped and a rebuilt span; None where the other file has none.

    `at` and `rebuilt_at` are the offsets where the missing one would stand.
    `moved` marks a span that both files have, in another order.
    """

    shipped: Span | None
    rebuilt: Span | None
    at: int
    rebuilt_at: int
    moved: bool = False


def align(shipped: Layout, rebuilt: Layout) -> list[Aligned]:
    """All spans of both layouts in shipped order, each exactly once.

    Spans with one name are partners as far as they stand in one order: the
    longest common order wins, the rest is unmatched and marked as moved.
    """
    if len(shipped.spans) == len(rebuilt.spans) and all(
        one.name == other.name for one, other in zip(shipped.spans, rebuilt.spans, strict=True)
    ):
        return [
            Aligned(one, other, one.offset, other.offset)
            for one, other in zip(shipped.spans, rebuilt.spans, strict=True)
        ]
    place = {span.name: index for index, span in enumerate(rebuilt.spans)}
    common = [
        (index, place[span.name]) for index, span in enumerate(shipped.spans) if span.name in place
    ]
    kept = increasing(common)
    names = {span.name for span in shipped.spans} & place.keys()
    return _merge(shipped, rebuilt, kept, names)


def _merge(
    shipped: Layout, rebuilt: Layout, kept: list[tuple[int, int]], common: set[str]
) -> list[Aligned]:
    result: list[Aligned] = []
    one = other = at = rebuilt_at = 0
    for stop, other_stop in [*kept, (len(shipped.spans), len(rebuilt.spans))]:
        for span in rebuilt.spans[other:other_stop]:
            result.append(Aligned(None, span, at, span.offset, span.name in common))
            rebuilt_at = span.end
        for span in shipped.spans[one:stop]:
            result.append(Aligned(span, None, span.offset, rebuilt_at, span.name in common))
            at = span.end
        if stop < len(shipped.spans):
            pair = shipped.spans[stop], rebuilt.spans[other_stop]
            result.append(Aligned(*pair, pair[0].offset, pair[1].offset))
            at, rebuilt_at = pair[0].end, pair[1].end
        one, other = stop + 1, other_stop + 1
    return result
