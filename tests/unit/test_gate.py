"""Exit statuses: the default is the strictest, and what is tolerated is said."""

from typing import Any

import pytest

from tests import reports
from verifier import gate
from verifier.account import Input, InputClass, Inputs, Maker
from verifier.errors import UsageError
from verifier.model import Difference, Policy, Problem, Report, Verdict, Waiver
from verifier.report import forms, terminal

ADDED = Difference("detection-added", "Eicar", "Only the shipped one has it.")
CHANGED = Difference("function-changed", "main", "It does something else.")
WEAK = ADDED._replace(weakening="allowlist")
DOUBT = Problem("timeout", "a", "Too slow.")


def differs(*found: Difference, **changes: Any) -> Report:
    return reports.made(reports.member("a", Verdict.DIFFERENT, differences=found), **changes)


GOOD = reports.made(reports.member("a", Verdict.EQUIVALENT, patches=(reports.patch(),)))
GREY = reports.made(reports.member("a", Verdict.INCONCLUSIVE, problems=(DOUBT,)))
INPUTS = Inputs("ptrace", (InputClass("source", 1, 1),))
TOLERANT = Policy("ours", tolerates=("detection-added",))
ANY_NARROWING = ["weakening", "inconclusive", "bytes", "bytes,weakening"]


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (GOOD, 0),
        (reports.made(reports.member("a", Verdict.IDENTICAL)), 0),
        (differs(ADDED), 1),
        (differs(ADDED, policy=TOLERANT), 0),
        (differs(ADDED, CHANGED, policy=TOLERANT), 1),
        (differs(WEAK, policy=TOLERANT), 1),
        (differs(ADDED, policy=TOLERANT, complete=False), 1),
        (differs(ADDED, policy=TOLERANT, problems=(DOUBT,)), 1),
        (differs(), 1),
        (GREY, 3),
        (reports.made(), 3),
        (GOOD._replace(complete=False), 3),
        (GOOD._replace(problems=(DOUBT,)), 3),
        (reports.everything(), 1),
    ],
)
def test_the_default_lets_no_negative_pass(report: Report, status: int) -> None:
    found = gate.judge(report)
    assert (found.status, found.fail_on) == (status, ())
    assert bool(found.failed) == (status != 0)
    assert bool(found.tolerated) == (status == 0 and report.verdict is Verdict.DIFFERENT)


@pytest.mark.parametrize("asked", ANY_NARROWING)
def test_narrowing_tolerates_what_it_does_not_name_and_says_so(asked: str) -> None:
    found = gate.judge(differs(ADDED, CHANGED, CHANGED), gate.words(asked))
    assert found.status == 0
    told = [(each.kind, each.differences, each.by) for each in found.tolerated]
    assert told == [("detection-added", 1, "--fail-on"), ("function-changed", 2, "--fail-on")]


@pytest.mark.parametrize("asked", [*ANY_NARROWING, "drift", "different", "free"])
@pytest.mark.parametrize(
    "report",
    [
        differs(ADDED, WEAK),
        differs(ADDED, problems=(DOUBT,)),
        differs(ADDED, complete=False),
        differs(),
        GREY,
        reports.made(),
    ],
    ids=["weakening", "doubt", "incomplete", "untold", "inconclusive", "nothing"],
)
def test_nothing_narrows_away_a_weakening_or_a_doubt(report: Report, asked: str) -> None:
    found = gate.judge(report, gate.words(asked))
    assert found.status in {1, 3}
    assert not found.tolerated


def test_a_kind_that_is_named_fails() -> None:
    assert gate.judge(differs(ADDED, CHANGED), ("function-changed",)).status == 1
    assert gate.judge(differs(ADDED, policy=TOLERANT), ("detection-added",)).status == 1
    assert gate.judge(differs(ADDED, policy=TOLERANT), ("different",)).status == 1
    assert gate.judge(differs(ADDED, policy=TOLERANT), ("different", "bytes")).status == 1


@pytest.mark.parametrize(
    ("word", "report"),
    [
        ("drift", GOOD._replace(makers=(Maker("gcc", "a", "12", "13"),))),
        ("free", GOOD),
        ("unaccounted", GOOD._replace(inputs=INPUTS._replace(unaccounted=(Input("x", "y"),)))),
        ("unaccounted", GOOD._replace(inputs=INPUTS._replace(problems=("lost",)))),
        ("unaccounted", GOOD),
        ("waiver", GOOD._replace(waivers=(Waiver("a", "f", "r", "2030-01-01", state="used"),))),
        ("stale-waiver", GOOD._replace(waivers=(Waiver("a", "f", "r", "2020-01-01"),))),
    ],
)
def test_words_that_add_a_reason(word: str, report: Report) -> None:
    assert gate.judge(report).status == 0
    found = gate.judge(report, (word,))
    assert found.status == 1
    assert found.failed
    told = report._replace(gate=found)
    assert "exit status 1" in terminal.text(told)
    for form in forms.FORMS:
        assert found.failed[0] in forms.text(told, form).replace("`", "")
    assert gate.judge(differs(ADDED, policy=TOLERANT), ("drift",)).status == 0  # narrows nothing


@pytest.mark.parametrize(
    ("word", "report"),
    [
        ("drift", GOOD._replace(makers=(Maker("gcc", "a", "12", "12"),))),
        ("free", reports.made(reports.member("a", Verdict.IDENTICAL))),
        ("unaccounted", GOOD._replace(inputs=INPUTS)),
        ("waiver", GOOD),
        ("stale-waiver", GOOD._replace(waivers=(Waiver("a", "f", "r", "2", state="used"),))),
    ],
)
def test_words_that_have_nothing_to_add(word: str, report: Report) -> None:
    assert gate.judge(report, (word,)).status == 0


def test_what_is_tolerated_is_in_every_form() -> None:
    for asked in ((), ("weakening",)):
        report = differs(ADDED, policy=TOLERANT)
        report = report._replace(gate=gate.judge(report, asked))
        assert report.gate is not None
        by = report.gate.tolerated[0].by
        for said in (*(forms.text(report, form) for form in forms.FORMS), terminal.text(report)):
            assert "olerate" in said
            assert by in said.replace("`", "")
            assert "ifferent" in said or "DIFFERENT" in said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no ''"),
        ("diferent", "Did you mean different"),
        ("function-change", "Did you mean function-changed"),
        ("weakening,,drift", "no ''"),
        ("xyzzy", "or one of different, weakening"),
    ],
)
def test_an_unknown_word_is_refused(text: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        gate.words(text)
    assert gate.words(None) == ()
    assert gate.words("drift, drift ,bytes") == ("drift", "bytes")
