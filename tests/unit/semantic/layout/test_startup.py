"""What runs without being called, in images of which all moved: told through the map of functions.

Three constructors, of which two run; as many TLS callbacks; and code before them that moves all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds, places
from tests.unit.semantic.made import explained, gcc, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

AARCH64 = builds.Kind("aarch64", "so", "aarch64-linux-gnu-", ("-fPIC",))
FIXED = builds.Kind("fixed", "so", "", ("-no-pie",))  # a program at a fixed address: not decided
KINDS = [builds.ELF, AARCH64, FIXED, builds.PE, builds.PE32]
RUN = "__attribute__((constructor)) "
SOURCE = """
int state[9];
{before}
{0}static void alpha(void) {{ state[0] = 7; state[3] = state[4] * 9; }}
{1}static void beta(void) {{ state[1] = 8; }}
{2}static void gamma_(void) {{ state[2] = 9; for (int i = 0; i < 5; i++) state[i] ^= 3; }}
void (*const use[])(void) = {{ alpha, beta, gamma_ }};
{after}
"""
BEFORE = """
int extra(int x) { int s = 0; for (int i = 0; i < x; i++) s ^= state[i % 9] * 31 + i; return s; }
int (*more)(int) = extra;
"""
CALLBACKS = """
#include <windows.h>
static void NTAPI one(void *h, DWORD why, void *p) { state[5] += why; }
static void NTAPI two(void *h, DWORD why, void *p) { state[6] -= why; if (h) state[7] = 2; }
static void NTAPI three(void *h, DWORD why, void *p) { state[8] = why * 5 - state[3]; }
void *const all[] = { one, two, three };
#define ENTRY(name, section_name) \\
  PIMAGE_TLS_CALLBACK name##_entry __attribute__((section(section_name), used)) = name;
