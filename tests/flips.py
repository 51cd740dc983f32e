"""Small real files of every kind, and which of their flipped bytes a comparison accepts.

Used by the sampled test here and by the exhaustive bench.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.cases import archive_build, clamav_build, elf_build, pe_files, pyc
from tests.cases.elf_permute import locals_reversed
from tests.support import STRICT, compare_bytes
from verifier.model import Policy, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MASKS = (0x01, 0xFF)
_ACCEPTED = {Verdict.IDENTICAL, Verdict.EQUIVALENT}


class Made(NamedTuple):
    """A pair that is equivalent as it stands, and the signers' certificates (DER)."""

    shipped: bytes
    rebuilt: bytes
    certificates: tuple[bytes, ...] = ()


class Subject(NamedTuple):
    """One kind of file under test."""

    name: str
    kind: str
    make: Callable[[], Made]
    policy: Policy = Policy()


class Count(NamedTuple):
    """How many flips were tried, accepted within declared free bytes, and accepted outside."""

    tried: int
    free: int
    undetected: tuple[tuple[int, int], ...]  # (offset, mask)


def _mingw(name: str) -> Made:
    return Made(*pe_files.mingw()[name])


def _signed() -> Made:
    plain = pe_files.mingw()["x86_64-dll-tiny"][0]
    return Made(pe_files.own_signed(plain), plain)


def _elf(source: str, *options: str) -> Made:
    return Made(*(elf_build.built(digits, source, options)[0] for digits in ("aa", "bb")))


def _object() -> Made:
    plain = elf_build.compiled(elf_build.OBJECT, ("-c", "-O2", "-fPIC"))
    return Made(locals_reversed(plain), plain)


def _module() -> Made:
    return Made(
        elf_build.signed_module("one"),
        elf_build.unsigned_module(),
        (elf_build.key("one")[1],),
    )


def _streams(command: str, level: str, other: str) -> Made:
    text = archive_build.TEXT
    return Made(
        archive_build.program(command, level, "-c", data=text),
        archive_build.program(command, other, "-c", data=text),
    )


SUBJECTS = (
    Subject("pe-exe", "PE exe, 64 bit (mingw)", lambda: _mingw("x86_64-exe-s")),
    Subject("pe-exe-32", "PE exe, 32 bit (mingw)", lambda: _mingw("i686-exe-s")),
    Subject("pe-dll", "PE DLL (mingw, no libc)", lambda: _mingw("x86_64-dll-tiny")),
    Subject("pe-signed", "PE DLL, signed here", _signed, STRICT),
    Subject("efi", "EFI, signed (fwupd)", lambda: Made(*pe_files.signed_pair("fwupd")), STRICT),
    Subject("elf-exe", "ELF program", lambda: _elf(elf_build.PROGRAM)),
    Subject("elf-so", "ELF library", lambda: _elf(elf_build.LIBRARY, "-shared", "-fPIC")),
    Subject("elf-o", "ELF object", _object),
    Subject("elf-ko", "kernel module, signed", _module, STRICT),
    Subject("ar", "static library", lambda: Made(*_libraries())),
    Subject("deb", "Debian package", lambda: Made(*map(archive_build.deb, (0, 1)))),
    Subject("tar", "tar", lambda: Made(*map(archive_build.tar, (0, 1)))),
    Subject("zip", "zip", lambda: Made(*map(archive_build.zipped, (0, 1)))),
    Subject("wheel", "wheel", lambda: Made(*map(archive_build.wheel, (0, 1)))),
    Subject("gzip", "gzip", lambda: _streams("gzip", "-9", "-1")),
    Subject("xz", "xz", lambda: _streams("xz", "-9", "-0")),
    Subject("bzip2", "bzip2", lambda: Made(*_bzip2())),
    Subject("cvd", "ClamAV CVD, signed", lambda: _database("test-6.cvd")),
    Subject("cvd-strict", "ClamAV CVD, its own list", lambda: _with_list("test-1.cvd"), STRICT),
    Subject("cld", "ClamAV CLD", lambda: Made(*clamav_build.cld())),
    Subject("cud", "ClamAV CLD without list", lambda: Made(*clamav_build.bare())),
    Subject("cdiff", "ClamAV update", lambda: Made(*clamav_build.updates())),
    Subject("pyc", "compiled Python module", lambda: Made(*pyc.pair(1_600_000_000))),
    Subject("zstd", "zstd", lambda: _streams("zstd", "-3", "-1")),
)


def _database(name: str) -> Made:
    return Made(clamav_build.file(name), clamav_build.rebuilt(name))


def _with_list(name: str) -> Made:
    """Header and list as shipped: all but the vendor's legacy signature is made here."""
    shipped = clamav_build.file(name)
    fields = clamav_build.fields(shipped)._replace(dsig="X")
    return Made(shipped, clamav_build.packed(shipped, fields))


def _libraries() -> tuple[bytes, bytes]:
    # data.gz compressed at another level moves all members, so that index and sizes differ too.
    return tuple(archive_build.library(archive_build.gz(archive_build.TEXT, n)) for n in (1, 9))


def _bzip2() -> tuple[bytes, bytes]:
    text = archive_build.TEXT
    return archive_build.program("bzip2", "-c", data=text), archive_build.bzip2_blocks(text, 3000)


def fast_directory() -> None:
    """Keep the thousands of small temporary files of flips in memory, where the system can."""
    memory = Path("/dev/shm")
    if memory.is_dir():
        tempfile.tempdir = str(memory)


def flip(made: Made, policy: Policy, places: Iterable[int], masks: Iterable[int] = MASKS) -> Count:
    """Flip each byte at `places` with each mask, and compare with the rebuilt file."""
    tried = free = 0
    undetected = []
    for place in places:
        for mask in masks:
            data = bytearray(made.shipped)
            data[place] ^= mask
            if len(data) == len(made.rebuilt) and data[place] == made.rebuilt[place]:
                continue  # now it is the rebuilt byte: nothing to notice here
            found = compare_bytes(bytes(data), made.rebuilt, policy, certificates=made.certificates)
            tried += 1
            if found.verdict in _ACCEPTED and place in found.free():
                free += 1
            elif found.verdict in _ACCEPTED:
                undetected.append((place, mask))
    return Count(tried, free, tuple(undetected))
