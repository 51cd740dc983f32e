"""zlib for AArch64, by Debian's cross compiler: its objects linked in several ways."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from tests import realfiles

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1:1.2.13.dfsg-1"
_SOURCES = ("adler32", "crc32", "deflate", "infback", "inffast", "inflate", "inftrees", "trees",
            "zutil", "compress", "uncompr", "gzclose", "gzlib", "gzread", "gzwrite")  # fmt: skip
_OPTIONS = ("-O2", "-g0", "-fPIC", "-DHAVE_UNISTD_H", "-D_LARGEFILE64_SOURCE=1")
LIBRARIES = "/usr/aarch64-linux-gnu/lib"


def run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"


def _compiled(where: Path, changed: bool, options: tuple[str, ...]) -> None:
    fetched = realfiles.debian_source("zlib", VERSION)
    run(["dpkg-source", "--no-check", "-x", str(next(fetched.glob("*.dsc"))), "zlib"], where)
    tree = where / "zlib"
    shutil.copy(tree / "zconf.h.in", tree / "zconf.h")
    if changed:
        file = tree / "deflate.c"
        text = file.read_text("latin-1")
        assert text.count("strm->state->wrap != 2") == 1
        file.write_text(text.replace("strm->state->wrap != 2", "strm->state->wrap > 2"), "latin-1")
    for name in _SOURCES:
        command = ["aarch64-linux-gnu-gcc", *_OPTIONS, *options, "-c", f"{name}.c"]
        run([*command, "-o", str(where / f"{name}.o")], tree)
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
        run(command, objects)

    return (realfiles.made("a64-zlib", out, link) / "libz.so").read_bytes()


_SHAPES = """
#include <stdexcept>
#include <string>
struct Odd : std::runtime_error { using std::runtime_error::runtime_error; };
struct Shape { virtual ~Shape() {} virtual int area() const = 0; };
struct Square : Shape {
  int a; Square(int x) : a(x) {}
  int area() const override { if (a < 0) throw Odd("negative"); return a * a; }
};
Shape *square(int n) { return new Square(n); }
extern int calls;
int total(Shape *one, Shape *other) {
  try { calls++; return one->area() + other->area(); }
  catch (Odd &odd) { calls += 2; return odd.what()[0]; }
  catch (std::string &text) { return text.size() + calls; }
}
"""
_MAIN = """
#include <cstdio>
#include <cstdlib>
struct Shape;
extern Shape *square(int); extern int total(Shape *, Shape *);
int calls; static thread_local int depth = 3; static int table[300]; static int *ends = table + 300;
static const char *names[] = {"one", "two", "three", "four"};
static int kind(const char *text, int n) {
  switch (text[0]) {
    case 'a': return n * 3; case 'b': puts("b"); return 7; case 'c': return calls;
    case 'd': abort();
    case 'e': return depth++; case 'f': puts(names[n & 3]); return 2; case 'g': return n - 9;
    case 'h': return table[n]; case 'i': return n ^ 5; default: exit(n);
  }
}
int main(int count, char **texts) {
  int sum = 0;
  for (int n = 0; n < count; n++) sum += kind(texts[n], n) + total(square(n), square(-n));
  for (int *at = table; at != ends; at++) sum += *at;
  return sum;
}
"""
_FILL = 'extern "C" const char *filler(int n) { return n ? "some text" : "another text"; }'


@cache
def shapes(*, backwards: bool = False, stripped: bool = False) -> bytes:
    """An executable in C++ with exceptions, virtual functions, a switch, and thread-local data."""
    files = {"shapes": _SHAPES, "main": _MAIN, "fill": _FILL}

    def build(where: Path) -> None:
        for name, text in files.items():
            (where / f"{name}.cc").write_text(text)
            run(["aarch64-linux-gnu-g++", "-O2", "-fPIE", "-c", f"{name}.cc"], where)
        order = [f"{name}.o" for name in files]
        command = ["aarch64-linux-gnu-g++", "-pie", "-Wl,--build-id=none", "-o", "out"]
        command += ["-s"] if stripped else []
        run([*command, *(order[::-1] if backwards else order)], where)

    text = repr((files, backwards, stripped)).encode()
    return (realfiles.made("a64-shapes", sha256(text).hexdigest(), build) / "out").read_bytes()
