"""Pairs for the readers: built here, or members of real wheels."""

from __future__ import annotations

import functools
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import realfiles
from tests.cases.elf_build import run
from tests.support import compare_bytes
from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.model import Difference, Member

LINUX = "manylinux2014_x86_64"


@functools.cache
def member(name: str, version: str, path: str, platform: str = LINUX) -> bytes:
    """One file of a real wheel."""
    with zipfile.ZipFile(realfiles.wheel(name, version, platform)) as archive:
        return archive.read(path)


@functools.cache
def gcc(source: str, *flags: str, compiler: str = "gcc", suffix: str = ".c") -> bytes:
    """What the real compiler makes of one source file."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, f"a{suffix}").write_text(source)
        options = (f"-ffile-prefix-map={work}=.", "-Wl,--build-id=0x" + "aa" * 20)
        run(compiler, "-O2", *options, "-o", "out.bin", f"a{suffix}", *flags, cwd=work)
        return Path(work, "out.bin").read_bytes()  # a name that mingw adds no .exe to


def explained(shipped: bytes, rebuilt: bytes) -> Member:
    """The finding on a pair, which must differ."""
    found = compare_bytes(shipped, rebuilt)
    assert found.verdict is Verdict.DIFFERENT
    return found.members[0]


def told(differences: Iterable[Difference], *prefixes: str) -> dict[tuple[str, str], str]:
    """Summary by (kind, where) of the differences whose kind starts so."""
    return {
        (item.kind, item.where): item.summary
        for item in differences
        if item.kind.startswith(prefixes)
    }
