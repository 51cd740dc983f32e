"""Our sections, segments and spans against LIEF's view of real files of both classes and orders."""

from __future__ import annotations

from functools import cache
from pathlib import Path  # noqa: TC003 - one import for types and tests

import lief
import pytest

from tests import realfiles
from tests.cases import elf_build as make
from tests.support import compare_bytes
from verifier.formats import elf
from verifier.model import Verdict

KINDS = {  # package: (bits, byte order)
    "libc6-i386-cross": (32, "<"),
    "libc6-powerpc-cross": (32, ">"),
    "libc6-s390x-cross": (64, ">"),
}


@cache
def real_files(package: str) -> list[Path]:
    """Shared objects and objects of the package, those of one name once."""
    found = [*realfiles.extracted(package).rglob("*.so*")]
    found += realfiles.extracted(package.replace("libc6", "libc6-dev")).rglob("*.o")
    return sorted(path for path in found if path.is_file() and _is_elf(path))


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _agrees(data: bytes) -> None:
    layout = elf.FORMAT.layout(memoryview(data))
    image, other = layout.info, lief.parse(list(data))
    assert isinstance(other, lief.ELF.Binary)
    ours = [
        (item.name, item.type, item.addr, item.offset, item.size, item.entsize, item.align)
        for item in image.sections
    ]
    theirs = [
        (
            bytes(item.name, "utf-8"),
            item.type.value & 0xFFFFFFFF,
            item.virtual_address,
            item.offset,
            item.size,
            item.entry_size,
            item.alignment,
        )
        for item in other.sections
    ]
    assert ours == theirs
    assert [
        (item.offset, item.filesz, item.vaddr, item.paddr, item.memsz, item.flags, item.align)
        for item in image.segments
    ] == [
        (
            item.file_offset,
            item.physical_size,
            item.virtual_address,
            item.physical_address,
            item.virtual_size,
            int(item.flags),
            item.alignment,
        )
        for item in other.segments
    ]
    assert not image.quarrels
    assert sum(span.length for span in layout.spans) == len(data)


@pytest.mark.parametrize("package", KINDS)
def test_other_architectures(package: str) -> None:
    files = real_files(package)
    assert {".so", ".o"} <= {"".join(path.suffixes)[:3] for path in files} | {".so"}
    for path in files:
        data = path.read_bytes()
        _agrees(data)
        shape = elf.FORMAT.layout(memoryview(data)).info.header.shape
        assert (shape.bits, shape.order) == KINDS[package], path


def test_programs_libraries_objects_and_modules() -> None:
    _agrees(make.built("aa")[0])
    _agrees(make.built("aa", make.LIBRARY, ("-shared", "-fPIC"))[0])
    _agrees(make.compiled(options=("-no-pie", "-static")))
    _agrees(make.compiled(make.LIBRARY, ("-c",)))
    for index in range(0, 200, 20):
        _agrees(make.unsigned_module(index))


@pytest.mark.parametrize("package", KINDS)
def test_build_id_of_other_architectures(package: str) -> None:
    """A build-id settles and a symbol is named in each class and byte order."""
    path = next(path for path in real_files(package) if path.name == "libc.so.6")
    data = path.read_bytes()
    layout = elf.FORMAT.layout(memoryview(data))
    span = next(item for item in layout.spans if item.field == "note.build-id")
    other = data[: span.offset] + b"\x5a" * span.length + data[span.end :]
    found = compare_bytes(other, data)
    assert (found.verdict, found.rules) == (Verdict.EQUIVALENT, {"elf.build-id"})
    section = layout.info.section(".text")
    names = set()
    places = 3 if package == "libc6-i386-cross" else 12  # its functions are compared: 10 s each
    for at in range(section.offset, section.offset + section.size, section.size // places):
        changed = other[:at] + bytes([other[at] ^ 1]) + other[at + 1 :]
        found = compare_bytes(changed, data)
        assert found.verdict == Verdict.DIFFERENT
        names.add(found.differences[0].where)
    assert any(not name.startswith(".text+") for name in names), names
