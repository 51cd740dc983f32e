"""Functions that an ELF image runs before or after its main program, without being called.

Told by name, for images whose functions cannot be compared; `layout.startup` follows them by a map.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Final

from verifier.errors import LimitError
from verifier.formats.elf.header import SHF_EXECINSTR, SHT_DYNAMIC, SHT_REL, SHT_RELA
from verifier.formats.elf.symbols import dynamic_entries, image_of, symbol_at
from verifier.model import Difference
from verifier.semantic.demangle import demangled
from verifier.semantic.parts import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.elf.header import Section
    from verifier.semantic.parts import Part

_ARRAYS: Final = (
    ("PREINIT_ARRAY", 16, "before any library starts"),
    ("INIT_ARRAY", 14, "at start"),
    ("FINI_ARRAY", 15, "at the end"),
)
_SINGLE: Final = ((12, "DT_INIT", "at start"), (13, "DT_FINI", "at the end"))
_OLD: Final = {".ctors": "at start", ".dtors": "at the end"}
_SECTIONS: Final = 1_000
_PLACES: Final = 100  # executable sections that are searched for a name
_MOST: Final = 5_000
_RELOCATIONS = 2_000_000
_SHOWN = 100


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Initialisers of one image alone; by name, or by number where nothing names them."""
    if not any(_bears(each) for pair in changed(shipped, rebuilt) for each in pair if each):
        return
    one, other = _all(shipped), _all(rebuilt)
    for label, mine in one.items():
        theirs = other[label]
        named, others = ([name for name in names if name] for names in (mine, theirs))
        added, removed = Counter(named) - Counter(others), Counter(others) - Counter(named)
        if mine.count("") != theirs.count(""):  # what has a name here may have none there
            added, removed = Counter(), Counter()
        for change, which, found in (("added", "shipped", added), ("removed", "rebuilt", removed)):
            for name in list(found)[:_SHOWN]:
                when = label.partition(" ")[2]
                summary = f"Only the {which} file runs this function {when}, without a call."
                yield Difference(f"initialiser-{change}", name, summary)
        if len(mine) != len(theirs) and not added and not removed:
            change = "added" if len(mine) > len(theirs) else "removed"
            summary = f"Shipped {len(mine)} functions, rebuilt {len(theirs)}; nothing names them."
            yield Difference(f"initialiser-{change}", label, summary)
        elif len(named) == len(others) and named != others and not added and not removed:
            first = next(at for at, (a, b) in enumerate(zip(named, others, strict=False)) if a != b)
            summary = (
                f"They run in another order: number {first + 1} is {named[first]}, and was"
                f" {others[first]}."
            )
            yield Difference("initialiser-order", label, summary)


def _bears(each: Part) -> bool:
    """Whether a section may say which functions run."""
    return each.kind in {SHT_DYNAMIC, SHT_REL, SHT_RELA, 14, 15, 16} or each.label in _OLD


def _all(side: Side) -> dict[str, list[str]]:
    """Names of the functions of each array, in order; empty where nothing names one."""
    sections = image_of(side).sections
    if sum(item.type in {14, 15, 16} for item in sections) > _SECTIONS:
        raise LimitError(f"An image with more than {_SECTIONS} arrays of initialisers.")
    result: dict[str, list[str]] = {}
    for name, kind, when in _ARRAYS:
        found = [item for item in sections if item.type == kind and item.length]
        result[f"{name} {when}"] = [
            _named(side, address) for item in found for address in _addresses(side, item)
        ]
    for label, when in _OLD.items():
        section = image_of(side).section(label)
        addresses = _addresses(side, section) if section is not None else []
        ends = {0, (1 << image_of(side).header.shape.bits) - 1}
        result[f"{label} {when}"] = [_named(side, item) for item in addresses if item not in ends]
    entries = {tag: value for tag, value, _text in dynamic_entries(side)}
    for tag, name, when in _SINGLE:
        result[f"{name} {when}"] = [_named(side, entries[tag])] if tag in entries else []
    return result


def _addresses(side: Side, section: Section) -> list[int]:
    """What the words of an array will be: relocations first, then what stands in the file."""
    header = image_of(side).header
    code = struct.Struct(header.shape.order + ("Q" if header.shape.bits == 64 else "I"))
    size = min(section.length, _MOST * code.size) // code.size * code.size
    words = [value for (value,) in code.iter_unpack(side.data[section.offset :][:size])]
    placed = _relocated(side)
    return [
        placed.get(section.addr + index * code.size, value) for index, value in enumerate(words)
    ]


def _relocated(side: Side) -> dict[int, int]:
    """Value by address of each relocation without a symbol that carries an addend."""
    image = image_of(side)
    if "relative" in image.cache:
        found: dict[int, int] = image.cache["relative"]
        return found
    wide = image.header.shape.bits == 64
    code = struct.Struct(image.header.shape.order + ("QQq" if wide else "IIi"))
    arrays = [
        (item.addr, item.addr + item.length)
        for item in image.sections
        if item.length and (item.type in {14, 15, 16} or item.label in _OLD)
    ]
    found = image.cache["relative"] = {}
    first, last = (
        min((item[0] for item in arrays), default=0),
        max((item[1] for item in arrays), default=0),
    )
    shift = 32 if wide else 8
    for section in image.sections:
        if section.type not in {SHT_RELA, SHT_REL} or section.entsize != code.size or not arrays:
            continue
        size = min(section.length, _RELOCATIONS * code.size) // code.size * code.size
        for place, info, addend in code.iter_unpack(side.data[section.offset :][:size]):
            if first <= place < last and not info >> shift:
                found[place] = addend
    return found


def _named(side: Side, address: int) -> str:
    image = image_of(side)
    if "executable" not in image.cache:
        image.cache["executable"] = [item for item in image.sections if item.flags & SHF_EXECINSTR]
    for section in image.cache["executable"][:_PLACES]:
        if section.addr <= address < section.addr + section.size:
            found = symbol_at(side, section, address)
            return demangled(found[0]) if found else ""
    return ""
