"""Places of code that a PE loader patches: told where they say more than that functions moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds
from tests.unit.semantic.made import explained, gcc, told

if TYPE_CHECKING:
    from tests.layouts.builds import Kind

SOURCE = """
int state[64];
{before}
int target(int x) {{ return state[x & 63] * 5; }}
int first(int x) {{ {more} return state[3] + state[x & 63] * 3; }}
__attribute__((naked)) void *held(void) {{ __asm__("{code}"); }}
int last(int x) {{ state[x & 31] = target(x); return state[9]; }}
"""
BEFORE = "int extra(int x) { for (int i = 0; i < x; i++) state[i & 7] ^= i * 31; return state[5]; }"
KINDS = ("relocation-added", "relocation-removed")


def image(kind: Kind, before: str = "", more: str = "", code: str = "ret") -> bytes:
    source = SOURCE.format(before=before, more=more, code=code)
    flags = ("-shared", "-Wl,--image-base=0x10000000")
    return gcc(source, *flags, compiler=f"{kind.prefix}gcc")


def test_operands_of_changed_functions_are_not_told() -> None:
    """32-bit code has one for each absolute address; the function itself is told."""
    more = "state[x & 7] = 4; state[x & 15] += state[11];"
    found = explained(image(builds.PE32, BEFORE, more), image(builds.PE32)).differences
    assert not told(found, *KINDS)
    assert {each.where for each in found if each.kind == "function-changed"} == {"first"}


@pytest.mark.parametrize("kind", [builds.PE, builds.PE32], ids=["pe", "pe32"])
def test_a_word_that_is_no_operand_is_told(kind: Kind) -> None:
    """A number in code that the loader changes: data for x86-64, an immediate that became none."""
    name = "_target" if kind is builds.PE32 else "target"
    word = ".long" if kind is builds.PE32 else ".quad"
    loaded = f"ret; .byte 0xff, 0xff; {word} {name}"
    plain = f"ret; .byte 0xff, 0xff; {word} 0x10001234"
    found = explained(image(kind, BEFORE, code=loaded), image(kind, code=plain)).differences
    assert {what for what, _where in told(found, *KINDS)} == {"relocation-added"}
    again = explained(image(kind, BEFORE, code=plain), image(kind, code=loaded)).differences
    assert {what for what, _where in told(again, *KINDS)} == {"relocation-removed"}
