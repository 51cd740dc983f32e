"""Tables that a PE image's loader and runtimes read, told field by field: what they say otherwise.

The load configuration (protections, tables of Control Flow Guard), which imports are bound at
start and which when they are first called, and the header of .NET (ECMA-335, II.25.3.3).
Addresses move with what they lead to: of them only whether they are there is told.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from verifier.formats.pe import loadconfig
from verifier.formats.pe.meaning import delayed, eager
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_MOST: Final = 64  # imports of one kind
_GUARD: Final = {
    0x100: "CF_INSTRUMENTED", 0x200: "CFW_INSTRUMENTED", 0x400: "CF_FUNCTION_TABLE_PRESENT",
    0x800: "SECURITY_COOKIE_UNUSED", 0x1000: "PROTECT_DELAYLOAD_IAT",
    0x2000: "DELAYLOAD_IAT_IN_ITS_OWN_SECTION", 0x4000: "CF_EXPORT_SUPPRESSION_INFO_PRESENT",
    0x8000: "CF_ENABLE_EXPORT_SUPPRESSION", 0x10000: "CF_LONGJUMP_TABLE_PRESENT",
    0x20000: "RF_INSTRUMENTED", 0x40000: "RF_ENABLE", 0x80000: "RF_STRICT",
    0x100000: "RETPOLINE_PRESENT", 0x400000: "EH_CONTINUATION_TABLE_PRESENT",
    0x800000: "XFG_ENABLED", 0x1000000: "CASTGUARD_PRESENT", 0x2000000: "MEMCPY_PRESENT",
}  # fmt: skip
_LOAD_FLAGS: Final = {
    0x100: "SEARCH_DLL_LOAD_DIR", 0x200: "SEARCH_APPLICATION_DIR", 0x400: "SEARCH_USER_DIRS",
    0x800: "SEARCH_SYSTEM32", 0x1000: "SEARCH_DEFAULT_DIRS", 0x2000: "SAFE_CURRENT_DIRS",
}  # fmt: skip
_COUNTS: Final = {
    "SEHandlerCount": "exception handlers that SafeSEH allows",
    "GuardCFFunctionCount": "functions that may be called through a pointer",
    "GuardAddressTakenIatEntryCount": "imports that may be called through a pointer",
    "GuardLongJumpTargetCount": "places to which longjmp may lead",
    "GuardEHContinuationCount": "places at which exceptions may continue",
}
_UNTOLD: Final = frozenset({"Size", "TimeDateStamp"})  # rules speak of the stamp
_CLR: Final = (
    ("cb", 0, "I"), ("MajorRuntimeVersion", 4, "H"), ("MinorRuntimeVersion", 6, "H"),
    ("Flags", 16, "I"), ("EntryPointToken", 20, "I"),
)  # fmt: skip
_CLR_TABLES: Final = {
    24: "Resources", 32: "StrongNameSignature", 40: "CodeManagerTable", 48: "VTableFixups",
    56: "ExportAddressTableJumps", 64: "ManagedNativeHeader",
}  # fmt: skip
_CLR_FLAGS: Final = {
    1: "ILONLY", 2: "32BITREQUIRED", 4: "IL_LIBRARY", 8: "STRONGNAMESIGNED",
    0x10: "NATIVE_ENTRYPOINT", 0x10000: "TRACKDEBUGDATA", 0x20000: "32BITPREFERRED",
}  # fmt: skip
_CLR_BYTES: Final = 72


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """One difference for each field or import; where both images say alike, none."""
    yield from _configuration(shipped, rebuilt)
    yield from _binding(shipped, rebuilt)
    yield from _managed(shipped, rebuilt)


def _configuration(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    one, other = (loadconfig.values(side.data, side.layout.info) for side in (shipped, rebuilt))
    if bool(one) != bool(other):
        which = "shipped" if one else "rebuilt"
        yield _field("load-config", f"Only the {which} image has a load configuration.")
        return
    if one.get("Size") != other.get("Size"):
        sizes = f"Shipped {one.get('Size')} bytes, rebuilt {other.get('Size')}"
        yield _field("load-config.Size", f"{sizes}: linkers of other versions know other fields.")
    for name in one | other:
        mine, theirs = one.get(name, 0), other.get(name, 0)
        if name in loadconfig.ADDRESSES:
            mine, theirs = int(bool(mine)), int(bool(theirs))
        if mine != theirs and name not in _UNTOLD:
            yield _field(f"load-config.{name}", _said(name, mine, theirs))


def _said(name: str, mine: int, theirs: int) -> str:
    if name in loadconfig.ADDRESSES:
        which = "shipped" if mine else "rebuilt"
        return f"Only the {which} image has it."
    if name in _COUNTS:
        return f"Shipped {mine}, rebuilt {theirs} {_COUNTS[name]}."
    if name == "GuardFlags":
        stride = [f"{each >> 28} more bytes for each entry" for each in (mine, theirs)]
        more = f" ({stride[0]}, not {stride[1]})" if stride[0] != stride[1] else ""
        return f"Shipped {_flags(_GUARD, mine)}, rebuilt {_flags(_GUARD, theirs)}{more}."
    if name == "DependentLoadFlags":
        return f"Shipped {_flags(_LOAD_FLAGS, mine)}, rebuilt {_flags(_LOAD_FLAGS, theirs)}."
    return f"Shipped {mine:#x}, rebuilt {theirs:#x}."


def _flags(names: dict[int, str], value: int) -> str:
    shown = " ".join(name for bit, name in names.items() if value & bit)
    return f"{value:#x} ({shown or 'none'})"


def _binding(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Imports of both images that one binds at start and the other when they are called."""
    sides = [
        (set(eager(side.data, image).values()), set(delayed(side.data, image).values()))
        for side in (shipped, rebuilt)
        for image in (side.layout.info,)
    ]
    (now, later), (before, after) = sides
    for names, summary in (
        (later & before - now, "Delayed in the shipped image, bound at start in the rebuilt one."),
        (now & after - before, "Bound at start in the shipped image, delayed in the rebuilt one."),
    ):
        for name in sorted(names)[:_MOST]:
            yield Difference("delay-import-changed", name, summary)


def _managed(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    one, other = (_clr(side) for side in (shipped, rebuilt))
    if not (one and other):
        if one or other:
            which = "shipped" if one else "rebuilt"
            yield _field("clr", f"Only the {which} image is one of .NET.")
        return
    for name in one:
        if one[name] != other[name]:
            yield _field(f"clr.{name}", f"Shipped {one[name]}, rebuilt {other[name]}.")


def _clr(side: Side) -> dict[str, str]:
    """The header of .NET by field, as people read it; empty where there is none."""
    image: Image = side.layout.info
    address, size = image.directory("clr")
    at = image.offset_of(address, _CLR_BYTES) if size >= _CLR_BYTES else None
    if at is None:
        return {}
    found = {
        name: f"{struct.unpack_from('<' + code, side.data, at + inside)[0]:#x}"
        for name, inside, code in _CLR
    }
    found["Flags"] = _flags(_CLR_FLAGS, int(found["Flags"], 16))
    for inside, name in _CLR_TABLES.items():
        place, length = struct.unpack_from("<II", side.data, at + inside)
        found[name] = f"{length} bytes" if place else "none"
    return found


def _field(name: str, summary: str) -> Difference:
    return Difference("field", name, summary)
