"""Texts that one image alone holds: keys, addresses, commands and paths first.

Texts of Go and Rust run into each other, so those that look like nothing are left out there.
Looked for in sections that differ and hold data, between the parts that both
sides have alike: as C strings, in PE images also as UTF-16, and what looks like
an address or a key anywhere, since Go and Rust end their texts with nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier import content
from verifier.formats.base import text
from verifier.formats.elf.header import SHT_PROGBITS
from verifier.formats.pe.meaning import imports
from verifier.formats.pe.symbols import exports
from verifier.limits import MIB
from verifier.model import Difference
from verifier.semantic import golang, rust
from verifier.semantic.parts import Part, changed, is_elf, parts
from verifier.semantic.rust import SOURCE
from verifier.semantic.wording import NATURES, nature, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_SEARCHED: Final = 64 * MIB  # bytes of one section; the rest is not searched
_TOTAL: Final = 256 * MIB  # of all sections of both sides
_SECTIONS: Final = 400
_TEXTS: Final = 300_000  # of one section
_SHOWN: Final = 60  # differences of one kind
_TRIED: Final = 300  # candidates that are looked up on the other side
_PLAIN: Final = re.compile(rb"(?<=\0)[\t\n\r\x20-\x7e]{5,4000}(?=\0)")
_FIRST: Final = re.compile(rb"[\t\n\r\x20-\x7e]{5,4000}(?=\0)")  # where a section begins
_BLOCK: Final = 16  # bytes of a constant from which code copies a part of a text
_LOOKUPS: Final = 2_000  # of such blocks in the other image
_LOOKED: Final = 1024 * MIB  # bytes that are searched for them
_SEEN: Final = 8192 * MIB  # bytes that are searched for candidates, once there are _SHOWN
_QUOTED: Final = 4  # texts made of such constants that are shown
_WIDE: Final = re.compile(rb"(?:[\t\n\r\x20-\x7e]\0){5,2000}(?=\0\0)")
_LETTERS: Final = re.compile(rb"[A-Za-z]{3}")
_GROUP: Final = re.compile(rb"\.(?:rdata|data|text|idata|xdata|CRT|rsrc|bss|edata|tls)(?:\$|\Z)")
_HEADS: Final = (b"://", b"-----BEGIN ")
_AROUND: Final = 120  # characters of a text that ends with nothing
_TOKEN: Final = re.compile(rb"[A-Za-z0-9+.-]{0,12}\Z")
_BODY: Final = re.compile(rb"[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d-\x5f\x61-\x7a~]*")
_PROBE: Final = 24
_EDGE: Final = 4096  # how far a text may reach into the part that both sides have
_SKIPPED: Final = (".debug", ".gnu_debug", ".eh_frame", ".comment", ".rsrc", ".reloc", ".pdata")
_TABLES: Final = (".gopclntab", ".xdata", ".idata", ".edata", ".note", ".dep-v0", ".go.")


class _Found(NamedTuple):
    """A text: where it stands, in which section, and what its bytes are."""

    offset: int
    label: str
    raw: bytes
    loose: bool = False


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Texts of one image alone, most telling first; how many are not listed."""
    pairs: list[tuple[Part | None, Part | None]] = []
    budget = _TOTAL
    for pair in changed(shipped, rebuilt):
        if all(each is None or _holds_text(shipped, each) for each in pair):
            budget -= sum(min(each.length, _SEARCHED) for each in pair if each)
            if budget < 0 or len(pairs) >= _SECTIONS:
                break
            pairs.append(pair)
    if not pairs:
        return
    one, other = _texts(shipped, rebuilt, pairs)
    for change, which, mine, theirs, side in (
        ("added", "shipped", one, other, rebuilt),
        ("removed", "rebuilt", other, one, shipped),
    ):
        candidates = [key for key in mine if key not in theirs]
        yield from _told(change, which, {key: mine[key] for key in candidates}, side)


