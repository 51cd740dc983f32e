"""Protections of a PE image, one difference for each that the two images have otherwise.

PE format specification: DLL characteristics, load configuration directory,
extended DLL characteristics of the debug directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.formats.pe import loadconfig
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_DLL_FLAGS: Final = {
    0x20: "HIGHENTROPYVA (64-bit address layout)",
    0x40: "DYNAMICBASE (random base address)",
    0x80: "FORCE_INTEGRITY (signature demanded)",
    0x100: "NXCOMPAT (no execution of data)",
    0x400: "NO_SEH (no exception handlers)",
    0x1000: "APPCONTAINER",
    0x4000: "GUARD_CF (control flow guard)",
}
_GUARD_FLAGS: Final = {
    0x100: "CFG instrumentation",
    0x200: "CFG write checks",
    0x400: "CFG function table",
    0x1000: "delay-load protection",
    0x4000: "CFG export suppression",
    0x10000: "CFG long jump table",
    0x20000: "return flow guard",
    0x400000: "EH continuation table",
    0x800000: "extended flow guard",
}
_RELOCATIONS_STRIPPED: Final = 1
_LARGE_ADDRESS: Final = 0x20
_EX_CHARACTERISTICS: Final = 20
_NARROW: Final = 0x10B  # SafeSEH is of 32-bit images alone
_WRITE_AND_EXECUTE: Final = 0xA0000000


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """One difference a protection; where both images have it alike, none."""
    one, other = _table(shipped), _table(rebuilt)
    for name, mine in one.items():
        if mine != other[name]:
            values = ["yes" if value else "no" for value in (mine, other[name])]
            yield Difference("hardening", name, f"Shipped {values[0]}, rebuilt {values[1]}.")


def _table(side: Side) -> dict[str, bool]:
    image: Image = side.layout.info
    characteristics = int.from_bytes(side.data[image.nt + 22 : image.nt + 24], "little")
    flags = image.optional["DllCharacteristics"]
    configured = loadconfig.values(side.data, image)
    guard = configured.get("GuardFlags", 0)
    found = {name: bool(flags & bit) for bit, name in _DLL_FLAGS.items()}
    found |= {name: bool(guard & bit) for bit, name in _GUARD_FLAGS.items()}
    found["relocations kept"] = not characteristics & _RELOCATIONS_STRIPPED
    found["LARGE_ADDRESS_AWARE"] = bool(characteristics & _LARGE_ADDRESS)
    found["stack cookie"] = bool(configured.get("SecurityCookie"))
    found["SafeSEH"] = image.magic == _NARROW and bool(configured.get("SEHandlerTable"))
    found["CETCOMPAT (shadow stack)"] = bool(_extended(side, image) & 1)
    found["writable code"] = any(
        section.flags & _WRITE_AND_EXECUTE == _WRITE_AND_EXECUTE for section in image.sections
    )
    return found


def _extended(side: Side, image: Image) -> int:
    for entry in image.debug:
        if entry.kind == _EX_CHARACTERISTICS and entry.data.length >= 4:
            return int.from_bytes(side.data[entry.data.offset : entry.data.offset + 4], "little")
    return 0
