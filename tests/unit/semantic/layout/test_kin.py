"""Functions without names that changed: known by who calls them, unless they are unlike."""

from __future__ import annotations

import pytest

from tests.layouts import builds
from tests.unit.semantic.made import explained, gcc

HELPER = """
static __attribute__((noinline)) int helper(int x)
{{
  int sum = x * 3, i;
  for (i = 0; i < (x & 15); i++)
    sum += state[(i * x) & 31] ^ {0};
  {1}
  return sum;
}}
"""
OTHER = """
static __attribute__((noinline)) int helper(int x)
{
  return (x << 3) - (x >> 2);
}
"""
SOURCE = """
int state[32];
{before}
{helper}
int first(int x) {{ return state[x & 31] + helper(x + 2); }}
int second(int x) {{ state[4] = helper(x ^ 5); return x; }}
"""
BEFORE = "int extra(int x) { for (int i = 0; i < x; i++) state[i & 7] ^= i * 31; return state[5]; }"
KINDS = [builds.ELF, builds.PE, builds.PE32]


def told(kind: builds.Kind, shipped: str, rebuilt: str) -> list[tuple[str, bool]]:
    """Kinds of differences of functions, and whether the function bears an exported name."""
    images = [
        gcc(
            SOURCE.format(before=before, helper=helper),
            *("-shared", "-s", *kind.flags),
            compiler=f"{kind.prefix}gcc",
        )
        for before, helper in ((BEFORE, shipped), ("", rebuilt))
    ]
    return sorted(
        (each.kind, not each.where.startswith(".text+"))
        for each in explained(*images).differences
        if each.kind.startswith("function")
    )


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_function_with_the_same_callers_is_the_same_function(kind: builds.Kind) -> None:
    changed = HELPER.format(5, "if (sum > 100) state[3] = sum;"), HELPER.format(5, "")
    assert told(kind, *changed) == [("function-added", True), ("function-changed", False)]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_one_that_is_unlike_came_and_the_other_went(kind: builds.Kind) -> None:
    found = told(kind, OTHER, HELPER.format(5, "if (sum > 100) state[3] = sum;"))
    assert ("function-changed", False) not in found
    assert ("function-added", False) in found
    assert ("function-removed", False) in found


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_function_that_alone_uses_a_text_is_the_same_function(kind: builds.Kind) -> None:
    """Nothing calls it: a table leads to it, among others."""
    source = """
    int state[32];
    extern int puts(const char *), putchar(int);
    {0}
    static int used(int x) {{ puts("a text of its own"); return state[x & 31] * {1}{2}; }}
    static int other(int x) {{ putchar(x & 127); return state[x & 15] * 3; }}
    int (*const table[])(int) = {{ {3} used }};
    """
    flags = ("-shared", "-s", *kind.flags)
    shipped, rebuilt = (
        gcc(source.format(*each), *flags, compiler=f"{kind.prefix}gcc")
        for each in (
            (BEFORE, 9, " - state[x & 7] / 3", "other,"),
            ("", 5, "", "other, other,"),
        )
    )
    told = [each.kind for each in explained(shipped, rebuilt).differences]
    assert told.count("function-changed") == 1  # and none for the end of a section, which moved
    assert "function-removed" not in told


def test_a_function_that_only_unnamed_ones_call_is_told_by_where_calls_come_from() -> None:
    source = """
    static volatile int state[32];
    #define APART static __attribute__((noinline, noclone))
    APART int deep(int x) {{ return state[x & 31] * {0}; }}
    APART int middle(int x) {{ return deep(x + 3) ^ state[5]; }}
    int outer(int x) {{ state[2] = middle(x) + 1; return x; }}
    """
    one, other = (gcc(source.format(each), "-shared", "-s", "-fPIC") for each in (5, 7))
    (where,) = [each.where for each in explained(one, other).differences if "func" in each.kind]
    assert where.endswith("(reached from outer)")
