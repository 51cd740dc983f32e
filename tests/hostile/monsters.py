"""Files built to hurt a parser: too many things, loops, lies about sizes, names that lead out."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING

from tests.cases import archive_build as build
from tests.cases import pe_files
from tests.cases.archive_build import TEXT, put, rehash
from tests.hostile import bases
from verifier.formats.pe import headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pair = tuple[bytes, bytes]
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")


# --- ELF --------------------------------------------------------------------------------------


def elf(sections: list[tuple[int, ...]], body: bytes, *, names: int = 1, count: int = -1) -> bytes:
    """An object: header, body, section table. Each section is what `SHDR` packs."""
    at = 64 + len(body)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    number = len(sections) if count < 0 else count
    head = EHDR.pack(ident, 1, 62, 1, 0, 0, at, 0, 64, 0, 0, 64, number, names)
    return head + body + b"".join(SHDR.pack(*each) for each in sections)


def many_sections(count: int, mark: bytes, *, overlap: bool = False) -> bytes:
    """That many one-byte sections, or all over the same bytes."""
    body = b"\0.s\0" + mark * count
    rows = [(0,) * 10, (0, 3, 0, 0, 64, 4, 0, 0, 1, 0)]
    for at in range(count - 2):
        place, size = (64, len(body)) if overlap else (68 + at, 1)
        rows.append((1, 1, 0, 0, place, size, 0, 0, 1, 0))
    return elf(rows, body)


def endless_names(mark: bytes, kind: int, count: int = 12_000) -> bytes:
    """Symbols whose names all run through one megabyte of text without an end."""
    strings = b"\0.s\0" + b"n" * (1 << 20) + mark + b"\0"
    symbols = b"".join(SYM.pack(5 + at, 0x12, 0, 2, at, 1) for at in range(count))
    rows = [
        (0,) * 10,
        (0, 3, 0, 0, 64, len(strings), 0, 0, 1, 0),
        (1, kind, 0, 0, 64 + len(strings), len(symbols), 1, 0, 8, 24),
    ]
    return elf(rows, strings + symbols)


def elf_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Sections and symbols."""
    sane = bases.named("elf-exe")
    yield (
        "elf: 12,000 sections",
        lambda: tuple(many_sections(12_000, mark) for mark in (b"a", b"b")),
    )
    yield (
        "elf: 12,000 overlapping sections",
        lambda: tuple(many_sections(12_000, mark, overlap=True) for mark in (b"a", b"b")),
    )
    yield "elf: sections beside a sane file", lambda: (many_sections(12_000, b"a"), sane.rebuilt)
    for kind in (2, 11):  # symbol table, dynamic symbol table
        yield (
            f"elf: endless names in table {kind}",
            lambda kind=kind: tuple(endless_names(mark, kind) for mark in (b"a", b"b")),
        )
    yield (
        "elf: section count in section 0",
        lambda: (elf([(0, 0, 0, 0, 0, 2**40, 0, 0, 0, 0)], b"", count=0), sane.rebuilt),
    )
    yield "elf: header alone", lambda: (sane.shipped[:64], sane.rebuilt)
    yield "elf: 65,535 program headers", lambda: (_many_segments(sane.shipped), sane.rebuilt)
    module = bases.named("elf-ko")
    trailer = module.shipped[-40:]
    yield "ko: 5,000 trailers", lambda: (module.shipped + trailer * 5_000, module.rebuilt)
    yield "ko: two signatures", lambda: (module.shipped + module.shipped[5200:], module.rebuilt)
    yield (
        "ko: signature longer than the file",
        lambda: (module.shipped[:-32] + b"\xff" * 4 + module.shipped[-28:], module.rebuilt),
    )


def _many_segments(data: bytes) -> bytes:
    return put(put(data, 56, b"\xff\xff"), 32, struct.pack("<Q", 64)) + bytes(56 * 65_535)


# --- PE ---------------------------------------------------------------------------------------


def many_pe_sections(count: int, mark: bytes) -> bytes:
    """A PE with that many empty sections, all of one name."""
    data = bases.named("pe-dll").shipped
    image = headers.parse(memoryview(data))
    table = image.table_end - 40 * len(image.sections)
    row = b".same\0\0\0" + struct.pack("<IIIIIIHHI", 1, 0x1000, 0, 0, 0, 0, 0, 0, 0x40000040)
    at = struct.unpack_from("<I", data, 0x3C)[0]
    out = put(data, at + 6, struct.pack("<H", count))
    out = out[:table] + row * count
    out += bytes(-len(out) % 512)
    out = put(out, at + 24 + 60, struct.pack("<I", len(out)))
    return out + mark * 512


def resources(change: Callable[[bytearray, int], None], mark: bytes = b"\0") -> bytes:
    """A DLL whose resource directory was changed."""
    data = bases.named("pe-resources").shipped
    image = headers.parse(memoryview(data))
    start = image.offset_of(image.directory("resource")[0])
    assert start is not None
    out = bytearray(data)
    change(out, start)
    out[-1:] = mark
    return bytes(out)


