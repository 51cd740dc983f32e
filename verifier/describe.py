"""Turn leftover spans into differences in the format's own terms, few and in order."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from verifier import content, kinds, limits, names
from verifier.formats.base import text
from verifier.model import Difference, Run, Span, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.align import Aligned
    from verifier.checks.base import Refused
    from verifier.formats.base import Format, Side

_JOIN = 8  # differing bytes this close are one place
_COARSE = 4096  # so are these, once as many places as are described have been
_SHOWN = 16  # bytes of a value that are printed


class Describer:
    """Collects the leftovers of one pair; places with one name become one difference."""

    def __init__(self, kind: Format, shipped: Side, rebuilt: Side) -> None:
        self._format = kind
        self._shipped = shipped
        self._rebuilt = rebuilt
        self._found: dict[tuple[str, str], list[Difference]] = {}
        self._dropped = 0
        self._described = 0
        self._places: list[Stretch] = []

    def add(self, aligned: Aligned) -> None:
        """Describe a span that differs and that no rule speaks of."""
        one, other = aligned.shipped, aligned.rebuilt
        if one is None or other is None:
            self._note(aligned.at, one.length if one else 0)
            self._unmatched(aligned)
            return
        runs, after = self._runs(one, other), 0
        for run in islice(runs, limits.PLACES_DESCRIBED - self._described):
            self._note(run.offset, run.length)
            after = run.offset + run.length - one.offset
            self._described += 1
            self._keep(self._format.describe(self._shipped, self._rebuilt, one, run))
        if next(runs, None) is not None:
            self._count(one, other, after)

    def _count(self, one: Span, other: Span, after: int) -> None:
        """Places beyond those that are described: noted more coarsely, and counted."""
        here, there = (
            each._replace(offset=each.offset + after, length=each.length - after)
            for each in (one, other)
        )
        for run in self._runs(here, there, _COARSE):
            self._note(run.offset, run.length)
            self._dropped += 1

    def refused(self, aligned: Aligned, refusals: list[Refused]) -> Difference:
        """The difference of a field whose rules did not accept its value."""
        one, other = aligned.shipped, aligned.rebuilt
        span = one or other
        assert span is not None
        kind = next((item.kind for item in refusals), "field")
        reasons = " ".join(item.reason for item in refusals)
        shipped, rebuilt = self._value(self._shipped, one), self._value(self._rebuilt, other)
        values = f"Shipped {shipped}, rebuilt {rebuilt}."
        return Difference(
            kind, span.name, f"{values} {reasons}".strip(), aligned.at, one.length if one else 0
        )

    def note(self, aligned: Aligned) -> None:
        """Remember the place of a span that differs and that something else describes."""
        one, other = aligned.shipped, aligned.rebuilt
        if one is None or other is None:
            self._note(aligned.at, one.length if one else 0)
            return
        for run in self._runs(one, other):
            self._note(run.offset, run.length)

    def places(self) -> tuple[Stretch, ...]:
        """The bytes that differ and are not settled, in the order of the file."""
        return tuple(sorted(self._places))

    def finish(self) -> list[Difference]:
        """All differences in the order of the file; the count of what was left out, if any."""
        echoes = {key for key in self._found if _said_of_member(key) in self._found}
        result = [_merged(items) for key, items in self._found.items() if key not in echoes]
        if self._dropped:
            summary = f"At least {self._dropped} more differing places are not listed."
            result.append(Difference("bytes", "more", summary))
        return result

    def _note(self, offset: int, length: int) -> None:
        self._places.append(Stretch(offset, length))
        if len(self._places) > limits.UNSETTLED:
            self._places = _coarser(sorted(self._places))

    def _runs(self, one: Span, other: Span, gap: int = _JOIN) -> Iterator[Run]:
        shipped = self._shipped.data[one.offset : one.end]
        rebuilt = self._rebuilt.data[other.offset : other.end]
        if one.length == other.length:
            for run in content.runs(shipped, rebuilt, gap):
                at = run.offset
                yield Run(one.offset + at, run.length, other.offset + at, run.length)
            return
        small = bytes(shipped), bytes(rebuilt)
        if max(one.length, other.length) > limits.MIB:
            small = small[0][: limits.MIB], small[1][: limits.MIB]
        head = _common(*small)
        yield Run(one.offset + head, one.length - head, other.offset + head, other.length - head)

    def _unmatched(self, aligned: Aligned) -> None:
        span = aligned.shipped or aligned.rebuilt
        assert span is not None
        noun, label = names.group(span)
        if noun == "section" and "].content after " in span.name:
            noun, label = "", span.name  # a stretch of a section's contents, and no section
        here, there = ("shipped", "rebuilt") if aligned.shipped else ("rebuilt", "shipped")
        if aligned.moved:
            kind = _published(f"{noun}-order")
            summary = "It stands at another place in the order of the two files."
        elif noun:
            kind = _published(f"{noun}-{'added' if aligned.shipped else 'missing'}")
            summary = f"Only the {here} file has this {noun}; the {there} one has not."
        else:
            kind = "field"
            summary = f"Only the {here} file has {span.name} ({span.length} bytes)."
        length = span.length if aligned.shipped else 0
        self._keep(Difference(kind, text(label.encode()), summary, aligned.at, length))

    def _value(self, side: Side, span: Span | None) -> str:
        if span is None:
            return "nothing"
        value = bytes(side.data[span.offset : span.offset + min(span.length, _SHOWN)])
        return value.hex() + ("…" if span.length > _SHOWN else "")

    def _keep(self, difference: Difference) -> None:
        key = difference.kind, difference.where
        if key not in self._found and len(self._found) >= limits.DIFFERENCES_PER_MEMBER:
            self._dropped += 1
            return
        kept = self._found.setdefault(key, [])
        if len(kept) < 2:
            kept.append(difference)
        else:
            kept[1] = difference


def _said_of_member(key: tuple[str, str]) -> tuple[str, str] | None:
    """Where a zip's directory has an entry too many or too few, its member says the same."""
    kind, where = key
    return ("member-" + kind[8:], where) if kind.startswith("central-") else None


def _published(kind: str) -> str:
    """Kinds made of a span's noun, as far as the published list has them."""
    return kind if kind in kinds.DIFFERENCES else "field"


def _merged(items: list[Difference]) -> Difference:
    first, last = items[0], items[-1]
    if first == last or first.offset is None or last.offset is None:
        return first
    more = " More of it differs up to offset {:#x}."
    if first.kind.endswith(("-added", "-missing", "-order")):
        more = ""  # an entry is told as one thing, however many parts it has
    end = max(first.offset + (first.length or 0), last.offset + (last.length or 0))
    more = more.format(end)
    return Difference(
        first.kind, first.where, first.summary + more, first.offset, end - first.offset
    )


def _coarser(places: list[Stretch]) -> list[Stretch]:
    """Half as many places, each of two neighbours and what lies between them."""
    return [
        Stretch(pair[0].offset, max(each.offset + each.length for each in pair) - pair[0].offset)
        for pair in (places[at : at + 2] for at in range(0, len(places), 2))
    ]


def _common(one: bytes, other: bytes) -> int:
    """How many leading bytes are the same."""
    size = min(len(one), len(other))
    first = next(content.runs(memoryview(one)[:size], memoryview(other)[:size]), None)
    return size if first is None else first.offset
