"""A small library with one of everything to tamper with, in two orders of its objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests import realfiles
from tests.layouts import builds
from tests.layouts.builds import ELF

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

_VERSION = 7  # raise it when anything here changes

ONE = r"""
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#define HIDDEN
#else
#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
#endif
struct both { const char *text; int (*run)(int); long numbers[4]; };
HIDDEN int plus_one(int x) { return x * 3 + 1; }
HIDDEN int plus_two(int x) { return x * 5 + 2; }
HIDDEN int twin_left(int x) { puts("left"); return x + 1; }
HIDDEN int twin_right(int x) { puts("right"); return x + 1; }
static int (*const table[])(int) = { plus_one, plus_two, twin_left, twin_right };
EXPORT struct both shared = { "first text", plus_one, { 1, 2, 3, 4 } };
HIDDEN long long halves[8] = { 11, 12, 13, 14, 21, 22, 23, 24 };
static __thread int mine = 7;
__attribute__((constructor)) static void starts(void) { shared.numbers[0] += 5; }
__attribute__((constructor)) static void starts_too(void) { shared.numbers[0] *= 7; }
__attribute__((destructor)) static void ends(void) { shared.numbers[1] = 0; }
EXPORT int call(int n, int x) { return table[n & 3](x) + mine; }
EXPORT const char *say(int n) { return n ? "text number one" : "text number two"; }
EXPORT int choose(int n) {
  switch (n) {
    case 0: return puts("zero"); case 1: return plus_two(n); case 2: return getchar();
    case 3: return plus_one(n) * 7; case 4: return abs(n); case 5: return rand();
    case 6: return twin_left(3); case 7: mine = n; return 9; default: return -1;
  }
}
EXPORT long walk(void) { long s = 0; for (int i = 0; i < 8; i++) s += halves[i]; return s; }
EXPORT void set(int n, long x) { halves[n & 7] = x; }
EXPORT long front(void) { return halves[1]; }
EXPORT long back(void) { return halves[5]; }
"""
TWO = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#define HIDDEN
#else
#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
#endif
HIDDEN int plus_one(int x); HIDDEN int plus_two(int x);
HIDDEN int minus(int x) { return x - 17; }
HIDDEN int over(int x) { return x / 11; }
static unsigned char memory[256];
EXPORT char words[] = "words that can be written";
static const char *const names[] = { "alpha", "gamma", "delta" };
EXPORT const char *name(int n) { return names[n % 3]; }
EXPORT int store(int n, int x) { memory[n & 255] = x; return memory[(n + 1) & 255]; }
EXPORT int work(const char *text) {
  char *copy = strdup(text); int n = (int)strlen(copy) + minus(3) + over(100);
  memset(memory, n, sizeof memory); free(copy); printf("%s %d\n", words, n);
  return plus_one(n) - plus_two(n);
}
#ifdef TABLE
EXPORT int indirect(int n, int x) {
  extern const int hidden_table[];
  int (*f)(int) = (int (*)(int))((const char *)&hidden_table[n & 1] + hidden_table[n & 1]);
  return f(x);
}
#endif
"""
TABLE = r"""
  .section .rodata
  .balign 4
  .globl hidden_table
  .hidden hidden_table
hidden_table:
  .long minus - .
  .long over - .
  .section .note.GNU-stack,"",@progbits
"""
TABLE_PE = r"""
  .section .rdata,"dr"
  .balign 4
  .globl hidden_table
hidden_table:
  .long minus - .
  .long over - .
"""
MORE_PE = r"""
#include <windows.h>
extern __declspec(dllimport) int far_number;
int near_number = 3;
static void NTAPI at_thread(PVOID h, DWORD why, PVOID p) { near_number += why; }
static void NTAPI at_thread_too(PVOID h, DWORD why, PVOID p) { near_number -= why; }
typedef void (NTAPI *callback)(PVOID, DWORD, PVOID);
__attribute__((section(".CRT$XLC"))) callback first_callback = at_thread;
__attribute__((section(".CRT$XLD"))) callback other_callback = at_thread_too;
extern int far_data, far_more;
int *far_place = &far_data; int *far_place_too = &far_more;
__declspec(dllexport) int reach(void) {
  return *far_place + far_data - far_more * *far_place_too + near_number;
}
"""
FAR = r"""
__declspec(dllexport) int far_data = 5; __declspec(dllexport) int far_more = 6;
"""
RESOURCES = r"""
1 RCDATA { "the first resource", 0 }
2 RCDATA { "the other resource", 0 }
"""


def library(kind: Kind, *, turned: bool, bare: bool, table: bool = False) -> Path:
    """The library; `turned` with its objects in the opposite order, `bare` without symbols.

    With `table` it has a table of distances that no relocation, and no slot, tells of.
    """
    name = f"{kind.name}-{'table' if table else 'plain'}-{_VERSION}"
    where = realfiles.made("layout-rich", name, lambda out: _build(kind, out, table))
    return where / f"{'2' if turned else '1'}" / f"lib{'-stripped' * bare}.{kind.suffix}"


def _build(kind: Kind, out: Path, table: bool) -> None:
    flags = ("-O2", "-fno-inline", *kind.flags, *(("-DTABLE",) if table else ()))
    sources = {"one.c": ONE, "two.c": TWO}
    if table:
        sources["table.s"] = TABLE if kind is ELF else TABLE_PE
        if kind.word == 4:
            sources["table.s"] = re.sub(r"\b(hidden_table|minus|over)\b", r"_\1", TABLE_PE)
    parts = []
    for name, text in sources.items():
        (out / name).write_text(text)
        builds.run(kind.compiler(out / name), *flags, "-c", name, where=out)
        parts.append((out / name).with_suffix(".o"))
    more: tuple[str, ...] = ("-Wl,--build-id=none",)
    last: tuple[Path, ...] = ()
    if kind is not ELF:
        last = (_pe_parts(kind, out, parts),)
        more = ("-Wl,--no-insert-timestamp", "-Wl,--enable-auto-import")
    for name, objects in (("1", parts), ("2", parts[::-1])):
        path = out / name / f"lib.{kind.suffix}"
        builds.linked(kind, (*objects, *last), path, *more)
        builds.stripped(kind, path)


def _pe_parts(kind: Kind, out: Path, parts: list[Path]) -> Path:
    (out / "more.c").write_text(MORE_PE)
    (out / "far.c").write_text(FAR)
    (out / "lib.rc").write_text(RESOURCES)
    builds.run(f"{kind.prefix}gcc", "-O2", "-c", "more.c", where=out)
    builds.run(f"{kind.prefix}gcc", "-shared", "-o", "far.dll", "far.c",
               "-Wl,--out-implib,far.a", where=out)  # fmt: skip
    builds.run(f"{kind.prefix}windres", "lib.rc", "resources.o", where=out)
    parts += [out / "more.o", out / "resources.o"]
    return out / "far.a"