def _self_reference(out: bytearray, start: int) -> None:
    struct.pack_into("<I", out, start + 20, 0x8000_0000)


def _many_entries(out: bytearray, start: int) -> None:
    struct.pack_into("<HH", out, start + 12, 0xFFFF, 0xFFFF)


def certificate(body: bytes, which: int = 0) -> bytes:
    """The small DLL with one certificate table entry of these bytes."""
    data = bases.named("pe-dll")[1 + which]
    data += bytes(-len(data) % 8)
    entry = struct.pack("<IHH", 8 + len(body), 0x200, 2) + body
    entry += bytes(-len(entry) % 8)
    return _with_table(data, entry)


def _with_table(data: bytes, table: bytes) -> bytes:
    at = headers.parse(memoryview(data)).security_at
    assert at
    return pe_files.fixed(put(data, at, struct.pack("<II", len(data), len(table))) + table)


def _length(size: int) -> bytes:
    return b"\x84" + struct.pack(">I", size)


def der() -> Iterator[tuple[str, bytes]]:
    """Encodings that are too deep, too many, too long, or that lie."""
    yield "indefinite, 50,000 deep", b"\x30\x80" * 50_000
    deep = b""
    for _ in range(3_000):
        deep = b"\x30" + _length(len(deep)) + deep
    yield "definite, 3,000 deep", deep
    yield "length beyond the file", b"\x30\x84\x7f\xff\xff\xff" + bytes(64)
    yield "length of 127 bytes", b"\x30\xff" + b"\xff" * 127
    yield "300,000 nulls", b"\x31" + _length(600_000) + b"\5\0" * 300_000
    yield "huge tag", b"\x1f" + b"\xff" * 5_000 + b"\x7f\0"
    signed = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
    for name, inner in {
        "identifier of a megabyte": b"\x06"
        + _length(1 << 20)
        + b"\xff" * ((1 << 20) - 1)
        + b"\x7f",
        "integer of a megabyte": b"\x02" + _length(1 << 20) + b"\x7f" * (1 << 20),
        "100,000 sets": b"\x31\0" * 100_000,
    }.items():
        content = signed + b"\xa0" + _length(len(inner) + 6) + b"\x30" + _length(len(inner)) + inner
        yield name, b"\x30" + _length(len(content)) + content


def pe_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Sections, resources and certificates."""
    sane = bases.named("pe-dll")
    yield "pe: 12,000 sections", lambda: tuple(many_pe_sections(12_000, m) for m in (b"a", b"b"))
    yield "pe: sections beside a sane file", lambda: (many_pe_sections(96, b"a"), sane.rebuilt)
    for name, change in {
        "self-reference": _self_reference,
        "131,070 entries": _many_entries,
    }.items():
        yield (
            f"pe: resources, {name}",
            lambda change=change: (resources(change, b"\1"), resources(change)),
        )
    for name, body in der():
        yield f"pe: der, {name}", lambda body=body: (certificate(body), sane.shipped)
        yield f"pe: twice der, {name}", lambda body=body: (certificate(body), certificate(body, 1))
    yield "pe: certificate of length 0", lambda: (_with_table(sane.shipped, bytes(8)), sane.shipped)
    entry = struct.pack("<IHH", 8, 0x200, 2)
    yield (
        "pe: 100,000 certificates",
        lambda: (_with_table(sane.shipped, entry * 100_000), sane.shipped),
    )
    yield "pe: e_lfanew 0", lambda: (put(sane.shipped, 0x3C, bytes(4)), sane.rebuilt)
    yield (
        "pe: e_lfanew at the end",
        lambda: (put(sane.shipped, 0x3C, b"\xf0\x0f\0\0"), sane.rebuilt),
    )


# --- archives and streams ---------------------------------------------------------------------


def tar(
    name: str, *, kind: bytes = b"0", link: str = "", size: bytes = b"", body: bytes = b""
) -> bytes:
    """A tar with one odd member in front of a sane one."""
    info = tarfile.TarInfo("x")
    info.type, info.linkname, info.size = kind, link, len(body)
    head = put(info.tobuf(tarfile.GNU_FORMAT), 0, name.encode()[:100].ljust(100, b"\0"))
    head = put(head, 124, size.ljust(12, b"\0")) if size else head
    return rehash(head, 0) + body + bytes(-len(body) % 512) + build.tar()


def many(count: int, kind: str, mark: bytes = b"") -> bytes:
    """An archive of very many small members."""
    out = io.BytesIO()
    if kind == "ar":
        return build.ar({f"m{number}/": mark for number in range(count)})
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for number in range(count):
                archive.writestr(zipfile.ZipInfo(f"m{number}"), mark)
    else:
        for number in range(count):
            info = tarfile.TarInfo(f"m{number}")
            info.size = len(mark)
            out.write(info.tobuf(tarfile.GNU_FORMAT) + mark.ljust(512, b"\0") * bool(mark))
        out.write(bytes(1024))
    return out.getvalue()


def zipped(name: str, *, attributes: int = 0o100644 << 16, flag: int = 0) -> bytes:
    """A zip with one odd member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("n" * len(name.encode()))
        info.external_attr = attributes
        archive.writestr(info, TEXT)
        archive.writestr(zipfile.ZipInfo("sane"), b"sane")
    data = out.getvalue().replace(b"n" * len(name.encode()), name.encode())
    return put(data, 6, bytes([flag])) if flag else data


