"""Real libraries built here by gcc and mingw-w64, kept between runs: whole, or with one change."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tests import realfiles

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "zlib": ("zlib", "1:1.2.13.dfsg-1"),
    "tinyxml2": ("tinyxml2", "9.0.0+dfsg-3.1"),
    "sqlite3": ("sqlite3", "3.40.1-2+deb12u2"),
}
ZLIB = ("adler32", "crc32", "deflate", "infback", "inffast", "inflate", "inftrees", "trees",
        "zutil", "compress", "uncompr", "gzclose", "gzlib", "gzread", "gzwrite")  # fmt: skip
_ZLIB_FLAGS = ("-D_LARGEFILE64_SOURCE=1", "-DHAVE_UNISTD_H")
_SECONDS = 600.0


class Kind(NamedTuple):
    """A kind of image: its format, suffix, compilers and tools."""

    name: str
    suffix: str
    prefix: str
    flags: tuple[str, ...]

    @property
    def format(self) -> str:
        """What the verifier calls its files."""
        return "elf" if self.suffix == "so" else "pe"

    @property
    def word(self) -> int:
        """Bytes of an address."""
        return 4 if self.prefix.startswith("i686") else 8

    @property
    def strip(self) -> str:
        return f"{self.prefix}strip"

    def compiler(self, source: Path) -> str:
        return self.prefix + ("g++" if source.suffix == ".cpp" else "gcc")


ELF = Kind("elf", "so", "", ("-fPIC",))
PE = Kind("pe", "dll", "x86_64-w64-mingw32-", ())
PE32 = Kind("pe32", "dll", "i686-w64-mingw32-", ())
KINDS = {"elf": ELF, "pe": PE, "pe32": PE32}


def run(*command: str | Path, where: Path | None = None) -> str:
    """What a program prints; a failure fails the test with what it said."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=where,
        timeout=_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@cache
def source(name: str) -> Path:
    """The unpacked source package; do not change it."""
    package, version = SOURCES[name]

    def unpack(where: Path) -> None:
        fetched = realfiles.debian_source(package, version)
        run("dpkg-source", "--no-check", "-x", next(fetched.glob("*.dsc")), "tree", where=where)
        tree = where / "tree"
        if name == "zlib" and not (tree / "zconf.h").exists():
            (tree / "zconf.h").write_bytes((tree / "zconf.h.in").read_bytes())
        if name == "sqlite3":
            run("sh", tree / "configure", "--disable-tcl", where=_fresh(where / "work"))
            run("make", "sqlite3.c", where=where / "work")

    return realfiles.made("layout-source", f"{name}-{version}", unpack) / "tree"


def _fresh(where: Path) -> Path:
    where.mkdir()
    return where


def amalgamation() -> Path:
    """sqlite3.c, all of SQLite in one file."""
    return source("sqlite3").parent / "work/sqlite3.c"


def objects(kind: Kind, files: tuple[Path, ...], flags: tuple[str, ...]) -> tuple[Path, ...]:
    """One object of each source file, compiled once."""
    return tuple(_object(kind, file, flags) for file in files)


@cache
def _object(kind: Kind, file: Path, flags: tuple[str, ...]) -> Path:
    said = hashlib.sha256(file.read_bytes() + repr((kind, file.name, flags)).encode()).hexdigest()

    def compile_one(where: Path) -> None:
        command = (kind.compiler(file), *flags, *kind.flags, "-c", file, "-o", where / "a.o")
        run(*command, where=file.parent)

    return realfiles.made("layout-object", f"{file.stem}-{said[:24]}", compile_one) / "a.o"


def linked(kind: Kind, parts: tuple[Path, ...], out: Path, *flags: str, plus: bool = False) -> Path:
    """A shared library of these objects, in this order."""
    out.parent.mkdir(parents=True, exist_ok=True)
    compiler = kind.prefix + ("g++" if plus else "gcc")
    run(compiler, "-shared", *flags, "-o", out, *parts)
    return out


def stripped(kind: Kind, path: Path) -> Path:
    """A copy without symbols."""
    out = path.with_name(f"{path.stem}-stripped{path.suffix}")
    run(kind.strip, "-s", "-o", out, path)
    return out


def zlib_files() -> tuple[Path, ...]:
    return tuple(source("zlib") / f"{name}.c" for name in ZLIB)


def zlib_flags(*more: str) -> tuple[str, ...]:
    return ("-O2", *_ZLIB_FLAGS, *more)


def tinyxml2_file() -> Path:
    return source("tinyxml2") / "tinyxml2.cpp"
