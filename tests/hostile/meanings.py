"""Files built to hurt the readers that explain: texts, modules, tables without end."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from tests.cases import pe_files
from tests.hostile.monsters import elf
from verifier.formats.pe.layout import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pair = tuple[bytes, bytes]
MAGIC = struct.pack("<H", 3495) + b"\r\n"  # Python 3.11
HEADER = MAGIC + bytes(12)
SIZE = 4 << 20
LOADER = "clr_loader/ffi/dlls/amd64/ClrLoader.dll"


def pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """(name, what makes the pair)."""
    yield from text_pairs()
    yield from module_pairs()
    yield from program_pairs()
    yield from managed_pairs()
    yield from table_pairs()


def text_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    yield "text: 4 MiB of line ends", lambda: (b"\n" * (SIZE - 1), b"\n" * (SIZE - 2) + b"x\n")
    yield "text: one line of 4 MiB", lambda: (b"x" * SIZE, b"x" * (SIZE - 1) + b"y")
    yield (
        "text: 300,000 lines in another order",
        lambda: (
            b"".join(b"%d\n" % (n * 7919 % 300_007) for n in range(300_007)),
            b"".join(b"%d\n" % n for n in range(300_007)),
        ),
    )
    yield (
        "text: two lines 300,000 times",
        lambda: (b"a\nb\n" * 150_000, b"b\na\na\n" * 100_000),
    )
    yield (
        "text: long words",
        lambda: ((b"a.b@" * 100_000 + b"\n") * 8, (b"a-1." * 100_000 + b"\n") * 8),
    )


def module_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    def module(consts: bytes) -> bytes:
        head = b"c" + struct.pack("<IIIII", 0, 0, 0, 1, 0) + b"s" + struct.pack("<I", 2) + b"d\0"
        tail = b")\0)\0s\0\0\0\0z\1az\1mz\1m" + struct.pack("<I", 1) + b"s\0\0\0\0s\0\0\0\0"
        return HEADER + head + consts + tail

    def sequence(count: int, item: bytes) -> bytes:
        return b"(" + struct.pack("<I", count) + item * count

    plain = module(b")\1N")
    layers = b"".join(b"\xa9\2" + 2 * struct.pack("<cI", b"r", n) for n in range(80))
    shared = b"(" + struct.pack("<I", 81) + b"\xa9\2NN" + layers
    yield "pyc: 200,000 constants", lambda: (module(sequence(200_000, b"i\1\2\3\4")), plain)
    yield "pyc: 4,000,000 constants", lambda: (module(sequence(4_000_000, b"N")), plain)
    yield "pyc: 90,000 deep", lambda: (module(b")\1" * 90_000 + b"N"), plain)
    yield "pyc: 2^80 leaves", lambda: (module(shared), plain)
    yield "pyc: a tuple of 2^32", lambda: (module(b"(\xff\xff\xff\xff"), plain)
    yield (
        "pyc: a number of 2^31 digits",
        lambda: (module(b"l\0\0\0\x80" + bytes(1000)), plain),
    )
    digits = b"l" + struct.pack("<i", 500_000) + b"\xff\x7f" * 500_000
    yield "pyc: a number of 500,000 digits", lambda: (module(b")\1" + digits), plain)


def _object(data: bytes, name: bytes = b".rodata") -> bytes:
    """An object with one section of data."""
    names = b"\0" + name + b"\0"
    rows = [
        (0,) * 10,
        (0, 3, 0, 0, 64, len(names), 0, 0, 1, 0),
        (1, 1, 2, 0, 64 + len(names), len(data), 0, 0, 1, 0),
    ]
    return elf(rows, names + data)


def program_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    texts: dict[str, Callable[[], bytes]] = {
        "1,000,000 addresses": lambda: b"".join(b"a://%07x" % n for n in range(1_000_000)),
        "1,000,000 texts": lambda: b"".join(b"\0abc%07x" % n for n in range(1_000_000)),
        "1,000,000 paths": lambda: b"".join(b"\0/usr/%07x" % n for n in range(1_000_000)),
        "1,000,000 crates": lambda: b"".join(
            b"/rustc/1.1.1/a%d-1.1.1/src/" % n for n in range(600_000)
        ),
        "only slashes": lambda: b"/" * (16 << 20),
        "only letters": lambda: b"a" * (16 << 20),
        "keys that never end": lambda: (b"\0" + b"aA1" * 1300) * 4_000,
        "heads without a body": lambda: b"://" * 5_000_000,
    }
    for name, make in texts.items():
        yield f"elf: {name}", partial(_grown, make)
    build = b"\xff Go buildinf:\x08\x02" + bytes(16)
    endless = build + b"\x05go1.2" + b"\xff\xff\xff\x7f"
    yield (
        "elf: Go modules without end",
        lambda: (_object(endless, b".go.buildinfo"), _object(build, b".go.buildinfo")),
    )
    listed = bytes(16) + b"dep\ta\tv1\n" * 200_000 + bytes(16)
    many = build + b"\x05go1.2" + b"\x90\xee\x6d"[:0] + _varint(len(listed)) + listed
    yield (
        "elf: 200,000 Go modules",
        lambda: (_object(many, b".go.buildinfo"), _object(build + bytes(9), b".go.buildinfo")),
    )
    table = struct.pack("<IHBBQQQQQQQQ", 0xFFFFFFF1, 0, 1, 8, 1 << 40, 0, 0, 72, 1 << 24, 0, 0, 72)
    names = b"".join(b"f%07d\0" % n for n in range(1_800_000))
    yield (
        "elf: 1,800,000 functions of Go",
        lambda: (
            _object(table + names + bytes(1 << 22), b".gopclntab"),
            _object(table + bytes(1 << 24), b".gopclntab"),
        ),
    )


def _grown(make: Callable[[], bytes]) -> Pair:
    data = make()
    return _object(data), _object(b"\0plain text\0")


def _varint(number: int) -> bytes:
    result = b""
    while number > 0x7F:
        result += bytes([number & 0x7F | 0x80])
        number >>= 7
    return result + bytes([number])


def managed_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Assemblies whose tables lie about their sizes."""

    def changed(at: int, value: bytes) -> Pair:
        base = pe_files.from_wheel("clr-loader", "0.2.10", LOADER, "any")
        tables = base.index(b"BSJB")
        stream = base.index(struct.pack("<IBBBB", 0, 2, 0, 0, 1)[:6], tables)
        place = stream + at
        return base[:place] + value + base[place + len(value) :], base

    yield "dotnet: all tables", partial(changed, 8, b"\xff" * 8)
    yield "dotnet: 2^32 rows", partial(changed, 24, b"\xff" * 4)
    yield "dotnet: large heaps", partial(changed, 6, b"\xff")
    yield "dotnet: no CLR header", _headless


