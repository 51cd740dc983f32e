"""What a pair of ELF files differs in as a whole: libraries, symbols, permissions, views."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from verifier import limits
from verifier.formats.base import text
from verifier.formats.elf.header import (
    PT_INTERP,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHT_REL,
    SHT_RELA,
)
from verifier.formats.elf.symbols import (
    TEXT_TAGS,
    dynamic_entries,
    dynamic_symbols,
    image_of,
    same_dynamic_symbols,
    tag_name,
)
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.elf.image import Image

_NEEDED = 1
_SHOWN = 8  # types of segments that one file alone has
_SEGMENTS = {0: "PT_NULL", 1: "PT_LOAD", 2: "PT_DYNAMIC", 3: "PT_INTERP", 4: "PT_NOTE",
             6: "PT_PHDR", 7: "PT_TLS", 0x6474E550: "PT_GNU_EH_FRAME", 0x6474E551: "PT_GNU_STACK",
             0x6474E552: "PT_GNU_RELRO", 0x6474E553: "PT_GNU_PROPERTY"}  # fmt: skip


def explain(shipped: Side, rebuilt: Side) -> tuple[Difference, ...]:
    """Differences of meaning; called only for pairs that differ anyway."""
    found = [
        *_quarrels(shipped, "shipped"),
        *_quarrels(rebuilt, "rebuilt"),
        *_dynamic(shipped, rebuilt),
        *_symbols(shipped, rebuilt),
        *_permissions(shipped, rebuilt),
        *_relocations(shipped, rebuilt),
    ]
    return tuple(found[: limits.DIFFERENCES_PER_MEMBER])


def _quarrels(side: Side, which: str) -> Iterator[Difference]:
    for quarrel in image_of(side).quarrels:
        summary = f"The {which} file's headers contradict each other. {quarrel.summary}"
        yield Difference("layout", quarrel.where, summary, quarrel.offset)


def _dynamic(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    sides = [dynamic_entries(side) for side in (shipped, rebuilt)]
    needed = [[shown for tag, _value, shown in side if tag == _NEEDED] for side in sides]
    for name in needed[0]:
        if name not in needed[1]:
            yield Difference("needed-added", name, "Only the shipped file needs this library.")
    for name in needed[1]:
        if name not in needed[0]:
            yield Difference("needed-removed", name, "Only the rebuilt file needs this library.")
    values: list[dict[int, list[str]]] = []
    for side in sides:
        by_tag: dict[int, list[str]] = {}
        for tag, value, shown in side:
            by_tag.setdefault(tag, []).append(shown if tag in TEXT_TAGS else f"{value:#x}")
        values.append(by_tag)
    for tag in sorted((values[0].keys() | values[1].keys()) - {_NEEDED}):
        one, other = values[0].get(tag), values[1].get(tag)
        if one is None or other is None or (tag in TEXT_TAGS and one != other):
            texts = [", ".join(item) if item else "not there" for item in (one, other)]
            summary = f"Shipped {texts[0]}, rebuilt {texts[1]}."
            yield Difference("dynamic-tag", tag_name(tag), summary)


def _symbols(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    if same_dynamic_symbols(shipped, rebuilt):
        return
    one, other = dynamic_symbols(shipped), dynamic_symbols(rebuilt)
    for index, noun in enumerate(("import", "export")):
        for change, which, names in (
            ("added", "shipped", one[index] - other[index]),
            ("removed", "rebuilt", other[index] - one[index]),
        ):
            for name in sorted(names)[: limits.DIFFERENCES_PER_MEMBER]:
                summary = f"Only the {which} file has this {noun}."
                yield Difference(f"{noun}-{change}", text(name), summary)


def _permissions(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    one, other = image_of(shipped), image_of(rebuilt)
    others = {item.label: item for item in other.sections}
    for section in one.sections:
        twin = others.get(section.label)
        mask = SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR
        if twin and (section.flags ^ twin.flags) & mask:
            summary = f"Shipped {_section(section.flags)}, rebuilt {_section(twin.flags)}."
            yield Difference("section-permissions", section.label, summary)
    yield from _segments(one, other)
    interpreters = [_interpreter(side) for side in (shipped, rebuilt)]
    if interpreters[0] != interpreters[1]:
        summary = f"Shipped {interpreters[0] or 'none'}, rebuilt {interpreters[1] or 'none'}."
        yield Difference("interpreter", "PT_INTERP", summary)


def _segments(one: Image, other: Image) -> Iterator[Difference]:
    """Segments are held against those of their own type, since one more moves all after it."""
    mine, theirs = _by_type(one), _by_type(other)
    for key in sorted(mine.keys() & theirs.keys()):
        (index, flags), (_, others) = mine[key], theirs[key]
        if flags != others:
            summary = f"Shipped {_segment(flags)}, rebuilt {_segment(others)}."
            yield Difference("segment-permissions", f"segment[{index}] {_type(key[0])}", summary)
    if mine.keys() != theirs.keys():
        summary = f"Shipped {len(one.segments)}, rebuilt {len(other.segments)} program headers."
        for which, lone in (
            ("shipped", mine.keys() - theirs.keys()),
            ("rebuilt", theirs.keys() - mine.keys()),
        ):
            if lone:
                types = ", ".join(sorted(_type(kind) for kind, _ in lone)[:_SHOWN])
                summary += f" Only the {which} file has these: {types}."
        yield Difference("segment-count", "e_phnum", summary)


def _by_type(image: Image) -> dict[tuple[int, int], tuple[int, int]]:
    """Place and rights of each segment, by its type and how many of that type come before it."""
    seen: Counter[int] = Counter()
    found = {}
    for index, item in enumerate(image.segments):
        found[item.type, seen[item.type]] = index, item.flags
        seen[item.type] += 1
    return found


def _type(kind: int) -> str:
    return _SEGMENTS.get(kind, f"{kind:#x}")


def _relocations(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    others = {item.label: item for item in image_of(rebuilt).sections}
    for section in image_of(shipped).sections:
        twin = others.get(section.label)
        if section.type not in {SHT_REL, SHT_RELA} or twin is None or not section.entsize:
            continue
        if section.size != twin.size:
            counts = section.size // section.entsize, twin.size // section.entsize
            summary = f"Shipped {counts[0]}, rebuilt {counts[1]} relocations."
            yield Difference("relocation-count", section.label, summary)


def _interpreter(side: Side) -> str:
    for segment in image_of(side).segments:
        if segment.type == PT_INTERP:
            end = segment.offset + min(segment.filesz, limits.TEXT)
            return text(bytes(side.data[segment.offset : end]).rstrip(b"\0"))
    return ""


def _section(flags: int) -> str:
    pairs = ((SHF_ALLOC, "A"), (SHF_WRITE, "W"), (SHF_EXECINSTR, "X"))
    return "".join(mark if flags & bit else "-" for bit, mark in pairs)


def _segment(flags: int) -> str:
    return "".join(mark if flags & bit else "-" for bit, mark in ((4, "R"), (2, "W"), (1, "X")))
