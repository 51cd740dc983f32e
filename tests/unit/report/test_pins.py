"""Pins of the source stand in each form for people, with their state; one that fails stands out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.samples import accounted
from verifier.model import Problem, Report, Verdict
from verifier.report import markdown, page, pins, terminal

PINS = [
    {"kind": "sha256", "value": "ab" * 32, "detail": "of the archive itself"},
    {"kind": "signature", "value": "CD" * 20, "detail": "OpenPGP signature, by alice"},
    {"kind": "audit-record", "value": "ef" * 32, "detail": "of bob, unsigned"},
]
DIFFERS = Problem("source-differs-from-record", "source", "It has changed.")
GONE = Problem("source-unavailable", "source", "The signature over a.tar.xz does not hold.")


def report(source: dict[str, Any] | None, *problems: Problem) -> Report:
    verdict = Verdict.INCONCLUSIVE if problems else Verdict.IDENTICAL
    return accounted()._replace(source=source, problems=problems, verdict=verdict)


def shown(told: Report) -> dict[str, str]:
    return {
        "text": terminal.text(told),
        "markdown": markdown.text(told),
        "page": page.text(told),
    }


@pytest.mark.parametrize("form", ["text", "markdown", "page"])
def test_every_pin_is_shown_with_its_state(form: str) -> None:
    told = shown(report({"kind": "archive", "description": "a.tar.xz", "pins": PINS}))[form]
    for pin in PINS:
        assert pin["value"] in told
        assert pin["detail"] in told
    assert pins.FAILED not in told
    if form != "text":
        assert "all 3 held" in told


@pytest.mark.parametrize("form", ["text", "markdown", "page"])
def test_a_record_that_the_tree_is_not_does_not_hold(form: str) -> None:
    told = report({"kind": "archive", "description": "a.tar.xz", "pins": PINS}, DIFFERS)
    assert [row.held for row in pins.rows(told)] == [True, True, False]
    assert pins.FAILED in shown(told)[form]
    assert "all 3 held" not in shown(told)[form]


@pytest.mark.parametrize("form", ["text", "markdown", "page"])
def test_a_source_that_was_refused_has_no_pin_that_holds(form: str) -> None:
    told = report(None, GONE)
    (row,) = pins.rows(told)
    assert (row.held, row.detail) == (False, GONE.summary)
    assert pins.FAILED in shown(told)[form]


def test_a_shipped_file_that_cannot_be_had_says_nothing_of_pins() -> None:
    assert all(row.held for row in pins.rows(report({"pins": PINS}, GONE)))


@pytest.mark.parametrize("odd", [None, 7, "x", ["x", None], [{}], [{"kind": ["x"]}], {"kind": "x"}])
def test_odd_pins_are_shown_and_break_nothing(odd: object) -> None:
    assert all(shown(report({"pins": odd})).values())
