"""Structures inside sections that have fields of their own: debug, exports, resources, imports."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.formats.base import text
from verifier.formats.pe.headers import Debug, Table, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image


class Piece(NamedTuple):
    """A span to be: name, place, rule field (empty: the name), what it contains."""

    name: str
    offset: int
    length: int
    field: str = ""
    member: str = ""
    codec: str = ""


DEBUG: Final = table(
    "Characteristics:4 TimeDateStamp:4 MajorVersion:2 MinorVersion:2 Type:4 SizeOfData:4 "
    "AddressOfRawData:4 PointerToRawData:4"
)
EXPORT: Final = table("Characteristics:4 TimeDateStamp:4 MajorVersion:2 MinorVersion:2 Name:4")
DELAY: Final = table(
    "Attributes:4 DllNameRVA:4 ModuleHandleRVA:4 ImportAddressTableRVA:4 ImportNameTableRVA:4 "
    "BoundImportAddressTableRVA:4 UnloadInformationTableRVA:4 TimeDateStamp:4"
)
DEBUG_KINDS: Final = {
    1: "coff", 2: "codeview", 3: "fpo", 4: "misc", 5: "exception", 6: "fixup", 7: "omap-to",
    8: "omap-from", 9: "borland", 11: "clsid", 12: "vc-feature", 13: "pogo", 14: "iltcg",
    15: "mpx", 16: "repro", 17: "embedded-pdb", 18: "spgo", 19: "pdb-checksum",
    20: "ex-dll-characteristics",
}  # fmt: skip
CODEVIEW: Final = 2
DATABASE: Final = b"RMDX"  # a resource that begins so is a file of its own: signatures of Defender
REPRO: Final = 16
RESOURCE_KINDS: Final = {
    1: "cursor", 2: "bitmap", 3: "icon", 4: "menu", 5: "dialog", 6: "string", 7: "font-directory",
    8: "font", 9: "accelerator", 10: "data", 11: "message-table", 12: "cursor-group",
    14: "icon-group", 16: "version", 23: "html", 24: "manifest",
}  # fmt: skip
_DEBUG_MOST = 64
_DELAY_MOST = 4096
_RESOURCES_MOST = 20_000
_RESOURCE_DEPTH = 8


def structures(data: Buffer, image: Image) -> tuple[tuple[Debug, ...], list[list[Piece]]]:
    """The debug entries, and each structure's pieces; those that are not whole are left out."""
    debug, found = _debug(data, image)
    found.append(_export(image))
    found.append(_load_config(image))
    found.extend(_delay(data, image))
    found.extend(_resources(data, image))
    found.append(_bound(image))
    return debug, found


def _fields(prefix: str, kind: str, at: int, declared: tuple[tuple[str, int], ...]) -> list[Piece]:
    result = []
    for name, size in declared:
        result.append(Piece(f"{prefix}.{name}", at, size, f"{kind}.{name}"))
        at += size
    return result


def _debug(data: Buffer, image: Image) -> tuple[tuple[Debug, ...], list[list[Piece]]]:
    address, size = image.directory("debug")
    at = image.offset_of(address, size) if size else None
    if at is None or size % 28 or size > 28 * _DEBUG_MOST:
        return (), []
    entries: list[Debug] = []
    found: list[list[Piece]] = [[]]
    labels: dict[str, int] = {}
    for place in range(at, at + size, 28):
        _, stamp, _, kind, length, rva, offset = struct.unpack_from("<IIIIIII", data, place)
        label = DEBUG_KINDS.get(kind, f"type-{kind}")
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:
            label = f"{label}-{labels[label]}"
        agreed = not rva or image.offset_of(rva, length) == offset
        where = Table(offset, length) if agreed and offset + length <= len(data) else Table(0, 0)
        entries.append(Debug(label, kind, stamp, where))
        found[0].extend(_fields(f"debug[{label}]", "debug", place, DEBUG))
        found.append(_debug_data(data, entries[-1]))
    return tuple(entries), found


def _debug_data(data: Buffer, entry: Debug) -> list[Piece]:
    """The pieces of what a debug entry points at. CodeView: RSDS, GUID, age, path, rest."""
    at, length = entry.data
    if not length:
        return []
    if entry.kind == CODEVIEW and length > 24 and bytes(data[at : at + 4]) == b"RSDS":
        name = entry.label
        path = bytes(data[at + 24 : at + length]).find(b"\0")
        if path >= 0:
            return [
                Piece(f"{name}.Signature", at, 4, "codeview.Signature"),
                Piece(f"{name}.GUID", at + 4, 16, "codeview.GUID"),
                Piece(f"{name}.Age", at + 20, 4, "codeview.Age"),
                Piece(f"{name}.Path", at + 24, path, "codeview.Path"),
                Piece(f"{name}.PathEnd", at + 24 + path, length - 24 - path, "codeview.PathEnd"),
            ]
    if entry.kind == REPRO and length > 4:
        size = int.from_bytes(data[at : at + 4], "little")
        if size == length - 4:
            return [
                Piece(f"{entry.label}.Length", at, 4, "repro.Length"),
                Piece(f"{entry.label}.Hash", at + 4, size, "repro.Hash"),
            ]
    return [Piece(f"debug[{entry.label}].data", at, length, "debug.data")]


