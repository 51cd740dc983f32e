"""Data that symbols name and that holds something else: told object by object, not byte by byte."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from verifier.formats.base import text
from verifier.model import Difference
from verifier.semantic.demangle import shown
from verifier.semantic.layout.listing import string_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.functions import Namer
    from verifier.semantic.layout.match import Match

_LISTED = 40
_SHOWN = 16  # bytes
_LARGEST = 1 << 20  # bytes of an object


def changed(match: Match, namer: Namer) -> tuple[Difference, ...]:
    """Objects of one name and other contents, in the order of their addresses."""
    return tuple(islice(_changed(match, namer), _LISTED))


def _changed(match: Match, namer: Namer) -> Iterator[Difference]:
    mine, theirs = _named(match.one), _named(match.other)
    for name, (a, size) in mine.items():
        if name not in theirs:
            continue
        b, length = theirs[name]
        where = shown(text(name.encode("utf-8", "surrogateescape")))
        if size != length:
            told = f"It takes {length} bytes in the shipped image, {size} in the rebuilt one."
            yield Difference("object-changed", where, told)
        elif told := _compared(match, namer, (a, b), size):
            yield Difference("object-changed", where, told)


def _named(image: Assembled) -> dict[str, tuple[int, int]]:
    """(address, size) of the data objects whose names are theirs alone."""
    found: dict[str, tuple[int, int]] = {}
    twice: set[str] = set()
    for at, size in sorted(image.program.objects.items()):
        piece = image.piece_at(at)
        if not 0 < size <= _LARGEST or piece is None or piece.code or piece.made:
            continue
        if not piece.content or piece.data is None or at + size > piece.end:
            continue
        for name in image.program.names.get(at, ()):
            twice |= {name} & found.keys()
            found[name] = at, size
    return {name: place for name, place in found.items() if name not in twice}


def _compared(match: Match, namer: Namer, places: tuple[int, int], size: int) -> str:
    """What the object holds otherwise, as a sentence; empty where it holds the same."""
    images = match.one, match.other
    raw = [_bytes(image, at, size) for image, at in zip(images, places, strict=True)]
    if raw[0] == raw[1]:
        return ""
    plain = [_bytes(image, at, size, masked=True) for image, at in zip(images, places, strict=True)]
    if plain[0] != plain[1]:
        quoted = [string_at(image, at) for image, at in zip(images, places, strict=True)]
        if all(quoted):
            return f"The text {quoted[0]} became {quoted[1]}."
        count = sum(x != y for x, y in zip(*plain, strict=True))
        first = next(at for at, (x, y) in enumerate(zip(*plain, strict=True)) if x != y)
        before, after = (each[first : first + _SHOWN].hex() for each in plain)
        return (
            f"{count} of {size} bytes differ, from offset {first:#x} on: {before} became {after}."
        )
    return _references(match, namer, places, size)


def _bytes(image: Assembled, at: int, size: int, *, masked: bool = False) -> bytes:
    piece = image.piece_at(at)
    if piece is None or piece.data is None:
        return b""
    data = image.masked.get(piece.name, b"") if masked else piece.data
    return bytes(data[at - piece.address : at - piece.address + size])


def _references(match: Match, namer: Namer, places: tuple[int, int], size: int) -> str:
    """The first reference of an object that leads elsewhere."""
    one, other = match.one, match.other
    mine = one.slots.between(places[0], places[0] + size)
    theirs = other.slots.between(places[1], places[1] + size)
    for i, j in zip(range(mine.start, mine.stop), range(theirs.start, theirs.stop), strict=False):
        a, b = int(one.slots.target[i]), int(other.slots.target[j])
        texts = (
            one.program.symbols[int(one.slots.symbol[i])],
            other.program.symbols[int(other.slots.symbol[j])],
        )
        if texts[0] == texts[1] and (texts[0] or namer.same(a, b)):
            continue
        at = int(one.slots.at[i]) - places[0]
        named = (texts[0] or namer.rebuilt(a)[1], texts[1] or namer.shipped(b)[1])
        return f"The reference at offset {at:#x} leads to {named[1]}, not to {named[0]}."
    return ""
