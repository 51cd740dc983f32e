"""Go programs at fixed addresses: functions paired by the names of Go's own table, and compared.

Stripping does not take the table away. Nothing is proven here: such images keep their doubt.
Only functions whose bytes differ by more than references that moved are decoded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from verifier.errors import ParseError
from verifier.formats.base import Side
from verifier.formats.elf.header import SHF_ALLOC, SHF_TLS, SHT_NOBITS
from verifier.formats.elf.layout import layout
from verifier.semantic import golang
from verifier.semantic.layout import changes, gomoves, nearby
from verifier.semantic.layout.assembled import Assembled
from verifier.semantic.layout.functions import Changed, Functions
from verifier.semantic.layout.listing import listing, string_at
from verifier.semantic.layout.program import Piece, Program, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.content import Buffer
    from verifier.semantic.layout.listing import Namer

_EXEC = 2
_START = 2  # word of the table: where code begins, from Go 1.18 on
_LISTED = 400  # changed functions that are told of
_READ = 4_000  # functions that are read instruction by instruction
_FUNCTION_MOST = 1 << 22  # bytes
_PADDING = b"\xcc"


class Compared(NamedTuple):
    """What differs, and both images with the names of their functions.

    `notes` say what of the section was not compared.
    """

    found: Functions
    one: Assembled
    other: Assembled
    section: str  # whose functions they are
    notes: tuple[str, ...]


class _Go(NamedTuple):
    """One image: its code, and (start, end) of each function by name and number of its kind."""

    view: nearby.View
    code: Piece
    raw: bytes
    spans: dict[tuple[str, int], tuple[int, int]]
    names: dict[int, list[str]]


def explain(shipped: Buffer, rebuilt: Buffer) -> Compared | None:
    """The functions that differ; None unless both are x86-64 Go programs at fixed addresses.

    Raises:
        VerifierError: an image or a table is not well-formed.
    """
    one, other = _read(rebuilt), _read(shipped)
    if one is None or other is None:
        return None
    both = [(key, span, other.spans[key]) for key, span in one.spans.items() if key in other.spans]
    pairs = [(a, b) for _key, a, b in both]
    moves = gomoves.Moves((one.view.pieces, other.view.pieces), (one.code, other.code), pairs)
    unlike = moves.unlike((one.raw, other.raw))
    changed: list[Changed] = []
    encoded: list[tuple[int, int]] = []
    unread = 0
    for number, ((a, end), (b, stop)) in enumerate(unlike):
        if number >= _READ or len(changed) >= _LISTED:
            unread = len(unlike) - number
            break
        change = _change(moves, (one, other), (a, end), (b, stop))
        if change is None:
            encoded.append((a, b))
        else:
            changed.append(Changed(a, b, change))
    found = Functions(
        len(other.spans),
        sorted(span[0] for key, span in other.spans.items() if key not in one.spans),
        sorted(span[0] for key, span in one.spans.items() if key not in other.spans),
        sorted(changed),
        encoded,
        unread,
    )
    return Compared(found, _named(one), _named(other), other.code.name, _notes(one, other))


def _read(data: Buffer) -> _Go | None:
    cut = layout(data)
    header = cut.info.header
    known = (header.machine, header.shape.bits, header.shape.order) == (62, 64, "<")
    if not known or header.type != _EXEC:
        return None
    side = Side(data, cut)
    table = golang.function_table(side)
    if table is None or len(table.words) <= _START + 5:
        return None
    view = nearby.elf(data)
    start = table.words[_START]
    home = (each for each in view.pieces if each.code and each.address <= start < each.end)
    code = next(home, None)
    if code is None or code.data is None:
        raise ParseError("The table of Go's functions speaks of code that is not there")
    raw = bytes(code.data)
    entries = sorted(golang.addresses(side).items())
    end = golang.code_end(table)
    if entries and not start + entries[-1][0] < start + end <= code.end:
        raise ParseError("The table of Go's functions speaks of code that is not there")
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    seen: Counter[str] = Counter()
    names: dict[int, list[str]] = {}
    stops = [*(offset for offset, _name in entries[1:]), end]
    for (offset, name), stop in zip(entries, stops, strict=False):
        at = start + offset
        body = raw[at - code.address : start + stop - code.address].rstrip(_PADDING)
        spans[name, seen[name]] = (at, at + len(body))
        names[at] = [name]
        seen[name] += 1
    zeros = [
        Piece(each.label, each.addr, each.size, None)
        for each in cut.info.sections
        if each.type == SHT_NOBITS and each.flags & SHF_ALLOC and not each.flags & SHF_TLS
    ]
    pieces = tuple(sorted((*view.pieces, *zeros), key=lambda piece: piece.address))
    view = view._replace(pieces=pieces, starts=np.array(sorted(names), dtype=np.int64))
    return _Go(view, code, raw, spans, names)


def _change(
    moves: gomoves.Moves,
    images: tuple[_Go, _Go],
    mine: tuple[int, int],
    theirs: tuple[int, int],
) -> changes.Change | None:
    """What one function does differently; None where only references moved."""
    if max(mine[1] - mine[0], theirs[1] - theirs[0]) > _FUNCTION_MOST:
        return changes.Change("bytes", "Its bytes differ.", "")
    lines = []
    for image, (start, end), there in zip(
        images, (mine, theirs), (moves.there, lambda address: address), strict=True
    ):
        cut = nearby.cut(image.view, start, end)
        lines.append(listing(cut, start, end, _namer(image, cut, there)))
    return changes.compare(lines[0], lines[1], moves.same)


def _namer(image: _Go, cut: Assembled, there: Callable[[int], int | None]) -> Namer:
    starts = image.view.starts

    def name(address: int) -> tuple[str, str]:
        piece = next((e for e in image.view.pieces if e.address <= address < e.end), None)
        if piece is None or not piece.code:
            label = string_at(cut, address) or cut.program.label(address)
            mapped = there(address)
            return (f"@{mapped:x}" if mapped is not None else label), label
        index = bisect_left(starts, address + 1) - 1
        if index < 0 or piece is not image.code:
            return (cut.program.label(address),) * 2
        start = int(starts[index])
        label = image.names[start][0] + (f"+{address - start:#x}" if address > start else "")
        return label, label

    return name


def _named(image: _Go) -> Assembled:
    """What reports need of an image: names and sections."""
    none, starts = np.zeros(0, dtype=np.int64), image.view.starts
    program = Program("x86-64", image.view.pieces, starts, slots_of([]), [])
    program.names = image.names
    return Assembled(program, starts, none, none, program.slots, {}, [])


def _notes(one: _Go, other: _Go) -> tuple[str, ...]:
    """What was not compared: code that Go's table does not know, as C that cgo linked in."""
    rest = []
    for image in (one, other):
        first = min((start for start, _end in image.spans.values()), default=image.code.end)
        last = max((end for _start, end in image.spans.values()), default=first)
        at = image.code.address
        rest.append((image.raw[: first - at], image.raw[last - at :].lstrip(_PADDING)))
    if rest[0] == rest[1]:
        return ()
    size = sum(map(len, rest[1]))
    return (
        (
            f"{size} bytes of {other.code.name} are no functions of Go (C that was linked in); they"
            " differ, by references that moved or otherwise, and were not compared."
        ),
    )
