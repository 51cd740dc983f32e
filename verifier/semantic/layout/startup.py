"""Functions that run without being called, at start or at the end: their lists, by the map.

ELF: the arrays and functions of the dynamic section (gABI 5), `.ctors` and `.dtors`. PE: TLS
callbacks (PE format specification, .tls), and mingw's lists of constructors, which stand in code.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Difference
from verifier.semantic.layout import called, names
from verifier.semantic.layout.match import ORDERED
from verifier.semantic.layout.program import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.islands import Island
    from verifier.semantic.layout.match import Match
    from verifier.semantic.layout.program import Piece

CALLBACKS = "TLS callbacks"
KINDS = ("initialiser-", "tls-callback-")  # of the differences that are told here
_WHEN = {
    ".preinit_array": "before any library starts", ".init_array": "at start", ".ctors": "at start",
    ".fini_array": "at the end", ".dtors": "at the end", "DT_INIT": "at start",
    "DT_FINI": "at the end", "__CTOR_LIST__": "at start", "__DTOR_LIST__": "at the end",
    CALLBACKS: "at start and in each thread",
}  # fmt: skip
_DYNAMIC = {12: "DT_INIT", 13: "DT_FINI"}
_MINGW = ("__CTOR_LIST__", "__DTOR_LIST__")
_SHOWN = 100


class Entry(NamedTuple):
    """What one place of a list leads to: an address of the image, or a symbol of another one."""

    address: int
    symbol: str = ""


Lists = dict[str, list[Entry]]


def differences(match: Match) -> tuple[Difference, ...] | None:
    """What runs in one image alone, or in another order; None where a list cannot be read."""
    one, other = lists(match.one), lists(match.other)
    if one is None or other is None:
        return None
    found: list[Difference] = []
    for label in dict.fromkeys((*other, *one)):
        found += _compared(match, label, one.get(label, []), other.get(label, []))
    return tuple(found)


def lists(image: Assembled) -> Lists | None:
    """Every list of an image by its name; None where a word of one is no known reference."""
    found: Lists = {}
    for piece in image.program.pieces:
        if piece.name in ORDERED and piece.size:
            words = _words(image, piece, piece.address, piece.end)
            if words is None:
                return None
            found[piece.name] = [each for each in words if isinstance(each, Entry)]
    for fact in image.program.facts:
        if fact[0] == "dynamic" and fact[2] in _DYNAMIC and isinstance(fact[3], Address):
            found[_DYNAMIC[fact[2]]] = [Entry(fact[3].value)]
    if image.program.callbacks:
        found[CALLBACKS] = [Entry(each) for each in image.program.callbacks]
    listed = [each for _start, held in in_code(image) for each in held]
    return found | dict(zip(_MINGW, listed, strict=False))


def places(match: Match) -> tuple[frozenset[int], frozenset[int]]:
    """Where lists stand in the code of either image; none where `differences` tells nothing."""
    if lists(match.one) is None or lists(match.other) is None:
        return frozenset(), frozenset()
    one, other = (
        frozenset(start for start, _held in in_code(image)) for image in (match.one, match.other)
    )
    return one, other


def in_code(image: Assembled) -> list[tuple[int, list[list[Entry]]]]:
    """Where mingw put lists into code, and those lists: of constructors, then of destructors."""
    found = [(each.start, _listed(image, each)) for each in image.islands]
    found = [each for each in found if each[1]]
    return found if sum(len(held) for _start, held in found) <= len(_MINGW) else []


def _listed(image: Assembled, island: Island) -> list[list[Entry]]:
    """The lists that are an island: each -1, functions, 0. Empty for all else."""
    piece = image.piece_at(island.start)
    words = _words(image, piece, island.start, island.end) if piece and island.certain else None
    found: list[list[Entry]] = []
    inside = False
    for word in words or ():
        if word == -1 and not inside:
            found.append([])
        elif isinstance(word, Entry) and inside:
            found[-1].append(word)
        elif word != 0:
            return []
        inside = word != 0
    return [] if inside else found


def _words(image: Assembled, piece: Piece, start: int, end: int) -> list[Entry | int] | None:
    """The words of [start, end): references, zeros and -1; None if there is another number."""
    size = 4 if image.program.machine == "x86" else 8
    mine = image.program.slots.between(start, end)
    slots = image.program.slots
    known = {
        at: Entry(target, called.imported(image.program.symbols[symbol]) if symbol else "")
        for at, width, target, symbol in zip(
            *(each[mine].tolist() for each in (slots.at, slots.size, slots.target, slots.symbol)),
            strict=True,
        )
        if width == size
    }
    data = piece.data[start - piece.address : end - piece.address] if piece.data else b""
    words: list[Entry | int] = []
    for number in range((end - start) // size):
        place = start + number * size
        raw = bytes(data[number * size : (number + 1) * size])
        value = struct.unpack("<q" if size == 8 else "<i", raw)[0] if len(raw) == size else 0
        if place not in known and value not in (0, -1):
            return None
        words.append(known.get(place, value))
    return words


def _compared(
    match: Match, label: str, mine: Sequence[Entry], theirs: Sequence[Entry]
) -> Iterator[Difference]:
    noun = "tls-callback" if label == CALLBACKS else "initialiser"
    mapped = [_mapped(match, each) for each in mine]
    added, removed = Counter(theirs) - Counter(mapped), Counter(mapped) - Counter(theirs)
    before = dict(zip(mapped, mine, strict=True))
    for change, which, image, entries in (
        ("added", "shipped", match.other, list(added)),
        ("removed", "rebuilt", match.one, [before[each] for each in removed]),
    ):
        for entry in entries[:_SHOWN]:
            summary = f"Only the {which} file runs this function {_WHEN[label]}, without a call."
            yield Difference(f"{noun}-{change}", _name(match, image, entry), summary)
    order = [each for each in mapped if each in theirs]
    told = [(number, each) for number, each in enumerate(theirs, 1) if each in mapped]
    if not added and not removed and order != [each for _number, each in told]:
        number, now = next(pair for pair, was in zip(told, order, strict=True) if pair[1] != was)
        summary = (
            f"Both images run these {len(told)} functions, in another order: number {number} is"
            f" {_name(match, match.other, now)}, and was"
            f" {_name(match, match.one, mine[number - 1])}. It follows the order in which objects"
            " are linked."
        )
        yield Difference("initialiser-order", label, summary)


def _mapped(match: Match, entry: Entry) -> Entry:
    """What an entry of the rebuilt image is in the shipped one; itself negated, if nothing."""
    if entry.symbol:
        return entry
    start = match.one.atom(entry.address)
    if start not in match.code:
        return Entry(-1 - entry.address)
    return Entry(match.code[start] + entry.address - start)


def _name(match: Match, image: Assembled, entry: Entry) -> str:
    """Its symbol; of a stripped shipped image, that of the rebuild."""
    if entry.symbol:
        return entry.symbol
    before = match.back.get(entry.address) if image is match.other else None
    if entry.address not in image.program.names and before in match.one.program.names:
        return names.of(match.one, before)
    return names.of(image, entry.address)
