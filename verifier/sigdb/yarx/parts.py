"""Parts of patterns, and the atoms by which they are suspected.

Source: YARA-X, lib/src/compiler/mod.rs (SubPattern), and what the wheel 1.23.0 writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from verifier.sigdb.bincode import Reader

_OTHER = 0x03  # flags: in any case of letters, or with zeros in between
_FAST = 0x40  # a flag: matched by the fast VM
_REGEXES = {4: "regex", 5: "regex with tails", 6: "regex tail"}
_TEXTS = {
    0: "literal",
    1: "literal with tails",
    2: "literal with tails",
    3: "literal tail",
    7: "xor",
}


class Part(NamedTuple):
    """One part: `{}` in `text` stands for one of the `texts`, in their order.

    Attributes:
        pattern: the number of the pattern that it belongs to.
        text: what it is.
        texts: numbers of texts in the pool.
        before: the number of the part that it follows, None for none.
        fast: whether its code is for the fast VM.
        anchored: whether it stands at one place only.
        plain: whether it is its text, byte for byte.
    """

    pattern: int
    text: str
    texts: tuple[int, ...]
    before: int | None = None
    fast: bool = False
    anchored: bool = False
    plain: bool = False


class Atom(NamedTuple):
    """Bytes by which a part is suspected; places of code are None for none."""

    part: int
    data: bytes
    text: str
    places: tuple[int | None, int | None]


def atom(reader: Reader) -> Atom:
    """The next atom."""
    number, data = reader.unsigned(), reader.raw()
    text = f"{data.hex()}{'' if reader.boolean() else '+'}-{reader.unsigned()}"
    return Atom(number, data, text, (_place(reader), _place(reader)))


def _place(reader: Reader) -> int | None:
    """A place in code, which is written with one added."""
    place = reader.optional()
    if place == 0:
        raise ParseError("An atom's code starts nowhere", reader.at)
    return None if place is None else place - 1


def part(reader: Reader, number: int) -> Part:
    """The next part, whose number is given; variants are in their order in YARA-X's source."""
    pattern = reader.signed()
    variant = reader.unsigned()
    texts: tuple[int, ...]
    if variant in (8, 9):
        name = "base64" if variant == 8 else "base64wide"
        texts = (reader.unsigned(),)
        return Part(pattern, f"{name} {{}} padding {reader.byte()}", texts)
    if variant in (10, 11):
        name = "base64" if variant == 10 else "base64wide"
        texts = (reader.unsigned(), reader.unsigned())
        return Part(pattern, f"{name} {{}} with {{}} padding {reader.byte()}", texts)
    if variant in _REGEXES:
        before, gap = _gap(reader, number) if variant == 6 else (None, "")
        flags = reader.unsigned()
        text = f"{_REGEXES[variant]}{gap} flags {flags:#x}"
        return Part(pattern, text, (), before, fast=bool(flags & _FAST))
    if variant not in _TEXTS:
        raise ParseError("A part of a pattern is of no known kind", reader.at)
    texts = (reader.unsigned(),)
    text = f"{_TEXTS[variant]} {{}}"
    before, anchored = None, None
    if variant == 0:
        anchored = reader.optional()
        text += "" if anchored is None else f" at {anchored}"
    elif variant == 1:
        texts = (*texts, reader.unsigned())
        text = "literal {} mask {}"
    elif variant == 3:
        before, gap = _gap(reader, number)
        text += gap
    flags = reader.unsigned()
    plain = variant == 0 and not flags & _OTHER
    text += f" flags {flags:#x}"
    return Part(pattern, text, texts, before, anchored=anchored is not None, plain=plain)


def _gap(reader: Reader, number: int) -> tuple[int, str]:
    """The part before this one, and how far away it may be."""
    before = reader.unsigned()
    variant = reader.unsigned()
    if before >= number or variant > 1:
        raise ParseError("A part follows a later one, or with a gap of no known kind", reader.at)
    if variant == 0:
        return before, f" after {reader.unsigned()} to {reader.unsigned()}"
    return before, f" after {reader.unsigned()} or more"