def archive_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Too many members, sizes that lie, names that lead out, devices."""
    sane_tar, sane_zip = build.tar(), build.zipped()
    for kind, count in {"zip": 4_000, "tar": 8_000, "ar": 10_000}.items():
        yield (
            f"{kind}: {count} members",
            lambda kind=kind, count=count: (many(count, kind, b"a"), many(count, kind, b"b")),
        )
        yield (
            f"{kind}: {count} members of one beside another number",
            lambda kind=kind, count=count: (many(count, kind), many(count - 7, kind)),
        )
    sizes = {
        "octal": b"77777777777",
        "2^63": b"\x80" + b"\0\0\0\x80" + bytes(7),
        "negative": b"\xff" * 12,
    }
    for name, size in sizes.items():
        yield f"tar: size {name}", lambda size=size: (tar("x", size=size), sane_tar)
    record = b"30 size=99999999999999999999\n\n"
    yield "tar: PAX size", lambda: (tar("x", kind=b"x", body=record), sane_tar)
    yield "tar: PAX length lies", lambda: (tar("x", kind=b"x", body=b"9999999999 a=b\n"), sane_tar)
    yield "tar: long name of 1 MB", lambda: (tar("x", kind=b"L", body=b"n" * (1 << 20)), sane_tar)
    for name in ("../../etc/passwd", "/etc/passwd", "a/../../b", "a\x1b[2Jb", "..", ""):
        yield f"tar: name {name!r}", lambda name=name: (tar(name), sane_tar)
        if name:
            yield f"zip: name {name!r}", lambda name=name: (zipped(name), sane_zip)
    yield "zip: name with NUL", lambda: (zipped("a\0b"), sane_zip)
    yield "zip: name with backslashes", lambda: (zipped("..\\..\\b"), sane_zip)
    yield "zip: name of 60,000 bytes", lambda: (zipped("q" * 60_000), zipped("r" * 60_000))
    for mode in (0o120777, 0o060666, 0o020666, 0o010666, 0o104755):
        yield (
            f"zip: mode {mode:o}",
            lambda mode=mode: (zipped("m", attributes=mode << 16), sane_zip),
        )
    yield "zip: encrypted", lambda: (zipped("m", flag=1), zipped("m"))
    for kind, link in (
        (b"2", "../../x"),
        (b"1", "/etc/x"),
        (b"3", ""),
        (b"4", ""),
        (b"6", ""),
        (b"S", ""),
    ):
        yield (
            f"tar: type {kind!r}",
            lambda kind=kind, link=link: (tar("d", kind=kind, link=link), sane_tar),
        )
    library = bases.named("ar").shipped
    for value in (b"9999999999", b"-1        ", b"0x10      "):
        yield f"ar: size {value!r}", lambda value=value: (put(library, 8 + 48, value), library)
    yield "ar: index of 2^32 symbols", lambda: (put(library, 68, b"\xff" * 4), library)


def stream_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Headers without an end, streams without number, windows beyond all memory."""
    gz, xz = build.gz(TEXT), lzma.compress(TEXT)
    yield "gzip: endless name", lambda: (gz[:3] + b"\x08" + gz[4:10] + b"n" * (1 << 20), gz)
    yield "gzip: 50,000 members", lambda: (build.gz(b"") * 50_000, gz)
    yield "xz: 12,000 streams", lambda: (lzma.compress(b"") * 12_000, xz)
    yield "bzip2: 50,000 streams", lambda: (bases.named("bzip2").shipped * 5_000, gz)
    skippable = b"\x50\x2a\x4d\x18\0\0\0\0"
    frame = bases.named("zstd").shipped
    yield "zstd: 100,000 skippable frames", lambda: (skippable * 100_000 + frame, frame)
    yield "zstd: window of 2 TB", lambda: (b"\x28\xb5\x2f\xfd\0\xf8" + bytes(20), frame)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    small = lzma.compress(TEXT, lzma.FORMAT_XZ, filters=filters)
    yield "xz: dictionary of 4 GB", lambda: (_dictionary(small), xz)
    for base in bases.bases():
        yield f"{base.name}: nothing at all", lambda base=base: (b"", base.rebuilt)
        yield f"{base.name}: nothing rebuilt", lambda base=base: (base.shipped, b"")


def _dictionary(data: bytes) -> bytes:
    """The xz stream with the largest dictionary that its header can ask for, sum made right."""
    import zlib  # noqa: PLC0415

    size = (data[12] + 1) * 4
    block = bytearray(data[12 : 12 + size - 4])
    block[block.index(b"\x21\x01") + 2] = 40
    return data[:12] + bytes(block) + struct.pack("<I", zlib.crc32(block)) + data[12 + size :]


def pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """All of them, bombs apart."""
    yield from elf_pairs()
    yield from pe_pairs()
    yield from archive_pairs()
    yield from stream_pairs()