"""
NAMES = [kind.name for kind in KINDS]
STARTED = ("initialiser", "tls-callback", "relocation-added", "relocation-removed")
WHOLE, BARE = (), ("-s",)


def image(
    kind: Kind, *run: str, moved: bool = True, after: str = "", flags: tuple[str, ...] = ()
) -> bytes:
    """The library with constructors where `run` says so, behind other code if it is `moved`."""
    source = SOURCE.format(*run, before=BEFORE if moved else "", after=after)
    if kind is FIXED:
        source += "int main(void) { return state[0]; }\n"
    options = (*kind.flags, *(() if kind is FIXED else ("-shared",)), *flags)
    return gcc(source, *options, compiler=f"{kind.prefix}gcc")


@pytest.mark.parametrize("flags", [WHOLE, BARE])
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_only_moved_is_not_told(kind: Kind, flags: tuple[str, ...]) -> None:
    shipped, rebuilt = (
        image(kind, RUN, RUN, "", moved=moved, flags=flags) for moved in (True, False)
    )
    found = explained(shipped, rebuilt).differences
    assert not told(found, *STARTED)
    functions = [each for each in found if each.kind.startswith("function")]
    assert [each.kind for each in functions] == ["function-added"]
    assert functions[0].where == "extra" or (kind is FIXED and flags)


@pytest.mark.parametrize("flags", [WHOLE, BARE])
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_another_function_that_runs_is_told(
    kind: Kind, flags: tuple[str, ...], tmp_path: Path
) -> None:
    """As many run as before; the functions themselves are the same in both images."""
    sides = []
    for moved, run in ((True, (RUN, "", RUN)), (False, (RUN, RUN, ""))):
        sides.append(image(kind, *run, moved=moved, flags=flags))
        (tmp_path / f"{moved}").write_bytes(image(kind, *run, moved=moved))
    names = "gamma_", "beta"
    if flags:
        names = (
            _places(kind, tmp_path / "True", "gamma_"),
            _places(kind, tmp_path / "False", "beta"),
        )
    found = told(explained(*sides).differences, *STARTED)
    assert {(what, where.partition(" (")[0].lstrip("_")) for what, where in found} == {
        ("initialiser-added", names[0]),
        ("initialiser-removed", names[1]),
    }


def _places(kind: Kind, path: Path, name: str) -> str:
    section = places.image(path).get_section(".text")
    assert section
    return f".text+{places.addresses(kind, path)[name] - section.virtual_address:#x}"


@pytest.mark.parametrize("flags", [WHOLE, BARE])
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_one_function_more_is_told(kind: Kind, flags: tuple[str, ...]) -> None:
    shipped = image(kind, RUN, RUN, RUN, flags=flags)
    found = told(
        explained(shipped, image(kind, RUN, RUN, "", moved=False, flags=flags)).differences,
        *STARTED,
    )
    assert [what for what, _where in found] == ["initialiser-added"]
    again = told(
        explained(image(kind, RUN, RUN, "", moved=False, flags=flags), shipped).differences,
        *STARTED,
    )
    assert [what for what, _where in again] == ["initialiser-removed"]


@pytest.mark.parametrize("flags", [WHOLE, BARE])
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_another_order_is_told(kind: Kind, flags: tuple[str, ...]) -> None:
    first, last = (f"__attribute__((constructor({number}))) " for number in (1001, 1002))
    shipped = image(kind, first, last, "", flags=flags)
    rebuilt = image(kind, last, first, "", moved=False, flags=flags)
    ((what, where),) = told(explained(shipped, rebuilt).differences, *STARTED)
    assert what == "initialiser-order"
    assert where == (".init_array" if kind.format == "elf" else "__CTOR_LIST__")


@pytest.mark.parametrize("flags", [WHOLE, BARE])
def test_a_pointer_into_a_function_is_told(flags: tuple[str, ...]) -> None:
    entry = '__attribute__((section(".init_array"), used)) static void *p = (char *)beta + {};'
    shipped = image(builds.ELF, RUN, "", "", after=entry.format(4), flags=flags)
    rebuilt = image(builds.ELF, RUN, "", "", moved=False, after=entry.format(0), flags=flags)
    found = told(explained(shipped, rebuilt).differences, *STARTED)
    assert sorted(what for what, _where in found) == ["initialiser-added", "initialiser-removed"]


@pytest.mark.parametrize("flags", [WHOLE, BARE])
@pytest.mark.parametrize("kind", KINDS[3:], ids=NAMES[3:])
def test_callbacks_of_threads_are_told_by_the_map(kind: Kind, flags: tuple[str, ...]) -> None:
    def made(second: str, *, moved: bool) -> bytes:
        after = f'{CALLBACKS}ENTRY(one, ".CRT$XLC")\nENTRY({second}, ".CRT$XLE")\n'
        return image(kind, "", "", "", moved=moved, after=after, flags=flags)

    rebuilt = made("two", moved=False)
    assert not told(explained(made("two", moved=True), rebuilt).differences, *STARTED)
    found = told(explained(made("three", moved=True), rebuilt).differences, *STARTED)
    assert sorted(what for what, _where in found) == ["tls-callback-added", "tls-callback-removed"]
    named = sorted(re.sub(r"@\d+$", "", where).lstrip("_") for _what, where in found)
    assert flags or named == ["three", "two"]


def test_a_list_that_cannot_be_read_is_told_by_names_and_numbers() -> None:
    """A number among the pointers, which no relocation makes an address."""
    odd = '__attribute__((section(".init_array"), used)) static long number = 0x1234567;'
    shipped = image(builds.ELF, RUN, RUN, "", after=odd, flags=("-s",))
    rebuilt = image(builds.ELF, RUN, "", "", moved=False, after=odd, flags=("-s",))
    found = told(explained(shipped, rebuilt).differences, *STARTED)
    assert found == {
        ("initialiser-added", "INIT_ARRAY at start"): "Shipped 4 functions, rebuilt 3; "
        "nothing names them."
    }
