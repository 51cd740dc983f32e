"""The headers of a PE image, by the PE format specification: field sizes and the parsed view."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats.base import text, unpack

if TYPE_CHECKING:
    from verifier.content import Buffer

Fields = tuple[tuple[str, int], ...]


def table(declared: str) -> Fields:
    """`name:size name:size …` as pairs."""
    return tuple((name, int(size)) for name, size in (item.split(":") for item in declared.split()))


DOS: Final = table(
    "e_magic:2 e_cblp:2 e_cp:2 e_crlc:2 e_cparhdr:2 e_minalloc:2 e_maxalloc:2 e_ss:2 e_sp:2 "
    "e_csum:2 e_ip:2 e_cs:2 e_lfarlc:2 e_ovno:2 e_res:8 e_oemid:2 e_oeminfo:2 e_res2:20 e_lfanew:4"
)
COFF: Final = table(
    "Machine:2 NumberOfSections:2 TimeDateStamp:4 PointerToSymbolTable:4 NumberOfSymbols:4 "
    "SizeOfOptionalHeader:2 Characteristics:2"
)
_HEAD = (
    "Magic:2 MajorLinkerVersion:1 MinorLinkerVersion:1 SizeOfCode:4 SizeOfInitializedData:4 "
    "SizeOfUninitializedData:4 AddressOfEntryPoint:4 BaseOfCode:4 "
)
_MIDDLE = (
    "SectionAlignment:4 FileAlignment:4 MajorOperatingSystemVersion:2 "
    "MinorOperatingSystemVersion:2 MajorImageVersion:2 MinorImageVersion:2 "
    "MajorSubsystemVersion:2 MinorSubsystemVersion:2 Win32VersionValue:4 SizeOfImage:4 "
    "SizeOfHeaders:4 CheckSum:4 Subsystem:2 DllCharacteristics:2 "
)
_STACK = "SizeOfStackReserve:{0} SizeOfStackCommit:{0} SizeOfHeapReserve:{0} SizeOfHeapCommit:{0} "
_END = "LoaderFlags:4 NumberOfRvaAndSizes:4"
OPTIONAL: Final = {
    0x10B: table(_HEAD + "BaseOfData:4 ImageBase:4 " + _MIDDLE + _STACK.format(4) + _END),
    0x20B: table(_HEAD + "ImageBase:8 " + _MIDDLE + _STACK.format(8) + _END),
}
SECTION: Final = table(
    "Name:8 VirtualSize:4 VirtualAddress:4 SizeOfRawData:4 PointerToRawData:4 "
    "PointerToRelocations:4 PointerToLinenumbers:4 NumberOfRelocations:2 "
    "NumberOfLinenumbers:2 Characteristics:4"
)
DIRECTORIES: Final = (
    "export", "import", "resource", "exception", "security", "relocation", "debug", "architecture",
    "global-pointer", "tls", "load-config", "bound-import", "import-address-table", "delay-import",
    "clr", "reserved",
)  # fmt: skip
_CODES = {0x10B: "<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII", 0x20B: "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII"}
_SYMBOL = 18  # bytes of one COFF symbol
EXECUTABLE: Final = 0x20000000
DIRECTORY: Final = {name: index for index, name in enumerate(DIRECTORIES)}


class Section(NamedTuple):
    """One section header; `label` is unique in its image. Sizes and places in bytes."""

    label: str
    virtual_size: int
    address: int
    raw_size: int
    pointer: int
    flags: int

    @property
    def stored(self) -> int:
        """Bytes in the file."""
        return self.raw_size if self.pointer else 0

    @property
    def content(self) -> int:
        """Stored bytes that the loader maps as the section's own; the rest is slack."""
        return min(self.stored, self.virtual_size) if self.virtual_size else self.stored

    @property
    def executable(self) -> bool:
        """Whether its pages may run."""
        return bool(self.flags & EXECUTABLE)


