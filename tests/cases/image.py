"""Cases of programs that are one program laid out in two ways, and of some that are not."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tests.cases import Case
from tests.cases.elf_build import run
from verifier import policy

FIRST = """
int helper(int);
int first(int x) { return helper(x) * 3; }
int plain(int x) { return x - 11; }
"""
SECOND = """
int plain(int);
int helper(int x) { return plain(x) + 5; }
int second(int x) { return x ? helper(x) : plain(x + 1); }
"""
TEXTS = (
    'const char *one(int x) { return x ? "alpha" : "beta"; }',
    'const char *two(int x) { return x ? "gamma" : "delta, longer"; }',
)


@cache
def library(*sources: str, order: tuple[int, ...] = (0, 1)) -> bytes:
    """A shared object of these sources, linked in that order, with one build-id."""
    with tempfile.TemporaryDirectory() as work:
        names = []
        for number, source in enumerate(sources):
            Path(work, f"{number}.c").write_text(source)
            run("gcc", "-O2", "-fPIC", "-c", f"{number}.c", cwd=work)
            names.append(f"{number}.o")
        chosen = [names[number] for number in order]
        run("gcc", "-shared", "-Wl,--build-id=0xabcd", "-o", "out.so", *chosen, cwd=work)
        return Path(work, "out.so").read_bytes()


def _accepting() -> dict[str, Any]:
    return {"policy": policy.load("layout")}


def cases() -> list[Case]:
    """Objects in another order, without and with data whose cuts nothing proves."""
    back = (1, 0)
    code, texts = (FIRST, SECOND), TEXTS
    other = (FIRST.replace("- 11", "- 12"), SECOND)
    swapped = (TEXTS[0].replace('"alpha" : "beta"', '"beta" : "alpha"'), TEXTS[1])
    caught: Literal["caught"] = "caught"
    return [
        Case(
            *("image.layout", "objects in another order"),
            *(lambda: (library(*code), library(*code, order=back)), "settled"),
        ),
        Case(
            *("image.layout", "another order and another constant"),
            *(lambda: (library(*other), library(*code, order=back)), caught, "plain"),
        ),
        Case(
            *("image.layout", "texts in another order rest on assumptions"),
            *(lambda: (library(*texts), library(*texts, order=back)), caught, "image"),
        ),
        Case(
            *("image.layout-assumed", "texts in another order"),
            *(lambda: (library(*texts), library(*texts, order=back)), "settled", ""),
            _accepting,
        ),
        Case(
            *("image.layout-assumed", "another order and two texts exchanged"),
            *(lambda: (library(*swapped), library(*texts, order=back)), caught, "one"),
            _accepting,
        ),
    ]
