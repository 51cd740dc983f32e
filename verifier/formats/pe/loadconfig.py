"""The load configuration directory: what the linker tells the loader of a program's protections.

Source: PE format specification, "The load configuration structure"; winnt.h of the Windows SDK,
IMAGE_LOAD_CONFIG_DIRECTORY32 and IMAGE_LOAD_CONFIG_DIRECTORY64. `p` is an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image

_HEAD: Final = "Size:4 TimeDateStamp:4 MajorVersion:2 MinorVersion:2 GlobalFlagsClear:4"
_HEAD2: Final = "GlobalFlagsSet:4 CriticalSectionDefaultTimeout:4"
_FREE: Final = "DeCommitFreeBlockThreshold:p DeCommitTotalFreeThreshold:p LockPrefixTable:p"
_HEAP32: Final = "MaximumAllocationSize:p VirtualMemoryThreshold:p ProcessHeapFlags:4"
_AFFINITY32: Final = "ProcessAffinityMask:p CSDVersion:2 DependentLoadFlags:2 EditList:p"
_HEAP64: Final = "MaximumAllocationSize:p VirtualMemoryThreshold:p ProcessAffinityMask:p"
_FLAGS64: Final = "ProcessHeapFlags:4 CSDVersion:2 DependentLoadFlags:2 EditList:p"
_REST: Final = (
    "SecurityCookie:p SEHandlerTable:p SEHandlerCount:p GuardCFCheckFunctionPointer:p "
    "GuardCFDispatchFunctionPointer:p GuardCFFunctionTable:p GuardCFFunctionCount:p GuardFlags:4 "
    "CodeIntegrity.Flags:2 CodeIntegrity.Catalog:2 CodeIntegrity.CatalogOffset:4 "
    "CodeIntegrity.Reserved:4 GuardAddressTakenIatEntryTable:p GuardAddressTakenIatEntryCount:p "
    "GuardLongJumpTargetTable:p GuardLongJumpTargetCount:p DynamicValueRelocTable:p "
    "CHPEMetadataPointer:p GuardRFFailureRoutine:p GuardRFFailureRoutineFunctionPointer:p "
    "DynamicValueRelocTableOffset:4 DynamicValueRelocTableSection:2 Reserved2:2 "
    "GuardRFVerifyStackPointerFunctionPointer:p HotPatchTableOffset:4 Reserved3:4 "
    "EnclaveConfigurationPointer:p VolatileMetadataPointer:p GuardEHContinuationTable:p "
    "GuardEHContinuationCount:p GuardXFGCheckFunctionPointer:p GuardXFGDispatchFunctionPointer:p "
    "GuardXFGTableDispatchFunctionPointer:p CastGuardOsDeterminedFailureMode:p "
    "GuardMemcpyFunctionPointer:p"
)
_WIDE: Final = 0x20B
_MOST: Final = 4_096  # bytes of a structure that is read
ADDRESSES: Final = frozenset(
    {
        "LockPrefixTable",
        "EditList",
        "SecurityCookie",
        "SEHandlerTable",
        "GuardCFCheckFunctionPointer",
        "GuardCFDispatchFunctionPointer",
        "GuardCFFunctionTable",
        "GuardAddressTakenIatEntryTable",
        "GuardLongJumpTargetTable",
        "DynamicValueRelocTable",
        "CHPEMetadataPointer",
        "GuardRFFailureRoutine",
        "GuardRFFailureRoutineFunctionPointer",
        "GuardRFVerifyStackPointerFunctionPointer",
        "EnclaveConfigurationPointer",
        "VolatileMetadataPointer",
        "GuardEHContinuationTable",
        "GuardXFGCheckFunctionPointer",
        "GuardXFGDispatchFunctionPointer",
        "GuardXFGTableDispatchFunctionPointer",
        "CastGuardOsDeterminedFailureMode",
        "GuardMemcpyFunctionPointer",
        "DynamicValueRelocTableOffset",
    }
)  # places, which move with what they lead to
CALLED: Final = {
    "SecurityCookie": "__security_cookie",
    "GuardCFCheckFunctionPointer": "__guard_check_icall_fptr",
    "GuardCFDispatchFunctionPointer": "__guard_dispatch_icall_fptr",
    "GuardXFGCheckFunctionPointer": "__guard_xfg_check_icall_fptr",
    "GuardXFGDispatchFunctionPointer": "__guard_xfg_dispatch_icall_fptr",
    "GuardXFGTableDispatchFunctionPointer": "__guard_xfg_table_dispatch_icall_fptr",
    "CastGuardOsDeterminedFailureMode": "__castguard_check_failure_os_handled_fptr",
    "GuardMemcpyFunctionPointer": "__guard_memcpy_fptr",
}
"""What Microsoft's runtime calls the variables that these fields lead to."""


class Field(NamedTuple):
    """One field: its name, where it stands in the file, its size and its value."""

    name: str
    offset: int
    size: int
    value: int


def fields(data: Buffer, image: Image) -> tuple[Field, ...]:
    """The fields as far as the structure's own size reaches and the file holds them."""
    found = image.cache.get("load-config")
    if found is None:
        found = image.cache["load-config"] = tuple(_read(data, image))
    result: tuple[Field, ...] = found
    return result


def values(data: Buffer, image: Image) -> dict[str, int]:
    """Value by name; what is not there is left out."""
    return {each.name: each.value for each in fields(data, image)}


def _read(data: Buffer, image: Image) -> list[Field]:
    address, _size = image.directory("load-config")
    at = image.offset_of(address, 4) if address else None
    if at is None:
        return []
    declared = min(int.from_bytes(data[at : at + 4], "little"), _MOST)
    wide = image.magic == _WIDE
    middle = f"{_HEAP64} {_FLAGS64}" if wide else f"{_HEAP32} {_AFFINITY32}"
    result: list[Field] = []
    inside = 0
    for item in f"{_HEAD} {_HEAD2} {_FREE} {middle} {_REST}".split():
        name, _, kind = item.partition(":")
        size = (8 if wide else 4) if kind == "p" else int(kind)
        place = image.offset_of(address + inside, size)
        if inside + size > declared or place is None:
            break
        result.append(
            Field(name, place, size, int.from_bytes(data[place : place + size], "little"))
        )
        inside += size
    return result
