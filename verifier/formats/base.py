"""What a format offers, and the strict reader its layout is cut with.

A format is one file with one `FORMAT`: `accepts` decides by content, `layout`
cuts the file into spans that cover each byte exactly once, `describe` names
leftovers in the format's own terms. All three get bytes of unknown origin and
raise nothing but `VerifierError`.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.model import Difference, Run, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.content import Buffer


_VALUE = 32  # fields up to this many bytes are shown by value


class Layout(NamedTuple):
    """A file cut into spans; `info` is the format's own parsed view, for its checks."""

    format: str
    size: int
    spans: tuple[Span, ...]
    info: Any = None


class Side(NamedTuple):
    """One of the two compared files: bytes and layout."""

    data: Buffer
    layout: Layout

    def bytes_of(self, span: Span | None) -> bytes:
        """The bytes of a span; empty where there is none."""
        return b"" if span is None else bytes(self.data[span.offset : span.end])


def describe_bytes(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
    """The default description: the span's name and how many bytes."""
    if max(run.length, run.rebuilt_length) <= _VALUE and "." in span.field:
        one = bytes(shipped.data[run.offset : run.offset + run.length]).hex()
        other = bytes(
            rebuilt.data[run.rebuilt_offset : run.rebuilt_offset + run.rebuilt_length]
        ).hex()
        summary = f"Shipped {one or 'nothing'}, rebuilt {other or 'nothing'}; no rule lets it vary."
        return Difference("field", span.name, summary, run.offset, run.length)
    place = f"{span.name}+{run.offset - span.offset:#x}" if span.offset != run.offset else span.name
    summary = f"{run.length} bytes differ in {span.name}."
    if run.length != run.rebuilt_length:
        summary = f"{run.length} shipped bytes stand for {run.rebuilt_length} rebuilt ones."
    return Difference("bytes", place, summary, run.offset, run.length)


def explain_nothing(_shipped: Side, _rebuilt: Side) -> tuple[Difference, ...]:
    """The default explanation of a whole pair: none beyond its differing spans."""
    return ()


class Format(NamedTuple):
    """One file format. `container` formats have members; their layout names them.

    `describe` names one differing run of a span without a rule; `explain` names
    differences of meaning that several spans make together (an import, a symbol).
    `follows` lists fields whose right value follows from other bytes of the same
    file: their rules are asked even where both files agree, since a value that
    was right for the rebuilt bytes is wrong beside shipped ones that differ.
    `faults` names what is wrong with the shipped file even where the rebuilt one
    has it too: what loaders let pass, and nobody may rely on.
    `wraps` names the format that this one appends to (a signature after an ELF
    object): beside a file of this format, one of that format counts as one
    with nothing appended, and `layout` takes it.
    `unpacks` tells that `layout` unpacks a stream to find its end, which takes time.
    `mapped` formats hold a program: what differs may be the same, laid out differently.
    """

    name: str
    accepts: Callable[[Buffer], bool]
    layout: Callable[[Buffer], Layout]
    describe: Callable[[Side, Side, Span, Run], Difference] = describe_bytes
    explain: Callable[[Side, Side], tuple[Difference, ...]] = explain_nothing
    faults: Callable[[Side, Side], tuple[Difference, ...]] = explain_nothing
    container: bool = False
    unpacks: bool = False
    families: tuple[str, ...] = ()
    follows: frozenset[str] = frozenset()
    wraps: str = ""
    mapped: bool = False

    @property
    def rules(self) -> tuple[str, ...]:
        """The rule folders that speak of this format: its own, and those of its families."""
        return (self.name, *self.families)


class Cutter:
    """Collects the spans of one layout in any order, then checks that they tile the file."""

    def __init__(self, format_name: str, data: Buffer) -> None:
        self.format = format_name
        self.data = data
        self.spans: list[Span] = []

    def add(
        self,
        name: str,
        offset: int,
        length: int,
        field: str = "",
        member: str = "",
        codec: str = "",
    ) -> None:
        """Add one span; ParseError where it leaves the file. Empty spans are dropped."""
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise ParseError(f"{name} of {length} bytes reaches beyond the file's end", offset)
        if length or member:
            self.spans.append(Span(name, offset, length, field or name, member, codec))
        if len(self.spans) > limits.SPANS:
            raise LimitError(f"A {self.format} file of more than {limits.SPANS} parts.")

    def fields(
        self, prefix: str, offset: int, sizes: Iterable[tuple[str, int]], kind: str = ""
    ) -> int:
        """Add consecutive fields `prefix.name`, rule key `kind.name`; returns the end."""
        key = kind or prefix
        first = len(self.spans)
        for name, size in sizes:
            if size:
                self.spans.append(Span(f"{prefix}.{name}", offset, size, f"{key}.{name}"))
            offset += size
        last = self.spans.pop() if len(self.spans) > first else None
        if last is not None:
            # Fields stand one after the other: where the last one fits, all do.
            self.add(last.name, last.offset, last.length, last.field)
        return offset

    def finish(self, info: Any = None, gap: str = "gap") -> Layout:
        """Sort, fill what no span covers with `gap` spans, refuse overlap and equal names."""
        ordered = sorted(self.spans, key=itemgetter(1, 2))
        tiled: list[Span] = []
        at = 0
        for span in ordered:
            if span.offset < at:
                raise ParseError(f"{span.name} overlaps {tiled[-1].name}", span.offset)
            if span.offset > at:
                tiled.append(Span(f"{gap}[after {_label(tiled)}]", at, span.offset - at, gap))
            tiled.append(span)
            at = span.offset + span.length
        if at < len(self.data):
            tiled.append(Span(f"{gap}[after {_label(tiled)}]", at, len(self.data) - at, gap))
        if len({span.name for span in tiled}) != len(tiled):
            raise ParseError(f"Two parts of this {self.format} file have one name: {_twice(tiled)}")
        return Layout(self.format, len(self.data), tuple(tiled), info)


def unpack(code: str, data: Buffer, offset: int, what: str) -> tuple[Any, ...]:
    """`struct.unpack_from` that names what is cut short."""
    try:
        return struct.unpack_from(code, data, offset)
    except struct.error as error:
        raise ParseError(f"The file ends inside {what}", offset) from error


def text(raw: bytes, cap: int = limits.TEXT) -> str:
    """Text from a file, escaped so that nothing in it can act on a terminal or a page."""
    shown = raw[:cap].decode("utf-8", "backslashreplace")
    if shown.isprintable():
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in shown
    )


def _label(tiled: list[Span]) -> str:
    return tiled[-1].name if tiled else "start"


def _twice(tiled: list[Span]) -> str:
    names = sorted(span.name for span in tiled)
    return next(one for one, other in pairwise(names) if one == other)
