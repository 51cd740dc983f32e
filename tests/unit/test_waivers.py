"""Waivers: for one field of one member, for these bytes, until a date; and never under strict."""

from functools import cache
from typing import Any

import pytest

from tests.cases import elf_build as make
from tests.support import STRICT, compare_bytes
from verifier.model import Strength, Verdict, Waiver

SOURCE = '#include <stdio.h>\nint main(void) {{ puts("built {}"); puts("plain"); return 0; }}\n'
FIELD = "section[.rodata]"


@cache
def dated(date: str) -> bytes:
    return make.compiled(SOURCE.format(date), ("-O2", "-Wl,--build-id=none"))


def waiver(**changes: Any) -> Waiver:
    shipped = dated("Nov 21 2026")
    values: dict[str, Any] = {
        "member": "file",
        "field": FIELD,
        "reason": "__DATE__ of the release build.",
        "expires": "2026-06-01",
        "author": "A. Auditor",
        "offset": shipped.index(b"Nov 21 2026"),
        "length": 11,
    }
    return Waiver(**{**values, **changes})


def compared(*waivers: Waiver, **settings: Any) -> Any:
    return compare_bytes(dated("Nov 21 2026"), dated("Jan  1 2020"), waivers=waivers, **settings)


def test_without_a_waiver_the_date_is_a_difference() -> None:
    found = compared()
    assert found.verdict is Verdict.DIFFERENT
    assert any(".rodata" in item.where for item in found.differences)


@pytest.mark.parametrize("whole", [True, False])
def test_a_waiver_settles_its_bytes_and_they_are_free(whole: bool) -> None:
    found = compared(waiver(offset=None, length=None) if whole else waiver())
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    (patch,) = found.patches
    assert patch.strength is Strength.WAIVED
    assert "A. Auditor" in patch.evidence
    assert patch.free_bytes == patch.length
    assert whole or patch.length == 11


@pytest.mark.parametrize(
    "changes",
    [
        {"member": "other"},
        {"field": "section[.data]"},
        {"length": 2},
        {"offset": 0},
    ],
)
def test_a_waiver_for_something_else_settles_nothing(changes: dict[str, Any]) -> None:
    found = compared(waiver(**changes))
    assert found.verdict is Verdict.DIFFERENT
    assert not found.patches


def test_an_expired_waiver_is_a_difference_that_says_so() -> None:
    found = compared(waiver(expires="2025-12-31"))
    assert found.verdict is Verdict.DIFFERENT
    (told,) = [item for item in found.differences if item.kind == "waiver-expired"]
    assert "2025-12-31" in told.summary


def test_strict_takes_no_waivers() -> None:
    policy = STRICT._replace(waivers=False)
    assert compared(waiver(), policy=policy).verdict is Verdict.DIFFERENT
