"""What changed between two reports: worse, better, or neither."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from verifier import shape
from verifier.account import Input, InputClass, Inputs, Maker
from verifier.model import Difference, Policy, Problem, Report, Signer, Strength, Verdict, Waiver
from verifier.report import changed, changes, plain

SIGNER = Signer("CN=Vendor", "CN=CA", "1", "aa", "sha256", "bb", None, True, True)
SAME = reports.member("a", Verdict.IDENTICAL)
PATCHED = reports.member("a", Verdict.EQUIVALENT, patches=(reports.patch(),), signers=(SIGNER,))
FOUND = Difference("bytes", ".text", "They differ.", 5, 1)
RED = reports.member("a", Verdict.DIFFERENT, differences=(FOUND,))
GREY = reports.member("a", Verdict.INCONCLUSIVE, problems=(Problem("timeout", "a", "Slow."),))
INPUTS = Inputs("ptrace", (InputClass("source", 1, 2),))
WAIVER = Waiver("a", "x", "r", "2026-12-31", "A", None, None, "used")


def report(*members: Any, **changed_fields: Any) -> Report:
    return reports.made(*(members or (PATCHED,)), **changed_fields)


def found(old: Report, new: Report) -> set[tuple[str, str]]:
    both = changes.between(old, new)
    assert both.status == (1 if any(each.effect == "worse" for each in both.changes) else 0)
    shape.check(json.loads(changed.document(both)), "changes-v1", "it")
    assert changed.text(both)
    return {(each.what, each.effect) for each in both.changes}


BOTH_WAYS: list[tuple[str, Report, Report, set[str]]] = [
    ("a verdict", report(PATCHED), report(RED), {"verdict", "member", "difference"}),
    ("a doubt", report(PATCHED), report(GREY), {"verdict", "member", "problem"}),
    ("free bytes", report(SAME), report(PATCHED), {"free-bytes", "rule-fired", "member"}),
    (
        "another difference",
        report(RED),
        report(RED._replace(differences=(FOUND, FOUND))),
        {"difference"},
    ),
    (
        "a weakening",
        report(RED),
        report(RED._replace(differences=(FOUND, FOUND._replace(weakening="signature-removed")))),
        {"difference"},
    ),
    (
        "a signer",
        report(PATCHED),
        report(PATCHED._replace(signers=(SIGNER._replace(verified=False),))),
        {"signer"},
    ),
    (
        "a pin",
        report(PATCHED),
        report(PATCHED._replace(signers=(SIGNER._replace(pinned=False),))),
        {"signer"},
    ),
    (
        "drift",
        report(makers=(Maker("gcc", "a", "12", "12"),)),
        report(makers=(Maker("gcc", "a", "13", "12"),)),
        {"maker"},
    ),
    (
        "an unaccounted input",
        report(inputs=INPUTS),
        report(inputs=INPUTS._replace(unaccounted=(Input("/x", "no package"),))),
        {"inputs-unaccounted"},
    ),
    (
        "lost events",
        report(inputs=INPUTS),
        report(inputs=INPUTS._replace(problems=("lost",))),
        {"inputs-problem"},
    ),
    ("no inputs", report(inputs=INPUTS), report(), {"inputs"}),
    (
        "a weaker policy",
        report(policy=Policy("gate", Strength.SIGNED)),
        report(policy=Policy("gate", Strength.BOUNDED)),
        {"policy"},
    ),
    (
        "a policy that overlooks inputs",
        report(policy=Policy(unaccounted="inconclusive")),
        report(policy=Policy()),
        {"policy"},
    ),
    (
        "a rule that is denied no more",
        report(policy=Policy(denied=("elf.build-id",))),
        report(policy=Policy()),
        {"policy"},
    ),
    (
        "something that is tolerated",
        report(policy=Policy()),
        report(policy=Policy(tolerates=("detection-added",))),
        {"policy"},
    ),
    (
        "a waiver that is used",
        report(waivers=(WAIVER._replace(state="unused"),)),
        report(waivers=(WAIVER,)),
        {"waiver"},
    ),
    ("an early end", report(RED), report(RED, complete=False), {"complete"}),
    (
        "a problem of the run",
        report(RED),
        report(RED, problems=(Problem("unmatched", "artifacts", "x"),)),
        {"problem"},
    ),
    (
        "a new member that differs",
        report(SAME),
        report(SAME, RED._replace(path="b")),
        {"member-new"},
    ),
]


@pytest.mark.parametrize(
    ("_name", "good", "bad", "whats"), BOTH_WAYS, ids=[b[0] for b in BOTH_WAYS]
)
def test_what_is_worse_one_way_is_better_the_other(
    _name: str, good: Report, bad: Report, whats: set[str]
) -> None:
    there = found(good, bad)
    assert whats <= {what for what, effect in there if effect == "worse"}
    back = found(bad, good)
    assert not {what for what, effect in back if effect == "worse"}
    assert {effect for _, effect in back} >= {"better"}


NEITHER: list[tuple[Report, Report, str]] = [
    (report(rules_digest="0" * 64), report(rules_digest="1" * 64), "rules-digest"),
    (report(SAME), report(SAME, SAME._replace(path="b")), "member-new"),
    (report(SAME, SAME._replace(path="b")), report(SAME), "member-gone"),
    (
        report(),
        report(policy=Policy(parameters={"elf.build-id": {"a": "1"}}, reencode=0)),
        "policy",
    ),
    (report(), report(policy=Policy(name="ours")), "policy"),
    (
        report(source={"digest": "a", "description": "a"}),
        report(source={"digest": "a", "description": "b"}),
        "source-description",
    ),
    (
        report(inputs=INPUTS),
        report(inputs=INPUTS._replace(classes=(InputClass("source", 2, 3),))),
        "inputs-class",
    ),
    (report(), report(tool_versions={"verifier": "2"}), "verifier"),
    (report(source={"digest": "a"}), report(source={"digest": "b"}), "source-digest"),
    (
        report(),
        report(PATCHED._replace(shipped=reports.OTHER)),
        "shipped-digest",
    ),
    (
        report(),
        report(PATCHED._replace(patches=(reports.patch("elf.other"),))),
        "rule-fired",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "what"), NEITHER, ids=[f"{i}-{n[2]}" for i, n in enumerate(NEITHER)]
)
def test_what_is_told_and_is_no_worse(old: Report, new: Report, what: str) -> None:
    both = found(old, new)
    assert (what, "same") in both
    assert "worse" not in {effect for _, effect in both}


def test_nothing_changed() -> None:
    for each in (report(), reports.everything(), reports.large(20)):
        both = changes.between(each, each._replace(seconds=9.0))
        assert (both.status, both.changes) == (0, ())
        assert changed.text(both) == f"Nothing changed: {each.verdict}.\n"


def test_an_offset_that_moved_is_no_change() -> None:
    assert not found(report(RED), report(RED._replace(differences=(FOUND._replace(offset=9),))))


def test_two_members_of_one_name_are_both_looked_at() -> None:
    assert ("member", "worse") in found(report(SAME, SAME), report(SAME, RED))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (reports.made(), report(), "old report has no members"),
        (report(), reports.made(), "new report has no members"),
        (report(SAME), report(SAME._replace(path="b")), "no member in common"),
    ],
)
def test_reports_that_cannot_be_compared(old: Report, new: Report, why: str) -> None:
    both = changes.between(old, new)
    assert both.status == 3
    assert why in changed.text(both)
    shape.check(json.loads(changed.document(both)), "changes-v1", "it")


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text_is_inert(text: str) -> None:
    both = changes.between(report(SAME, *reports.hostile(text).members), report(SAME, RED))
    said = changed.text(both, verbose=True)
    assert all(plain.line(each, 10_000) == each for each in said.splitlines())
    assert "##[" not in changed.document(both)


def test_a_list_is_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    both = changes.between(report(SAME), report(SAME, *reports.large(1_000).members))
    assert len(changed.text(both).splitlines()) < 130
    assert len(changed.text(both, verbose=True).splitlines()) > 1_000
