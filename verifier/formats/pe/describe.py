"""Name a differing place of a PE image: symbol and section, or field and meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from verifier.formats.base import describe_bytes
from verifier.formats.pe import products, rich
from verifier.formats.pe.symbols import name_at
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image
    from verifier.formats.pe.rich import Rich
    from verifier.model import Run, Span

_DLL: Final = {
    0x20: "HIGH_ENTROPY_VA", 0x40: "DYNAMIC_BASE", 0x80: "FORCE_INTEGRITY", 0x100: "NX_COMPAT",
    0x200: "NO_ISOLATION", 0x400: "NO_SEH", 0x800: "NO_BIND", 0x1000: "APPCONTAINER",
    0x2000: "WDM_DRIVER", 0x4000: "GUARD_CF", 0x8000: "TERMINAL_SERVER_AWARE",
}  # fmt: skip
_FILE: Final = {
    1: "RELOCS_STRIPPED", 2: "EXECUTABLE_IMAGE", 4: "LINE_NUMS_STRIPPED", 8: "LOCAL_SYMS_STRIPPED",
    0x20: "LARGE_ADDRESS_AWARE", 0x100: "32BIT_MACHINE", 0x200: "DEBUG_STRIPPED",
    0x400: "REMOVABLE_RUN_FROM_SWAP", 0x800: "NET_RUN_FROM_SWAP", 0x1000: "SYSTEM", 0x2000: "DLL",
    0x4000: "UP_SYSTEM_ONLY",
}  # fmt: skip
_SECTION: Final = {
    0x20: "CODE", 0x40: "INITIALIZED_DATA", 0x80: "UNINITIALIZED_DATA", 0x01000000: "NRELOC_OVFL",
    0x02000000: "DISCARDABLE", 0x04000000: "NOT_CACHED", 0x08000000: "NOT_PAGED",
    0x10000000: "SHARED", 0x20000000: "EXECUTE", 0x40000000: "READ", 0x80000000: "WRITE",
}  # fmt: skip
_MACHINES: Final = {
    0x14C: "i386", 0x8664: "x86-64", 0x1C0: "ARM", 0x1C4: "ARMNT", 0xAA64: "ARM64",
    0x5064: "RISC-V 64", 0x6264: "LoongArch 64", 0xEBC: "EFI byte code",
}  # fmt: skip
_SUBSYSTEMS: Final = {
    1: "native", 2: "Windows GUI", 3: "Windows console", 10: "EFI application",
    11: "EFI boot service driver", 12: "EFI runtime driver", 13: "EFI ROM", 14: "Xbox",
    16: "Windows boot application",
}  # fmt: skip


def describe(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
    """One differing run of one span that both images have."""
    if span.field == "section.content":
        return _content(shipped, span, run)
    if span.field == "section.slack":
        return Difference(
            "bytes",
            span.name,
            f"{run.length} bytes differ behind the section's VirtualSize, where the linker leaves"
            " zeros.",
            run.offset,
            run.length,
        )
    if span.name.startswith("rich."):
        return _rich(shipped, rebuilt, run)
    other = _span_called(rebuilt, span.name)
    if other is not None and other.length == span.length <= 8 and "." in span.field:
        return _value(shipped, rebuilt, span, other)
    return describe_bytes(shipped, rebuilt, span, run)


def _content(side: Side, span: Span, run: Run) -> Difference:
    """`main (.text)`: the symbol or function if there is one, else section and address."""
    image: Image = side.layout.info
    section = image.section_of(run.offset)
    address = section.address + run.offset - section.pointer
    symbol = name_at(side.data, image, address)
    where = (
        f"{symbol} ({section.label})"
        if symbol
        else f"{section.label}+{address - section.address:#x}"
    )
    nature = "executable " if section.executable else ""
    place = f"the {nature}section {section.label}, at address {address:#x}"
    summary = f"{run.length} bytes differ in {place}."
    if run.length != run.rebuilt_length:
        summary = (
            f"{run.length} shipped bytes of {span.name} stand for {run.rebuilt_length} rebuilt"
            f" ones, from address {address:#x} on."
        )
    return Difference("bytes", where, summary, run.offset, run.length)


def _span_called(side: Side, name: str) -> Span | None:
    """The span of that name, in constant time: a hostile image may have very many."""
    cache = side.layout.info.cache
    if "spans" not in cache:
        cache["spans"] = {span.name: span for span in side.layout.spans}
    found: Span | None = cache["spans"].get(name)
    return found


def _rich(shipped: Side, rebuilt: Side, run: Run) -> Difference:
    """All of a Rich header is masked with its key: one difference, by the decoded entries."""
    sides = [(side, rich.find(side.data, 0x40, side.layout.info.nt)) for side in (shipped, rebuilt)]
    (side, one), (_, other) = sides
    if one is None or other is None:
        return Difference("field", "rich", "The Rich header differs.", run.offset, run.length)
    own = rich.checksum(side.data, one)
    state = "fits its entries" if own == one.key else f"does not fit its entries ({own:#x} would)"
    told = _entries(one, other)
    if not told and one.entries != other.entries:
        told = ["its entries stand in another order"]
    summary = f"The Rich header differs: {'; '.join(told) or 'entries are equal'}."
    kind = "toolchain" if told else "field"
    if own != one.key or not told:
        summary = f"{summary[:-1]}; the key {one.key:#x} {state}."
        kind = "field"
    return Difference(kind, "rich", summary, one.offset, one.end - one.offset)


def _entries(mine: Rich, theirs: Rich) -> list[str]:
    """What is counted otherwise: tools by the builds that either image names of them."""
    one, other = products.by_tool(mine.entries), products.by_tool(theirs.entries)
    groups: dict[str, list[str]] = {}
    for tool in one | other:
        ours, others = one.get(tool, {}), other.get(tool, {})
        if ours != others:
            groups.setdefault(_builds(ours, others), []).append(_objects(tool, ours, others))
    return [f"{', '.join(tools)}: {builds}" for builds, tools in groups.items()]


def _builds(ours: dict[int, int], theirs: dict[int, int]) -> str:
    shown = [
        f"{which} build{'s' if len(builds) > 1 else ''} {', '.join(map(str, builds))}"
        if builds
        else f"{which} none"
        for which, builds in (("shipped", ours), ("rebuilt", theirs))
    ]
    return shown[0] if ours.keys() == theirs.keys() else ", ".join(shown)


def _objects(tool: int, ours: dict[int, int], theirs: dict[int, int]) -> str:
    counts = sum(ours.values()), sum(theirs.values())
    noun = "import" if tool == products.IMPORTS else "object"
    noun += "s" if counts != (1, 1) else ""
    more = f", rebuilt {counts[1]}" if counts[0] != counts[1] and theirs and ours else ""
    return f"{products.name(tool)} ({counts[0] or counts[1]}{more} {noun})"


def _value(shipped: Side, rebuilt: Side, span: Span, other: Span) -> Difference:
    values = [
        int.from_bytes(side.bytes_of(each), "little")
        for side, each in ((shipped, span), (rebuilt, other))
    ]
    decode = _DECODERS.get(span.field, _plain)
    if span.field.startswith("directory."):
        decode = _directory
    summary = f"Shipped {decode(values[0])}, rebuilt {decode(values[1])}; no rule lets it vary."
    return Difference("field", span.name, summary, span.offset, span.length)


def _plain(value: int) -> str:
    return f"{value:#x}"


def _directory(value: int) -> str:
    return f"{value & 0xFFFFFFFF:#x} of {value >> 32} bytes"


def _flags(names: dict[int, str]) -> Callable[[int], str]:
    def decode(value: int) -> str:
        shown = [name for bit, name in names.items() if value & bit]
        return f"{value:#x} ({' '.join(shown) or 'none'})"

    return decode


def _named(names: dict[int, str]) -> Callable[[int], str]:
    return lambda value: f"{value:#x} ({names.get(value, 'unknown')})"


def _time(value: int) -> str:
    return f"{value:#x} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"


_DECODERS: Final[dict[str, Callable[[int], str]]] = {
    "optional.DllCharacteristics": _flags(_DLL),
    "coff.Characteristics": _flags(_FILE),
    "section.Characteristics": _flags(_SECTION),
    "coff.Machine": _named(_MACHINES),
    "optional.Subsystem": _named(_SUBSYSTEMS),
    "load-config.TimeDateStamp": _time,
}
