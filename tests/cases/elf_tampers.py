"""Changes that a verdict must not hide: name, the change, and what a difference must name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.cases.elf_build import MAGIC, MARKER
from verifier.formats import elf

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.formats.elf.header import Section
    from verifier.model import Span

    Tamper = Callable[[bytes], bytes]


def _span(data: bytes, name: str) -> Span:
    return next(item for item in elf.FORMAT.layout(memoryview(data)).spans if item.name == name)


def _start(data: bytes, name: str) -> int:
    """Where a span starts; that of a section which overlaps another is not cut."""
    layout = elf.FORMAT.layout(memoryview(data))
    found = next((item.offset for item in layout.spans if item.name == name), None)
    if found is None:
        found = layout.info.section(name[len("section[") : -1]).offset
    return int(found)


def _length(data: bytes, name: str) -> int:
    return _span(data, name).length


def _section(data: bytes, label: str) -> Section:
    found = elf.FORMAT.layout(memoryview(data)).info.section(label)
    assert found is not None
    return found


def put(data: bytes, offset: int, value: bytes) -> bytes:
    """`data` with `value` at `offset`; never the same bytes."""
    result = data[:offset] + value + data[offset + len(value) :]
    assert result != data
    return result


def poke(name: str, value: bytes, at: int = 0) -> Tamper:
    """Overwrite bytes of a span."""
    return lambda data: put(data, _start(data, name) + at, value)


def flip(name: str, at: int = 0) -> Tamper:
    """Invert one byte of a span; negative `at` counts from its end."""

    def change(data: bytes) -> bytes:
        offset = _start(data, name) + at + (_length(data, name) if at < 0 else 0)
        return put(data, offset, bytes([data[offset] ^ 0xFF]))

    return change


def _segment(data: bytes, kind: int, flags: int = 0) -> int:
    image = elf.FORMAT.layout(memoryview(data)).info
    return next(
        item.number for item in image.segments if item.type == kind and item.flags & flags == flags
    )


def page_tail(data: bytes) -> bytes:
    """A marker right after the code, in the page that is mapped executable."""
    image = elf.FORMAT.layout(memoryview(data)).info
    code = image.segments[_segment(data, 1, 1)]
    at = code.offset + code.filesz
    assert data[at : at + 64] == bytes(64)
    return put(data, at + 16, MARKER)


def note_to_load(data: bytes) -> bytes:
    """The old virus trick: a note segment becomes a loaded one."""
    return poke(f"segment[{_segment(data, 4)}].p_type", b"\x01\0\0\0")(data)


def other_paddr(data: bytes) -> bytes:
    """A physical address that no loader reads here."""
    return flip(f"segment[{_segment(data, 1)}].p_paddr")(data)


def debug_to_runpath(data: bytes) -> bytes:
    """DT_DEBUG becomes DT_RUNPATH: the loader's search path changes."""
    section = _section(data, ".dynamic")
    for at in range(section.offset, section.offset + section.size, 16):
        if struct.unpack_from("<Q", data, at)[0] == 21:
            return put(data, at, struct.pack("<Q", 29))
    raise AssertionError("no DT_DEBUG")


def text_moved(data: bytes) -> bytes:
    """The section header of .text points elsewhere than what is loaded."""
    span = _span(data, "section[.text].sh_offset")
    value = struct.unpack_from("<Q", data, span.offset)[0]
    return put(data, span.offset, struct.pack("<Q", value + 16))


def bloom_zeroed(data: bytes) -> bytes:
    """The bloom filter of .gnu.hash, which lets every look-up fail."""
    section = _section(data, ".gnu.hash")
    words = struct.unpack_from("<IIII", data, section.offset)[2]
    return put(data, section.offset + 16, bytes(8 * words))


def symbol_value(data: bytes) -> bytes:
    """The value of the last dynamic symbol."""
    section = _section(data, ".dynsym")
    return put(data, section.offset + section.size - 16, b"\x77")


def link_elsewhere(data: bytes) -> bytes:
    """The debug link names another file of the same length."""
    span = _span(data, "section[.gnu_debuglink].name")
    return put(data, span.offset, b"/tmp/".ljust(span.length - 6, b"x") + b".debug")


def with_overlay(data: bytes) -> bytes:
    """Bytes after the last header."""
    return data + MARKER * 100