def _export(image: Image) -> list[Piece]:
    address, size = image.directory("export")
    at = image.offset_of(address, 40) if size >= 40 else None
    return [] if at is None else _fields("export", "export", at, EXPORT)


def _load_config(image: Image) -> list[Piece]:
    address, size = image.directory("load-config")
    at = image.offset_of(address, 8) if size >= 8 else None
    return [] if at is None else [Piece("load-config.TimeDateStamp", at + 4, 4)]


def _bound(image: Image) -> list[Piece]:
    address, size = image.directory("bound-import")
    at = image.offset_of(address, size) if size else None
    return [] if at is None else [Piece("bound-imports", at, size)]


def _delay(data: Buffer, image: Image) -> Iterator[list[Piece]]:
    address, size = image.directory("delay-import")
    seen: set[str] = set()
    for index in range(min(size // 32, _DELAY_MOST)):
        at = image.offset_of(address + 32 * index, 32)
        if at is None or not any(data[at : at + 32]):
            return
        name = string_at(data, image, int.from_bytes(data[at + 4 : at + 8], "little"))
        label = name if name and name not in seen else f"{name}#{index}"
        seen.add(label)
        yield _fields(f"delay-import[{label}]", "delay-import", at, DELAY)


def _resources(data: Buffer, image: Image) -> Iterator[list[Piece]]:
    for label, at in resource_directories(data, image):
        yield [Piece(f"resource[{label}].TimeDateStamp", at + 4, 4, "resource.TimeDateStamp")]
    for label, (address, size) in resource_leaves(data, image).items():
        place = image.offset_of(address, size) if size > len(DATABASE) else None
        if place is not None and bytes(data[place : place + len(DATABASE)]) == DATABASE:
            name = f"resource[{label}].database"
            yield [Piece(name, place, size, "resource.database", f"resource/{label}", "stored")]


def resource_directories(data: Buffer, image: Image) -> list[tuple[str, int]]:
    """(path such as `version/1`, file offset) of each resource directory; the root is `/`.

    Loops, over-deep trees and directories outside the content end the walk there.
    """
    found = image.cache.get("resources")
    if found is None:
        found = image.cache["resources"] = _walk(data, image)
    directories: list[tuple[str, int]] = found[0]
    return directories


def resource_leaves(data: Buffer, image: Image) -> dict[str, tuple[int, int]]:
    """Address and size of each resource by its path `type/name/language`."""
    resource_directories(data, image)
    leaves: dict[str, tuple[int, int]] = image.cache["resources"][1]
    return leaves


def _walk(data: Buffer, image: Image) -> tuple[list[tuple[str, int]], dict[str, tuple[int, int]]]:
    address, size = image.directory("resource")
    directories: list[tuple[str, int]] = []
    leaves: dict[str, tuple[int, int]] = {}
    pending = [("/", 0, 0)] if size else []
    visited: set[int] = set()
    names: set[str] = set()
    entries = 0
    while pending and len(directories) < _RESOURCES_MOST and entries < _RESOURCES_MOST:
        path, relative, depth = pending.pop()
        at = image.offset_of(address + relative, 16)
        if at is None or relative in visited or path in names or depth > _RESOURCE_DEPTH:
            continue
        visited.add(relative)
        names.add(path)
        directories.append((path, at))
        named, numbered = struct.unpack_from("<HH", data, at + 12)
        for index in range(named + numbered):
            entries += 1
            place = image.offset_of(address + relative + 16 + 8 * index, 8)
            if place is None or entries > _RESOURCES_MOST:
                break
            name, target = struct.unpack_from("<II", data, place)
            label = _resource_name(data, image, address, name, depth)
            below = label if path == "/" else f"{path}/{label}"
            if target >> 31:
                pending.append((below, target & 0x7FFFFFFF, depth + 1))
            elif (leaf := image.offset_of(address + target, 16)) is not None:
                leaves[below] = struct.unpack_from("<II", data, leaf)
    return directories, leaves


def _resource_name(data: Buffer, image: Image, base: int, name: int, depth: int) -> str:
    if not name >> 31:
        return RESOURCE_KINDS.get(name, str(name)) if depth == 0 else str(name)
    at = image.offset_of(base + (name & 0x7FFFFFFF), 2)
    if at is None:
        return f"?{name:x}"
    raw = bytes(data[at + 2 : at + 2 + 2 * min(int.from_bytes(data[at : at + 2], "little"), 128)])
    return text(raw.decode("utf-16-le", "replace").encode())


def string_at(data: Buffer, image: Image, address: int, cap: int = 512) -> str:
    """The NUL-terminated text at a relative virtual address; empty where there is none."""
    at = image.offset_of(address) if address else None
    return "" if at is None else text(bytes(data[at : at + cap]).split(b"\0", 1)[0])
