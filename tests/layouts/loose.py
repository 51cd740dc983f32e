"""Small programs for machines and kinds of file of which no proof is made, built without libc."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.layouts import builds

if TYPE_CHECKING:
    from pathlib import Path

FIRST = """
extern int outside(const char *text);
int grow(const char *p, int n) { %s return outside("grown") + p[n]; }
int decide(int n) { return n %s 41 ? outside("more") : outside("less"); }
static int numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
int count(int n) { return numbers[n & 7]++; }
int many(int n) {
  switch (n) {
    case 0: return outside("zero"); case 1: return n * 7; case 2: return outside("two");
    case 3: return count(n); case 4: return decide(n) * 3; case 5: return numbers[3];
    case 6: return outside("six") + n; default: return -1;
  }
}
"""
SECOND = """
extern int grow(const char *p, int n), decide(int n), count(int n), many(int n);
static const char *const names[] = {"alpha", "beta", "gamma"};
static int (*const table[])(int) = {decide, count, many};
static char memory[512];
const char *name(int n) { return names[n % 3]; }
int call(int n) { return table[n % 3](n); }
int keep(int n) { memory[n & 511] = n; return memory[(n + 1) & 511]; }
int twice(int n) { return grow(name(n), n) * 2 + keep(n); }
void begin(void) { keep(call(many(twice(3)))); }
"""
OUTSIDE = "int outside(const char *text) { return text[0]; }\n"
LONGER = "int s = 0; for (int i = 0; i < n; i++) s += p[i] * p[n - i]; if (s > 99) return s;"


class Kind(NamedTuple):
    """How a program is built: compiler, its options, those of the linker; none for objects."""

    compiler: str
    options: tuple[str, ...]
    link: tuple[str, ...]


_FIXED = ("-static", "-no-pie", "-nostdlib", "-Wl,-e,begin", "-Wl,--build-id=none")
_SHARED = ("-shared", "-nostdlib", "-Wl,--build-id=none")
_NO_PIC = ("-fno-pie", "-fno-pic")
_ARM = "arm-linux-gnueabihf-gcc"
_A64 = "aarch64-linux-gnu-gcc"
KINDS = {
    "x86-64 fixed": Kind("gcc", _NO_PIC, _FIXED),
    "x86-64 object": Kind("gcc", ("-fPIC",), ()),
    "x86-64 object in sections": Kind("gcc", ("-fno-pic", "-ffunction-sections"), ()),
    "x86-64 object of a kernel": Kind("gcc", (*_NO_PIC, "-mcmodel=kernel", "-mno-red-zone"), ()),
    "i386 fixed": Kind("gcc", ("-m32", *_NO_PIC), ("-m32", *_FIXED)),
    "i386 shared": Kind("gcc", ("-m32", "-fPIC"), ("-m32", *_SHARED)),
    "i386 object": Kind("gcc", ("-m32", "-fPIC"), ()),
    "ARM fixed": Kind(_ARM, ("-marm", *_NO_PIC), _FIXED),
    "Thumb fixed": Kind(_ARM, ("-mthumb", *_NO_PIC), _FIXED),
    "ARM shared": Kind(_ARM, ("-marm", "-fPIC"), _SHARED),
    "Thumb shared": Kind(_ARM, ("-mthumb", "-fPIC"), _SHARED),
    "Thumb object": Kind(_ARM, ("-mthumb", "-fPIC"), ()),
    "AArch64 fixed": Kind(_A64, _NO_PIC, _FIXED),
    "AArch64 object": Kind(_A64, ("-fPIC",), ()),
}


def built(kind: Kind, out: Path, *, changed: bool = False, turned: bool = False) -> Path:
    """The program in the directory `out`; `changed` in two functions, or its objects `turned`."""
    out.mkdir()
    first = FIRST % ((LONGER, "<=") if changed else ("", ">"))
    texts = {"first": first, "second": SECOND, "outside": OUTSIDE}
    for name, text in texts.items():
        (out / f"{name}.c").write_text(text)
    options = ("-O2", "-fno-inline", "-fno-ipa-cp", "-ffreestanding", *kind.options)
    names = list(texts)[: 3 if kind.link else 2]
    for name in names:
        builds.run(kind.compiler, *options, "-c", f"{name}.c", "-o", f"{name}.o", where=out)
    files = [f"{name}.o" for name in (reversed(names) if turned else names)]
    link = kind.link or ("-r", "-nostdlib", *(each for each in kind.options if each == "-m32"))
    builds.run(kind.compiler, *link, "-o", "program", *files, where=out)
    return out / "program"
