"""zlib for AArch64, by Debian's cross compiler: its objects linked in several ways."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from tests import realfiles

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1:1.2.13.dfsg-1"
_SOURCES = ("adler32", "crc32", "deflate", "infback", "inffast", "inflate", "inftrees", "trees",
            "zutil", "compress", "uncompr", "gzclose", "gzlib", "gzread", "gzwrite")  # fmt: skip
_OPTIONS = ("-O2", "-g0", "-fPIC", "-DHAVE_UNISTD_H", "-D_LARGEFILE64_SOURCE=1")
LIBRARIES = "/usr/aarch64-linux-gnu/lib"


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"


def _compiled(where: Path, changed: bool, options: tuple[str, ...]) -> None:
    fetched = realfiles.debian_source("zlib", VERSION)
    _run(["dpkg-source", "--no-check", "-x", str(next(fetched.glob("*.dsc"))), "zlib"], where)
    tree = where / "zlib"
    shutil.copy(tree / "zconf.h.in", tree / "zconf.h")
    if changed:
        file = tree / "deflate.c"
        text = file.read_text("latin-1")
        assert text.count("strm->state->wrap != 2") == 1
        file.write_text(text.replace("strm->state->wrap != 2", "strm->state->wrap > 2"), "latin-1")
    for name in _SOURCES:
        command = ["aarch64-linux-gnu-gcc", *_OPTIONS, *options, "-c", f"{name}.c"]
        _run([*command, "-o", str(where / f"{name}.o")], tree)
    shutil.rmtree(tree)


def _objects(*, changed: bool, options: tuple[str, ...]) -> Path:
    name = "-".join((VERSION, "changed" if changed else "plain", *options))
    return realfiles.made("a64-zlib", name, lambda where: _compiled(where, changed, options))


@cache
def zlib(
    *,
    backwards: bool = False,
    changed: bool = False,
    stripped: bool = False,
    options: tuple[str, ...] = (),
    linking: tuple[str, ...] = (),
) -> bytes:
    """The shared library. `backwards`: its objects in the other order."""
    objects = _objects(changed=changed, options=options)
    files = [f"{name}.o" for name in _SOURCES]
    how = [*linking, *(["-s"] if stripped else [])]
    order = "".join(("b" if backwards else "f", *how)).replace("/", "_")
    out = f"{objects.name}-{order}.so"

    def link(where: Path) -> None:
        command = ["aarch64-linux-gnu-gcc", "-shared", "-Wl,--build-id=none", *how]
        command += ["-o", str(where / "libz.so"), *(files[::-1] if backwards else files)]
        _run(command, objects)

    return (realfiles.made("a64-zlib", out, link) / "libz.so").read_bytes()