class Table(NamedTuple):
    """A piece of the file."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """First offset after it."""
        return self.offset + self.length


class Debug(NamedTuple):
    """One debug directory entry: its label, kind, stamp, and the data it points at."""

    label: str
    kind: int
    stamp: int
    data: Table


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """What checks and descriptions know of one image. Offsets are file offsets.

    `certificates` is the attribute certificate table, None without a usable one;
    `certificates_fault` says why the security directory is of no use. `tiled`
    is empty where sections follow each other without a gap from the end of the
    headers on, so that the Authenticode hash is that of the flat file; else why not.
    """

    nt: int
    machine: int
    magic: int
    optional: dict[str, int]
    stamp: int
    directories: tuple[tuple[int, int], ...]
    sections: tuple[Section, ...]
    table_end: int
    symbols: Table | None
    strings: Table | None
    certificates: Table | None
    certificates_fault: str
    content_end: int
    tiled: str
    debug: tuple[Debug, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def checksum_at(self) -> int:
        """Offset of CheckSum."""
        return self.nt + 24 + 64

    @property
    def security_at(self) -> int | None:
        """Offset of the security directory's entry; None where there is none."""
        if len(self.directories) <= DIRECTORY["security"]:
            return None
        return self.nt + 24 + (96 if self.magic == 0x10B else 112) + 8 * DIRECTORY["security"]

    def directory(self, name: str) -> tuple[int, int]:
        """(address, size) of a data directory; zeros where it is absent."""
        index = DIRECTORY[name]
        return self.directories[index] if index < len(self.directories) else (0, 0)

    def section_at(self, address: int) -> Section | None:
        """The section that holds a relative virtual address."""
        ordered = self.cache.get("ordered")
        if ordered is None:
            found = sorted(self.sections, key=lambda section: section.address)
            ordered = self.cache["ordered"] = ([section.address for section in found], found)
        index = bisect_right(ordered[0], address) - 1
        if index < 0:
            return None
        section: Section = ordered[1][index]
        inside = address - section.address < max(section.virtual_size, section.stored)
        return section if inside else None

    def section_of(self, offset: int) -> Section:
        """The section that has a place of the file; there must be one."""
        ordered = self.cache.get("stored")
        if ordered is None:
            found = sorted((each.pointer, each) for each in self.sections if each.stored)
            ordered = self.cache["stored"] = found
        section: Section = ordered[bisect_right(ordered, (offset + 1,)) - 1][1]
        return section

    def offset_of(self, address: int, length: int = 1) -> int | None:
        """Where `length` bytes at a relative virtual address stand in the file; None if not there.

        Section slack counts as not there: the loader does not promise it.
        """
        section = self.section_at(address)
        if section is None:
            end = self.optional["SizeOfHeaders"]
            inside_headers = address > 0 and address + length <= min(end, self.content_end)
            return address if inside_headers else None
        inside = address - section.address
        return section.pointer + inside if inside + length <= section.content else None


def parse(data: Buffer) -> Image:
    """All headers of an image.

    Raises:
        ParseError: a header is cut short, contradicts another, or is of an unknown kind.
    """
    nt = unpack("<I", data, 0x3C, "the DOS header")[0]
    if nt < 0x40 or nt % 4:
        raise ParseError("e_lfanew leads into the DOS header or to an unaligned place", 0x3C)
    (machine, count, stamp, symbols, symbol_count, optional_size, _) = unpack(
        "<HHIIIHH", data, nt + 4, "the COFF header"
    )
    magic = unpack("<H", data, nt + 24, "the optional header")[0]
    if magic not in OPTIONAL:
        raise ParseError(f"The optional header has the unknown magic {magic:#x}", nt + 24)
    names = [name for name, _size in OPTIONAL[magic]]
    values = unpack(_CODES[magic], data, nt + 24, "the optional header")
    optional = dict(zip(names, values, strict=True))
    directories = _directories(data, nt, magic, optional_size, optional["NumberOfRvaAndSizes"])
    at = nt + 24 + optional_size
    table_end = at + 40 * count
    if table_end > len(data) or count > limits.SECTIONS:
        raise ParseError("The section table reaches beyond the file's end", at)
    strings = _strings(data, symbols, symbol_count)
    sections = _sections(data, at, count, strings)
    last = max([table_end, *(section.pointer + section.stored for section in sections)])
    certificates, fault = _certificates(data, directories, last)
    content_end = certificates.offset if certificates else len(data)
    fits = strings is not None and symbols >= last and strings.end <= content_end
    return Image(
        nt,
        machine,
        magic,
        optional,
        stamp,
        directories,
        sections,
        table_end,
        Table(symbols, symbol_count * _SYMBOL) if fits else None,
        strings if fits else None,
        certificates,
        fault,
        content_end,
        _tiling(sections, optional["SizeOfHeaders"]),
    )