def _headless() -> Pair:
    base = pe_files.from_wheel("clr-loader", "0.2.10", LOADER, "any")
    return pe_files.put(base, {"directory.clr": b"\0\0\0\x70"}, fix=False), base


def table_pairs() -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Tables in which all is one, and texts of which each part is in the other image."""
    yield "pe: delayed imports of 1,600 libraries share their slots", _shared_slots
    yield "elf: 4,000 texts of blocks in another order", _blocks


def _shared_slots() -> Pair:
    base = pe_files.from_wheel("cffi", "1.17.1", "_cffi_backend.cp311-win_amd64.pyd", "win_amd64")
    image = layout(memoryview(base)).info
    table = next(each for each in image.sections if each.label == ".rdata")
    word = struct.pack("<I", table.address)
    filled = word * (table.content // 4)
    data = base[: table.pointer] + filled + base[table.pointer + len(filled) :]
    directory = {"directory.delay-import": word + struct.pack("<I", 1 << 20)}
    return pe_files.put(data, directory, fix=False), base


def _blocks() -> Pair:
    rows = [[b"%016x" % (n * 248 + i) for i in range(248)] for n in range(4_000)]
    forth, back = ([b"".join(row[::step]) for row in rows] for step in (1, -1))
    return _object(b"\0" + b"\0".join(forth)), _object(b"\0" + b"\0".join(back))
