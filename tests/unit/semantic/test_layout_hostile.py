"""Broken and malicious images: an answer or a VerifierError, and soon."""

from __future__ import annotations

import contextlib
import random
import struct
import time
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from tests.layouts.editor import Editor, of_rich
from verifier.errors import LimitError, VerifierError
from verifier.semantic.layout import encode, pe, recheck
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = 40
MANY = 3_000
SECONDS = 20.0  # far more than any takes; an endless loop is what it is for
_VALUES: tuple[Callable[[random.Random, int], bytes], ...] = (
    lambda _chance, width: bytes(width),
    lambda _chance, width: b"\xff" * width,
    lambda _chance, width: b"\xff" * (width - 1) + b"\x7f",
    lambda _chance, width: bytes(width - 1) + b"\x80",
    lambda _chance, width: (1).to_bytes(width, "little"),
    lambda chance, width: chance.randbytes(width),
)


@cache
def bases(kind: str, bare: bool) -> tuple[bytes, bytes, list[tuple[int, int]], str]:
    """(rebuilt, shipped, ranges of headers and tables of the latter, the honest map)."""
    which = builds.KINDS[kind]
    rebuilt = bytes(of_rich(which, turned=False, bare=bare).data)
    edit = of_rich(which, turned=True, bare=bare)
    shipped = bytes(edit.data)
    found = explain(builds.KINDS[kind].format, memoryview(shipped), memoryview(rebuilt))
    assert found.finding.total
    places = [(0, 0x400), (len(shipped) - 0x700, len(shipped))]
    places += [
        (each.offset, min(each.offset + each.size, len(shipped)))
        for name, each in edit.sections.items()
        if each.size and not name.startswith(".debug") and name not in (".bss", ".text")
    ]
    return rebuilt, shipped, places, encode.encode(found.extents)


def broken(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    rebuilt, shipped, places, known = bases(kind, chance.random() < 0.5)
    data = bytearray(shipped)
    for _ in range(chance.choice((1, 1, 2, 4))):
        start, end = chance.choice(places)
        width = chance.choice((1, 2, 4, 8))
        at = chance.randrange(start, end)
        at -= at % width * chance.randrange(2)
        data[at : at + width] = chance.choice(_VALUES)(chance, width)
    if chance.random() < 0.05:
        del data[chance.randrange(len(data)) :]
    judged(kind, bytes(data), rebuilt, known)


def judged(kind: str, data: bytes, rebuilt: bytes, known: str) -> None:
    """No error but a VerifierError leaves, from either side; it does not take forever."""
    begun = time.monotonic()
    one, other = memoryview(data), memoryview(rebuilt)
    for shipped, sound in ((one, other), (other, one)):
        with contextlib.suppress(VerifierError):
            explain(builds.KINDS[kind].format, shipped, sound)
    with contextlib.suppress(VerifierError):
        recheck.judge({"format": builds.KINDS[kind].format, "map": known}, one, other, ())
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("kind", list(builds.KINDS))
def test_broken_images_are_refused_or_judged(kind: str) -> None:
    for seed in range(SEEDS):
        broken(kind, seed)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", list(builds.KINDS))
def test_many_broken_images_are_refused_or_judged(kind: str) -> None:
    for seed in range(SEEDS, SEEDS + MANY):
        broken(kind, seed)


def _headers(edit: Editor, name: str) -> int:
    """The offset of a section header (ELF)."""
    names = [str(each.name) for each in edit.image.sections]
    return int(struct.unpack_from("<Q", edit.data, 40)[0]) + 64 * names.index(name)


def stubs_without_contents(edit: Editor) -> None:
    at = _headers(edit, ".plt")
    edit.put_at(at + 4, 8, 4)
    edit.put_at(at + 32, 1 << 60, 8)


def memory_without_end(edit: Editor) -> None:
    edit.put_at(_headers(edit, ".bss") + 32, 1 << 62, 8)


def section_longer_than_the_file(edit: Editor) -> None:
    edit.put_at(_headers(edit, ".text") + 32, 1 << 40, 8)


def address_beyond_all(edit: Editor) -> None:
    edit.put_at(_headers(edit, ".data") + 16, (1 << 64) - 64, 8)


def symbol_without_end(edit: Editor) -> None:
    edit.put_at(edit.dynamic_symbol("front") + 16, (1 << 64) - 1, 8)


def hash_of_no_table(edit: Editor) -> None:
    edit.put_at(_headers(edit, ".gnu.hash") + 40, 0x7FFFFFFF, 4)


def relocations_of_no_table(edit: Editor) -> None:
    edit.put_at(_headers(edit, ".rela.dyn") + 40, 5, 4)


def first_symbol_used(edit: Editor) -> None:
    edit.put_at(edit.sections[".dynsym"].offset + 8, 1, 8)


def versions_without_end(edit: Editor) -> None:
    edit.put_at(edit.sections[".gnu.version_r"].offset + 2, 0xFFFF, 2)


@pytest.mark.parametrize(
    "change",
    [
        *(stubs_without_contents, memory_without_end, section_longer_than_the_file),
        *(address_beyond_all, symbol_without_end, hash_of_no_table, relocations_of_no_table),
        *(first_symbol_used, versions_without_end),
    ],
)
def test_a_count_or_address_without_bounds_is_refused(change: Callable[[Editor], None]) -> None:
    rebuilt, _shipped, _places, known = bases("elf", True)
    edit = of_rich(builds.ELF, turned=True, bare=True)
    change(edit)
    data = bytes(edit.data)
    judged("elf", data, rebuilt, known)
    with contextlib.suppress(VerifierError):
        assert not explain("elf", memoryview(data), memoryview(rebuilt)).finding.total


@pytest.mark.parametrize(
    ("section", "most", "said"),
    [(".text", 1 << 20, "bytes of the image's code"), (".data", 64 << 20, "bytes of memory more")],
)
def test_memory_that_the_file_lacks_is_bounded(section: str, most: int, said: str) -> None:
    """Else a file of a few kilobytes would be megabytes of zeros to read as instructions."""
    edit = of_rich(builds.PE, turned=True, bare=True)
    place = edit.data.index(section.encode().ljust(8, b"\0")) + 8  # its size in memory
    stored = int.from_bytes(edit.data[place + 8 : place + 12], "little")
    edit.put_at(place, stored + most, 4)
    pe.load(memoryview(bytes(edit.data)))
    edit.put_at(place, stored + most + 1, 4)
    with pytest.raises(LimitError, match=said):
        pe.load(memoryview(bytes(edit.data)))


@pytest.mark.parametrize("text", ["", "AAAA", "[[", "eJyLjgUAARUAuQ=="])
def test_a_map_that_cannot_be_read_is_refused(text: str) -> None:
    with contextlib.suppress(VerifierError):
        assert encode.decode(text) == []