def _directories(
    data: Buffer, nt: int, magic: int, optional_size: int, count: int
) -> tuple[tuple[int, int], ...]:
    fixed = 96 if magic == 0x10B else 112
    if count > len(DIRECTORIES) or fixed + 8 * count > optional_size:
        raise ParseError("The optional header is too small for its data directories", nt + 24)
    flat = unpack(f"<{2 * count}I", data, nt + 24 + fixed, "the data directories")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _strings(data: Buffer, symbols: int, count: int) -> Table | None:
    """The COFF string table, directly after the symbols."""
    at = symbols + count * _SYMBOL
    if not symbols or at + 4 > len(data):
        return None
    size = int.from_bytes(data[at : at + 4], "little")
    return Table(at, size) if size >= 4 and at + size <= len(data) else None


def _sections(data: Buffer, at: int, count: int, strings: Table | None) -> tuple[Section, ...]:
    result = []
    seen: dict[str, int] = {}
    for index in range(count):
        name, *rest, flags = unpack("<8sIIIIIIHHI", data, at + 40 * index, "the section table")
        label = text(_long_name(data, name.rstrip(b"\0"), strings)) or "unnamed"
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            label = f"{label}#{seen[label]}"
        section = Section(label, rest[0], rest[1], rest[2], rest[3], flags)
        if section.stored and section.pointer + section.stored > len(data):
            raise ParseError(f"Section {label} reaches beyond the file's end", at + 40 * index)
        result.append(section)
    if len({section.label for section in result}) != count:
        raise ParseError("Two sections have one name", at)
    return tuple(result)


def _long_name(data: Buffer, name: bytes, strings: Table | None) -> bytes:
    """Names over eight bytes stand in the string table, as `/offset`."""
    if strings is None or name[:1] != b"/" or not name[1:].isdigit():
        return name
    at = int(name[1:])
    if not 4 <= at < strings.length:
        return name
    stop = min(at + limits.TEXT, strings.length)
    long = bytes(data[strings.offset + at : strings.offset + stop]).split(b"\0", 1)[0]
    return long or name


def _certificates(
    data: Buffer, directories: tuple[tuple[int, int], ...], last: int
) -> tuple[Table | None, str]:
    """The certificate table, or why the security directory does not lead to one."""
    index = DIRECTORY["security"]
    place = Table(*directories[index]) if index < len(directories) else Table(0, 0)
    if place == (0, 0):
        return None, ""
    if place.offset % 8:
        return None, "The security directory points at a place that is not a multiple of 8."
    if place.offset < last:
        return None, "The security directory points into the image."
    if not place.length or place.end > len(data):
        return None, "The security directory points beyond the file's end, or at nothing."
    return place, ""


def _tiling(sections: tuple[Section, ...], at: int) -> str:
    """Authenticode, "Calculating the PE Image Hash", steps 6 … 13, against the flat file."""
    for section in sorted(sections, key=lambda section: section.pointer):
        if not section.raw_size:
            continue
        if section.pointer != at:
            return f"{section.label} does not begin where the part before it ends ({at:#x})"
        at += section.raw_size
    return ""


def check_count(count: int, most: int, what: str) -> None:
    """LimitError where a file declares more than anyone needs."""
    if count > most:
        raise LimitError(f"The image declares {count} {what}; at most {most} are read.")
