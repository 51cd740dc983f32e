"""ELF files for cases: built here by the real compiler, and real Debian modules signed here."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests import realfiles

MAGIC = b"~Module signature appended~\n"
MARKER = b"MARKER-ONLY"

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
static const char banner[] = "the quick brown fox";
int counter = 7;
int twice(int value) { return value * 2 + counter; }
int main(int argc, char **argv) { printf("%s %d\\n", banner, twice(argc)); return atoi(argv[0]); }
"""
LIBRARY = """
#include <stdio.h>
int counter = 7;
int twice(int value) { return value * 2 + counter; }
int thrice(int value) { printf("%d", value); return twice(value) + value; }
"""

OBJECT = """
extern int printf(const char *, ...), scanf(const char *, ...);
static __thread int first, second, third;
int a(int x) { first += x; printf("alpha %d\\n", second++); return scanf("beta"); }
int b(int x) { second += x; printf("gamma %d\\n", third++); return scanf("delta") + first; }
"""

# C++: its templates stand in groups of sections.
GROUPED = """
extern "C" int printf(const char *, ...);
template <int N> int each(int x)
{ static int held; held += x; printf("number %d\\n", N); return held; }
static __attribute__((noinline)) int own(int x) { return each<3>(x) * each<4>(x + 1); }
int outer(int x) { return own(x) + own(x * 3) + printf("done"); }
"""


def run(*command: str, cwd: str | Path) -> None:
    """Run a real tool; its output is in the error."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@cache
def built(
    digits: str = "aa", source: str = PROGRAM, options: tuple[str, ...] = (), *, link: bool = True
) -> tuple[bytes, bytes]:
    """(stripped program, its debug file) with a build-id of repeated `digits` and a debug link."""
    build_id = digits * 20
    debug = f"{build_id[2:]}.debug"
    with tempfile.TemporaryDirectory() as work:
        Path(work, "a.c").write_text(source)
        flags = (
            "-g",
            "-O2",
            f"-ffile-prefix-map={work}=.",
            "-Wl,-z,relro,-z,now",
            f"-Wl,--build-id=0x{build_id}",
        )
        run("gcc", *flags, *options, "-o", "out", "a.c", cwd=work)
        run("objcopy", "--only-keep-debug", "out", debug, cwd=work)
        run("strip", "out", cwd=work)
        if link:
            run("objcopy", f"--add-gnu-debuglink={debug}", "out", cwd=work)
        return Path(work, "out").read_bytes(), Path(work, debug).read_bytes()


@cache
def compiled(source: str = PROGRAM, options: tuple[str, ...] = ()) -> bytes:
    """The output of one gcc run with `options`."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "a.c").write_text(source)
        run("gcc", *options, "-o", "out", "a.c", cwd=work)
        return Path(work, "out").read_bytes()


@cache
def with_debugdata(digits: str, *options: str) -> bytes:
    """The program with its symbols in an xz stream, as Fedora's are; `options` are for xz."""
    program, debug = built(digits)
    with tempfile.TemporaryDirectory() as work:
        Path(work, "out").write_bytes(program)
        Path(work, "debug").write_bytes(debug)
        run("xz", "--format=xz", *options, "debug", cwd=work)
        run("objcopy", "--add-section", ".gnu_debugdata=debug.xz", "out", cwd=work)
        return Path(work, "out").read_bytes()


@cache
def with_altlink(digits: str, path: str = "/usr/lib/debug/.dwz/x.debug") -> bytes:
    """The program with a link to shared debug data, as dwz(1) leaves it."""
    program, _ = built("aa")
    with tempfile.TemporaryDirectory() as work:
        Path(work, "out").write_bytes(program)
        Path(work, "link").write_bytes(path.encode() + b"\0" + bytes.fromhex(digits * 20))
        run("objcopy", "--add-section", ".gnu_debugaltlink=link", "out", cwd=work)
        return Path(work, "out").read_bytes()


@cache
def versioned() -> bytes:
    """A shared object that defines a symbol version and needs others."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "a.c").write_text(LIBRARY)
        Path(work, "map").write_text("ONE_1.0 { global: twice; };\nTWO_2.0 { global: thrice; };\n")
        script = ("-Wl,--version-script=map", "-Wl,--build-id=none")
        run("gcc", "-shared", "-fPIC", "-O2", *script, "-o", "out", "a.c", cwd=work)
        run("strip", "out", cwd=work)
        return Path(work, "out").read_bytes()


@cache
def modules() -> list[Path]:
    """The kernel modules of Debian's signed cloud kernel, smallest first."""
    root = realfiles.extracted(realfiles.signed_kernel_package())
    return sorted(root.rglob("*.ko"), key=lambda path: (path.stat().st_size, path.name))


@cache
def unsigned_module(index: int = 0) -> bytes:
    """A real module without its trailer; index 0 is the smallest."""
    data = modules()[index].read_bytes()
    if not data.endswith(MAGIC):
        return data
    length = int.from_bytes(data[-len(MAGIC) - 4 : -len(MAGIC)], "big")
    return data[: len(data) - len(MAGIC) - 12 - length]


@cache
def key(name: str) -> tuple[bytes, bytes]:
    """(private key PEM, certificate DER) of a signer called `name`, made by openssl."""
    with tempfile.TemporaryDirectory() as work:
        options = ("-newkey", "rsa:2048", "-nodes", "-days", "3650", "-outform", "DER")
        subject = ("-subj", f"/CN=verifier test {name}")
        files = ("-keyout", "key.pem", "-out", "cert.der")
        run("openssl", "req", "-new", "-x509", *options, *subject, *files, cwd=work)
        return Path(work, "key.pem").read_bytes(), Path(work, "cert.der").read_bytes()


@cache
def signed_module(name: str, index: int = 0, digest: str = "sha256") -> bytes:
    """A real module, signed by the kernel's own sign-file with the key of `name`."""
    tool = realfiles.extracted("linux-kbuild-6.1") / "usr/lib/linux-kbuild-6.1/scripts/sign-file"
    private, certificate = key(name)
    with tempfile.TemporaryDirectory() as work:
        Path(work, "key.pem").write_bytes(private)
        Path(work, "cert.der").write_bytes(certificate)
        Path(work, "m.ko").write_bytes(unsigned_module(index))
        run(str(tool), digest, "key.pem", "cert.der", "m.ko", cwd=work)
        return Path(work, "m.ko").read_bytes()
