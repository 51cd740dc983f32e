"""Real files for benches, made once and kept in the tests' cache."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests import realfiles
from tests.cases import elf_build, pe_files

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = "usr/lib/x86_64-linux-gnu/libLLVM-14.so.1"
MODULES = 1_000


def signed(name: str) -> tuple[Path, Path]:
    """A Debian Secure Boot image and its unsigned twin."""
    one, other = pe_files.SIGNED_PAIRS[name]
    return tuple(realfiles.extracted(package) / path for package, path in (one, other))  # type: ignore[return-value]


def library() -> tuple[Path, Path]:
    """A library of 100 MB with one byte of code changed, and the intact one."""
    intact = (realfiles.extracted("libllvm14") / LIBRARY).resolve()

    def fill(where: Path) -> None:
        data = bytearray(intact.read_bytes())
        data[len(data) // 2] ^= 1
        (where / intact.name).write_bytes(data)

    return realfiles.made("bench", "libllvm-changed", fill) / intact.name, intact


_EXTRA = (
    "int verifier_extra(const char *a) { int s = 0; while (*a) s = s * 31 + *a++; return s; }\n"
)
_LINK = ("-shared", "-fuse-ld=gold", "-Wl,-soname,large", "-Wl,--unresolved-symbols=ignore-all")


def shifted() -> Path:
    """LLVM's static libraries as one library of 108 MB (121 with symbols), linked three times.

    `more` has one function before all others, `plain` has not, `last` has it behind all others.
    """
    archives = realfiles.extracted("llvm-14-dev") / "usr/lib/llvm-14/lib"

    def fill(where: Path) -> None:
        (where / "extra.c").write_text(_EXTRA)
        extra = where / "extra.o"
        subprocess.run(
            ["gcc", "-O2", "-fPIC", "-c", "-o", str(extra), str(where / "extra.c")], check=True
        )
        parts = [str(path) for path in sorted(archives.glob("libLLVM*.a"))]
        whole = ["-Wl,--whole-archive", *parts, "-Wl,--no-whole-archive"]
        orders = {"more": [str(extra), *whole], "plain": whole, "last": [*whole, str(extra)]}
        for name, order in orders.items():
            (where / name).mkdir()
            out, bare = where / name / "symbols.so", where / name / "stripped.so"
            subprocess.run(["g++", *_LINK, "-o", str(out), *order], check=True)
            subprocess.run(["strip", "-s", "-o", str(bare), str(out)], check=True)

    return realfiles.made("bench", "llvm-shifted", fill)


def module() -> tuple[Path, Path]:
    """The largest of the cloud kernel's modules, signed by two keys of our own."""

    def fill(where: Path) -> None:
        last = len(elf_build.modules()) - 1
        for name in ("shipped.ko", "rebuilt.ko"):
            (where / name).write_bytes(elf_build.signed_module(name, last))

    made = realfiles.made("bench", "module", fill)
    return made / "shipped.ko", made / "rebuilt.ko"


def modules() -> tuple[Path, Path, Path]:
    """Two trees of a thousand modules signed by two keys, and the shipped signer's certificate."""

    def fill(where: Path) -> None:
        tool = realfiles.extracted("linux-kbuild-6.1")
        sign = tool / "usr/lib/linux-kbuild-6.1/scripts/sign-file"
        root = realfiles.extracted("linux-image-6.1.0-50-amd64")
        found = sorted(root.rglob("*.ko"))[:MODULES]
        for side in ("shipped", "rebuilt"):
            private, certificate = elf_build.key(side)
            (where / f"{side}.pem").write_bytes(private)
            (where / f"{side}.der").write_bytes(certificate)
            for path in found:
                target = where / side / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_unsigned(path.read_bytes()))
                keys = (str(where / f"{side}.pem"), str(where / f"{side}.der"))
                subprocess.run([str(sign), "sha256", *keys, str(target)], check=True)

    made = realfiles.made("bench", "modules", fill)
    return made / "shipped", made / "rebuilt", made / "shipped.der"


def _unsigned(data: bytes) -> bytes:
    magic = elf_build.MAGIC
    if not data.endswith(magic):
        return data
    length = int.from_bytes(data[-len(magic) - 4 : -len(magic)], "big")
    return data[: -len(magic) - 12 - length]


def mixed() -> tuple[Path, Path]:
    """Two trees of a thousand files of real packages, ten of them with one byte changed."""

    def fill(where: Path) -> None:
        sources = ("linux-kbuild-6.1", "grub-efi-amd64-bin", "shim-unsigned", "libllvm14")
        roots = [realfiles.extracted(name) for name in sources]
        found = [(root, path) for root in roots for path in sorted(root.rglob("*"))]
        files = [each for each in found if each[1].is_file() and not each[1].is_symlink()]
        files = [each for each in files if each[1].stat().st_size < 8 << 20]
        root = realfiles.extracted("linux-image-6.1.0-50-amd64")
        files += [(root, path) for path in sorted(root.rglob("*.ko"))]
        for number, (root, path) in enumerate(files[:1_000]):
            for side in ("shipped", "rebuilt"):
                target = where / side / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                data = bytearray(path.read_bytes())
                if side == "shipped" and number % 100 == 50 and data:
                    data[len(data) // 2] ^= 1
                target.write_bytes(data)

    made = realfiles.made("bench", "mixed", fill)
    return made / "shipped", made / "rebuilt"


def kernels() -> tuple[Path, Path]:
    """The signed and the unsigned package of one kernel, 400 MB unpacked."""
    names = ("linux-image-6.1.0-50-amd64", "linux-image-6.1.0-50-amd64-unsigned")
    return tuple(map(realfiles.debian_package, names))  # type: ignore[return-value]
