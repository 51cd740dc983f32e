"""Protections of an ELF image, one difference for each that only one side has, or has otherwise.

Which they are: the table of `checksec`-like tools, by the gABI, glibc's elf.h,
the x86-64 psABI (GNU_PROPERTY_X86_FEATURE_1_AND) and GCC's -fstack-protector
and _FORTIFY_SOURCE.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from verifier.formats.elf.header import PT_INTERP, PT_LOAD, SHT_DYNSYM, SHT_STRTAB, SHT_SYMTAB
from verifier.formats.elf.symbols import (
    dynamic_entries,
    dynamic_symbols,
    image_of,
    strings_of,
    table,
)
from verifier.model import Difference
from verifier.semantic.parts import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.elf.image import Image

_GNU_STACK: Final = 0x6474E551
_GNU_RELRO: Final = 0x6474E552
_PROPERTY: Final = (b"GNU\0", 5)  # NT_GNU_PROPERTY_TYPE_0
_KINDS: Final = {1: "relocatable object", 2: "program at a fixed address", 4: "core dump"}
_TEXTREL, _BIND_NOW, _FLAGS, _FLAGS_1 = 22, 24, 30, 0x6FFFFFFB
_PROPERTIES: Final = (
    (0xC0000002, 1, "IBT (indirect branch tracking)"),
    (0xC0000002, 2, "SHSTK (shadow stack)"),
    (0xC0000000, 1, "BTI (branch target identification)"),
    (0xC0000000, 2, "PAC (pointer authentication)"),
)
_ARM64: Final = 183
_PROPERTIES_MOST = 64
_CHECKED = b"_chk"
_SHOWN = 6


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """One difference a protection; where both sides have it alike, none."""
    one, other = _table(shipped), _table(rebuilt)
    kinds = {each.kind for pair in changed(shipped, rebuilt) for each in pair if each}
    if kinds & {SHT_STRTAB, SHT_SYMTAB, SHT_DYNSYM}:
        for side, found in ((shipped, one), (rebuilt, other)):
            found["stack protector"] = "yes" if _has(side, b"__stack_chk_fail") else "no"
        yield from _fortified(shipped, rebuilt)
    for name in one.keys() | other.keys():
        mine, theirs = one.get(name, "no"), other.get(name, "no")
        if mine != theirs:
            yield Difference("hardening", name, f"Shipped {mine}, rebuilt {theirs}.")


def _table(side: Side) -> dict[str, str]:
    image = image_of(side)
    dynamic = {tag: value for tag, value, _text in dynamic_entries(side)}
    now = _BIND_NOW in dynamic or dynamic.get(_FLAGS, 0) & 8 or dynamic.get(_FLAGS_1, 0) & 1
    return {
        "NX stack": _stack(image),
        "RELRO": _relro(image, bool(now)),
        "immediate binding": "yes" if now else "no",
        "PIE": _placement(image, dynamic.get(_FLAGS_1, 0)),
        "text relocations": "yes" if _TEXTREL in dynamic or dynamic.get(_FLAGS, 0) & 4 else "no",
        "writable code": _writable_code(image),
        **_properties(side),
    }


def _stack(image: Image) -> str:
    if not image.segments:
        return "not said"
    flags = next((item.flags for item in image.segments if item.type == _GNU_STACK), None)
    if flags is None:
        return "not said, so that the stack may be executable"
    return "no: the stack is executable" if flags & 1 else "yes"


def _relro(image: Image, now: bool) -> str:
    if not any(item.type == _GNU_RELRO for item in image.segments):
        return "none"
    return "full" if now else "partial"


def _placement(image: Image, flags: int) -> str:
    if image.header.type != 3:
        return f"no: {_KINDS.get(image.header.type, 'unknown type')}"
    program = flags & 0x08000000 or any(item.type == PT_INTERP for item in image.segments)
    return "yes" if program else "shared library"


def _writable_code(image: Image) -> str:
    wrong = [item for item in image.segments if item.type == PT_LOAD and item.flags & 3 == 3]
    return "yes" if wrong else "no"


def _properties(side: Side) -> dict[str, str]:
    """What the linker found all objects to support (x86: CET; AArch64: BTI and PAC)."""
    image = image_of(side)
    values: dict[int, int] = {}
    for note in image.notes:
        if (note.owner, note.type) == _PROPERTY:
            raw = bytes(side.data[note.desc_offset : note.desc_offset + note.desc_size])
            values.update(_pairs(raw, image.header.shape.order, image.header.shape.bits // 8))
    arm = image.header.machine == _ARM64
    return {
        name: "yes" if values.get(kind, 0) & bit else "no"
        for kind, bit, name in _PROPERTIES
        if arm == (kind == 0xC0000000)
    }


def _pairs(raw: bytes, order: str, align: int) -> Iterator[tuple[int, int]]:
    at = 0
    for _ in range(_PROPERTIES_MOST):
        if at + 8 > len(raw):
            return
        kind, size = struct.unpack_from(f"{order}II", raw, at)
        if size == 4 and at + 12 <= len(raw):
            yield kind, struct.unpack_from(f"{order}I", raw, at + 8)[0]
        at += 8 + -(-size // align) * align


def _has(side: Side, name: bytes) -> bool:
    """Whether a symbol table names that function."""
    imported, exported = dynamic_symbols(side)
    if name in imported or name in exported:
        return True
    section = table(side, SHT_SYMTAB)
    return section is not None and b"\0" + name + b"\0" in strings_of(side, section.link)


def _fortified(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """_FORTIFY_SOURCE: calls of functions that check the size of their target."""
    one, other = (
        {name.decode("ascii", "replace") for name in dynamic_symbols(side)[0] if _checked(name)}
        for side in (shipped, rebuilt)
    )
    if one != other:
        counts = f"Shipped calls {len(one)} checked functions, rebuilt {len(other)}"
        changes = [f"with {name}" for name in sorted(one - other)]
        changes += [f"without {name}" for name in sorted(other - one)]
        shown = ", ".join(changes[:_SHOWN])
        yield Difference("hardening", "FORTIFY", f"{counts} (shipped {shown}).")


def _checked(name: bytes) -> bool:
    return name.startswith(b"__") and name.endswith(_CHECKED)