def _told(
    change: str, which: str, found: dict[str, _Found], absent_in: Side
) -> Iterator[Difference]:
    order = {name: place for place, name in enumerate(NATURES)}
    natures = {shown: nature(shown) for shown in found}
    ranked = sorted(found, key=lambda shown: order.get(natures[shown], len(order)))
    if not ranked:
        return
    images = _images(absent_in)
    size = 1 + sum(map(len, images))
    lookups = min(_LOOKUPS, _LOOKED // size)
    tried = min(_TRIED, max(_SHOWN, _SEEN // size))
    told = 0
    pieces: list[str] = []
    for number, shown in enumerate(ranked):
        if told >= _SHOWN or number >= tried:
            summary = f"Up to {len(ranked) - number} more texts are not listed."
            yield Difference(f"string-{change}", "more", summary)
            break
        item = found[shown]
        kind = natures[shown]
        # A text that looks like nothing may be a part of another: linkers let texts share ends.
        probe = item.raw[:_PROBE] if item.loose else item.raw + b"\0" * bool(kind)
        if any(probe in image for image in images):
            continue
        lookups -= len(item.raw) // _BLOCK
        if not kind and lookups > 0 and _of_constants(item, images):
            pieces.append(shown)
            continue
        told += 1
        summary = f"Only the {which} image has this {kind or 'text'}, in {item.label}."
        at, length = (item.offset, len(item.raw)) if change == "added" else (None, None)
        yield Difference(f"string-{change}", quoted(shown)[1:-1], summary, at, length)
    if pieces:
        yield _in_pieces(change, which, pieces)


def _images(side: Side) -> list[bytes]:
    """The data of one image, in which a text of the other is looked for."""
    found: list[bytes] = []
    left = _TOTAL // 2
    for part in parts(side):
        if part.loaded and not part.executable and len(found) < _SECTIONS:
            found.append(bytes(part.data(side)[: min(_SEARCHED, left)]))
            left -= len(found[-1])
    return found


def _of_constants(item: _Found, images: list[bytes]) -> bool:
    """Whether a text is a row of blocks, each of which the other image holds as well.

    Compilers copy short texts by wide registers, from constants of 16 bytes that end with nothing;
    linkers put them in a row, in an order of their own.
    """
    count = len(item.raw) // _BLOCK
    blocks = {item.raw[_BLOCK * index : _BLOCK * (index + 1)] for index in range(count)}
    return count > 1 and all(any(block in image for image in images) for block in blocks)


def _in_pieces(change: str, which: str, texts: list[str]) -> Difference:
    told = ", ".join(quoted(each, 40) for each in texts[:_QUOTED])
    more = f" and {len(texts) - _QUOTED} more" if len(texts) > _QUOTED else ""
    summary = (
        f"{len(texts)} longer texts of the {which} image are made of pieces of {_BLOCK} bytes that"
        f" the other image holds too, as constants are from which texts are copied: {told}{more}."
    )
    return Difference(f"string-{change}", "texts in pieces", summary)


def _holds_text(side: Side, each: Part) -> bool:
    if each.executable or each.label.startswith((*_SKIPPED, *_TABLES)):
        return False
    return not is_elf(side) or each.kind == SHT_PROGBITS


def _texts(
    shipped: Side, rebuilt: Side, pairs: list[tuple[Part | None, Part | None]]
) -> tuple[dict[str, _Found], dict[str, _Found]]:
    results: tuple[dict[str, _Found], dict[str, _Found]] = ({}, {})
    wide = not is_elf(shipped)
    for pair in pairs:
        raws = [
            b"" if each is None else bytes(each.data(side)[:_SEARCHED])
            for side, each in zip((shipped, rebuilt), pair, strict=True)
        ]
        start, end = content.equal_ends(memoryview(raws[0]), memoryview(raws[1]))
        for result, raw, each in zip(results, raws, pair, strict=True):
            if each is not None and raw:
                first, last = _whole(raw, start, len(raw) - end)
                _collect(result, each, raw[first:last], first, wide)
    if not any(results):
        return results
    together = any(golang.is_go(side) or rust.is_rust(side) for side in (shipped, rebuilt))
    named = _named(shipped) | _named(rebuilt)
    one, other = (
        {
            key: item
            for key, item in found.items()
            if key not in named and (not together or nature(key))
        }
        for found in results
    )
    return one, other


def _named(side: Side) -> set[str]:
    """Names of imports and exports, which are told as such, and of the linker's own groups."""
    if is_elf(side):
        return set()
    image: Image = side.layout.info
    imported = {part for name in imports(side.data, image) for part in name.split("!")}
    of_go = {name.decode("utf-8", "replace") for name in golang.functions(side) or ()}
    return imported | exports(side.data, image).keys() | of_go


def _whole(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """The stretch from `start` to `end`, widened to whole texts."""
    first = raw.rfind(b"\0", max(0, start - _EDGE), start)
    last = raw.find(b"\0", end, end + _EDGE)
    return (
        max(0, start - _EDGE) if first < 0 else first,
        min(len(raw), end + _EDGE) if last < 0 else min(len(raw), last + 3),
    )


def _collect(result: dict[str, _Found], each: Part, raw: bytes, base: int, wide: bool) -> None:
    first = _FIRST.match(raw) if not base else None
    for count, match in enumerate(chain([first] if first else [], _PLAIN.finditer(raw))):
        if count >= _TEXTS:
            break
        if _GROUP.match(match[0]) or SOURCE.search(match[0]):
            continue
        if _LETTERS.search(match[0]) or nature(match[0].decode("ascii")):
            found = _Found(each.offset + base + match.start(), each.label, match[0])
            result.setdefault(match[0].decode("ascii"), found)
    for count, match in enumerate(_WIDE.finditer(raw) if wide else ()):
        if count >= _TEXTS:
            break
        shown = match[0].decode("utf-16-le")
        if _LETTERS.search(match[0][::2]):
            found = _Found(each.offset + base + match.start(), each.label, match[0])
            result.setdefault(shown, found)
    covered = sorted((item.offset, item.offset + len(item.raw)) for item in result.values())
    for at, token in _loose(raw):
        shown = text(token)
        place = bisect_right(covered, (each.offset + base + at, 1 << 62)) - 1
        inside = place >= 0 and each.offset + base + at < covered[place][1]
        if shown not in result and not inside:
            found = _Found(each.offset + base + at, each.label, token, loose=True)
            result.setdefault(shown, found)


def _loose(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """What looks like an address or a key, whatever stands around it."""
    for head in _HEADS:
        at = raw.find(head)
        for _ in range(_TEXTS):
            if at < 0:
                break
            before = _TOKEN.search(raw, max(0, at - 12), at) if head == b"://" else None
            first = at if before is None else before.start()
            match = _BODY.match(raw, at, at + _AROUND)
            last = at + len(head) if match is None else max(match.end(), at + len(head))
            if last - first > len(head) + 2:
                yield first, raw[first:last]
            at = raw.find(head, last)