def build_id(data: bytes) -> bytes:
    """Another build-id and the debug link that follows from it: what a rule settles."""
    span = _span(data, "section[.note.gnu.build-id].desc")
    data = put(data, span.offset, b"\xcc" * span.length)
    name = _span(data, "section[.gnu_debuglink].name")
    return put(data, name.offset, b"cc" * 19 + b".debug")


# On the 64-bit little-endian program of `elf_build.built`.
TAMPERS: dict[str, tuple[Tamper, str]] = {
    "PT_NOTE to PT_LOAD": (note_to_load, ".p_type"),
    "marker in the executable page tail": (page_tail, "gap[after .fini]"),
    "overlay": (with_overlay, "overlay"),
    "debug link to another path": (link_elsewhere, "section[.gnu_debuglink].name"),
    "debug link padding": (poke("section[.gnu_debuglink].padding", b"\1"), ".padding"),
    "EI_OSABI": (flip("ident.EI_OSABI"), "ident.EI_OSABI"),
    "EI_ABIVERSION": (flip("ident.EI_ABIVERSION"), "ident.EI_ABIVERSION"),
    **{
        f"e_ident[{index}]": (flip("ident.EI_PAD", index - 9), "ident.EI_PAD")
        for index in range(9, 16)
    },
    "p_paddr": (other_paddr, ".p_paddr"),
    "e_flags": (flip("header.e_flags"), "header.e_flags"),
    "DT_DEBUG to DT_RUNPATH": (debug_to_runpath, "DT_RUNPATH"),
    "sh_offset of .text": (text_moved, "section[.text].sh_offset"),
    "bloom filter": (bloom_zeroed, ".gnu.hash"),
    "symbol value": (symbol_value, "(.dynsym)"),
    "code": (flip("section[.text]", 40), ".text"),
    "constant": (flip("section[.rodata]", 8), ".rodata"),
    "interpreter": (poke("section[.interp]", b"/tmp"), ".interp"),
    "comment": (flip("section[.comment]"), ".comment"),
    "build-id type": (flip("section[.note.gnu.build-id].type"), ".note.gnu.build-id].type"),
    "stack flags": (
        lambda data: flip(f"segment[{_segment(data, 0x6474E551)}].p_flags")(data),
        ".p_flags",
    ),
}


def _trailer(back: int, value: bytes) -> Tamper:
    """Overwrite bytes of struct module_signature, `back` bytes from its start."""

    def change(data: bytes) -> bytes:
        return put(data, len(data) - len(MAGIC) - 12 + back, value)

    return change


def _signature_byte(data: bytes) -> bytes:
    """The last byte of the signature value."""
    at = len(data) - len(MAGIC) - 13
    return put(data, at, bytes([data[at] ^ 1]))


# On a signed kernel module.
MODULE_TAMPERS: dict[str, tuple[Tamper, str]] = {
    "algo": (_trailer(0, b"\1"), "signature[trailer].algo"),
    "hash": (_trailer(1, b"\4"), "signature[trailer].hash"),
    "id_type": (_trailer(2, b"\1"), "signature[trailer].id_type"),
    "signer_len": (_trailer(3, b"\1"), "signature[trailer].signer_len"),
    "key_id_len": (_trailer(4, b"\1"), "signature[trailer].key_id_len"),
    "pad": (_trailer(7, b"\1"), "signature[trailer].pad"),
    "two trailers": (lambda data: data + data[-_total(data) :], "kmod"),
    "bytes after the trailer": (lambda data: data + MARKER, "overlay"),
    "trailer removed": (lambda data: data[: -_total(data)], "signature"),
    "DER tail": (lambda data: _with_tail(data), "signature"),  # noqa: PLW0108 - defined below
    "code": (flip("section[.modinfo]", 10), ".modinfo"),
}


def _total(data: bytes) -> int:
    at = len(data) - len(MAGIC) - 4
    return len(MAGIC) + 12 + int.from_bytes(data[at : at + 4], "big")


def _with_tail(data: bytes) -> bytes:
    """Bytes between the CMS and the struct, with sig_len made to cover them."""
    at = len(data) - len(MAGIC) - 12
    length = int.from_bytes(data[at + 8 : at + 12], "big") + len(MARKER)
    return data[:at] + MARKER + data[at : at + 8] + length.to_bytes(4, "big") + MAGIC
