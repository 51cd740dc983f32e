"""Name ELF leftovers: symbol and section, dynamic tag, symbol table entry, text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats.base import describe_bytes, text
from verifier.formats.elf.explain import explain
from verifier.formats.elf.header import (
    SHF_EXECINSTR,
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_REL,
    SHT_RELA,
    SHT_SYMTAB,
    Section,
)
from verifier.formats.elf.symbols import (
    SYMBOL_32,
    SYMBOL_64,
    dynamic_entries,
    image_of,
    string_at,
    strings_of,
    symbol_at,
    symbol_before,
    symbols_of,
    tag_name,
)
from verifier.model import Difference

if TYPE_CHECKING:
    from verifier.formats.base import Side
    from verifier.model import Run, Span

__all__ = ["describe", "explain"]

_SHOWN = 16  # bytes of a value that are printed
_TEXT = 120  # bytes of text around a change that are printed
_HEADERS = ("ident.", "header.", "segment.", "section.sh_")


def describe(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
    """One differing run of a span that no rule speaks of."""
    if span.field.startswith(_HEADERS) and span.field != "segment.contents":
        return _header_field(shipped, rebuilt, span)
    image = image_of(shipped)
    section = image.section(span.name[len("section[") : -1])
    if section is None or span.name != f"section[{section.label}]":
        return describe_bytes(shipped, rebuilt, span, run)
    return _DESCRIBERS.get(section.type, _contents)(shipped, rebuilt, section, run)


def _header_field(shipped: Side, rebuilt: Side, span: Span) -> Difference:
    order = "little" if image_of(shipped).header.shape.order == "<" else "big"
    known = image_of(rebuilt).cache
    if "spans" not in known:
        known["spans"] = {item.name: item for item in rebuilt.layout.spans}
    other = known["spans"][span.name]
    one, two = shipped.bytes_of(span), rebuilt.bytes_of(other)
    if span.field == "ident.EI_PAD":
        values = one.hex(), two.hex()
    else:
        values = hex(int.from_bytes(one, order)), hex(int.from_bytes(two, order))  # type: ignore[arg-type]
    summary = f"Shipped {values[0]}, rebuilt {values[1]}; no rule lets it vary."
    return Difference("field", span.name, summary, span.offset, span.length)


def _contents(shipped: Side, rebuilt: Side, section: Section, run: Run) -> Difference:
    inside = run.offset - section.offset
    found = symbol_at(shipped, section, section.addr + inside)
    place = f"{section.label}+{inside:#x}"
    where = f"{found[0]} ({section.label})" if found else place
    parts = [f"At {place}"]
    if found:
        parts.append(f", {found[0]}+{found[1]:#x}")
    else:
        before = symbol_before(shipped, section, section.addr + inside)
        parts.append(f", {before[1]:#x} after {before[0]} starts" if before else "")
    if section.addr:
        parts.append(f", address {section.addr + inside:#x}")
    change = "" if section.flags & SHF_EXECINSTR else _texts(shipped, rebuilt, section, run)
    summary = f"{''.join(parts)}: {change or _values(shipped, rebuilt, run)}"
    return Difference("bytes", where, summary, run.offset, run.length)


def _values(shipped: Side, rebuilt: Side, run: Run) -> str:
    one = shipped.data[run.offset : run.offset + min(run.length, _SHOWN)]
    other_length = min(run.rebuilt_length, _SHOWN)
    other = rebuilt.data[run.rebuilt_offset : run.rebuilt_offset + other_length]
    more = "…" if max(run.length, run.rebuilt_length) > _SHOWN else ""
    size = f"{run.length} bytes"
    if run.length != run.rebuilt_length:
        size += f" instead of {run.rebuilt_length}"
    return f"{size}, shipped {bytes(one).hex()}{more}, rebuilt {bytes(other).hex()}{more}."


def _texts(shipped: Side, rebuilt: Side, section: Section, run: Run) -> str:
    """Old and new text where both are text between zero bytes; else empty."""
    end = section.offset + section.length
    one = _text_around(shipped, run.offset, run.length, section.offset, end)
    start = run.rebuilt_offset - (run.offset - section.offset)
    limit = start + section.length + run.rebuilt_length - run.length
    other = _text_around(rebuilt, run.rebuilt_offset, run.rebuilt_length, start, limit)
    if not one or not other:
        return ""
    return f'text "{text(one)}" instead of "{text(other)}".'


def _text_around(side: Side, at: int, length: int, start: int, end: int) -> bytes:
    low, high = max(start, at - _TEXT), min(end, at + min(length, _TEXT) + _TEXT)
    raw = bytes(side.data[low:high])
    head = raw.rfind(b"\0", 0, at - low) + 1
    tail = raw.find(b"\0", at - low)
    found = raw[head : tail if tail >= 0 else len(raw)]
    try:
        shown = found.decode("utf-8")
    except UnicodeDecodeError:
        return b""
    plain = len(found) > 3 and all(char.isprintable() or char in "\t\n\r" for char in shown)
    return found if plain else b""


def _symbol_entry(shipped: Side, rebuilt: Side, section: Section, run: Run) -> Difference:
    fields = SYMBOL_64 if image_of(shipped).header.shape.bits == 64 else SYMBOL_32
    size = sum(width for _name, width in fields)
    index, inside = divmod(run.offset - section.offset, size)
    field = _field_at(fields, inside)
    name = ""
    key = f"entries{section.number}"
    cache = image_of(shipped).cache
    if key not in cache:
        cache[key] = symbols_of(shipped, section), strings_of(shipped, section.link)
    entries, strings = cache[key]
    if index < len(entries):
        name = string_at(strings, entries[index].name)
    where = f"{name or f'symbol {index}'} ({section.label})"
    summary = f"{field} of symbol {index}: {_values(shipped, rebuilt, run)}"
    return Difference("bytes", where, summary, run.offset, run.length)


def _field_at(fields: tuple[tuple[str, int], ...], inside: int) -> str:
    for field, width in fields:
        if inside < width:
            return field
        inside -= width
    return "?"


def _dynamic_entry(shipped: Side, rebuilt: Side, section: Section, run: Run) -> Difference:
    size = 16 if image_of(shipped).header.shape.bits == 64 else 8
    index = (run.offset - section.offset) // size
    named = []
    for side in (shipped, rebuilt):
        entries = dynamic_entries(side)
        named.append(tag_name(entries[index][0]) if index < len(entries) else "DT_NULL")
    change = named[0] if named[0] == named[1] else f"{named[0]} instead of {named[1]}"
    where = f"{named[0]} ({section.label})"
    summary = f"Entry {index}, {change}: {_values(shipped, rebuilt, run)}"
    return Difference("bytes", where, summary, run.offset, run.length)


def _relocation(shipped: Side, rebuilt: Side, section: Section, run: Run) -> Difference:
    if not section.entsize:
        return _contents(shipped, rebuilt, section, run)
    where = f"{section.label} entry {(run.offset - section.offset) // section.entsize}"
    return Difference("bytes", where, _values(shipped, rebuilt, run), run.offset, run.length)


_DESCRIBERS = {
    SHT_SYMTAB: _symbol_entry,
    SHT_DYNSYM: _symbol_entry,
    SHT_DYNAMIC: _dynamic_entry,
    SHT_REL: _relocation,
    SHT_RELA: _relocation,
}
