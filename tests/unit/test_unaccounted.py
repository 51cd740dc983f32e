"""What a policy makes of inputs, and how it comes to the verdict of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from verifier import policy, run, unaccounted, verify
from verifier.account import Input, InputClass, Inputs
from verifier.copied import Copy
from verifier.errors import UsageError
from verifier.model import Policy, Settings, Verdict
from verifier.pair import files

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = Inputs("strace", (InputClass("source", 1, 5),))
ODD = CLEAN._replace(unaccounted=(Input("/opt/x.h", "belongs to no package", ("make", "cc1 x.c")),))
BLIND = CLEAN._replace(problems=("A line of the recording is not understood: x",))
DEMANDING = [policy.BUILT_IN["strict"], Policy("p", unaccounted="different")]


def test_what_the_policies_say() -> None:
    assert policy.BUILT_IN["strict"].unaccounted == "inconclusive"
    assert policy.BUILT_IN["standard"].unaccounted == "report"


@pytest.mark.parametrize("inputs", [None, CLEAN, ODD, BLIND])
def test_a_report_alone_changes_nothing(inputs: Inputs | None) -> None:
    assert unaccounted.judge(inputs, Policy()) == unaccounted.Demands()


@pytest.mark.parametrize("demanding", DEMANDING)
def test_nothing_unaccounted_is_nothing_to_say(demanding: Policy) -> None:
    assert unaccounted.judge(CLEAN, demanding) == unaccounted.Demands()


@pytest.mark.parametrize("demanding", DEMANDING)
@pytest.mark.parametrize("inputs", [None, BLIND])
def test_no_whole_recording_is_never_a_clean_one(demanding: Policy, inputs: Inputs | None) -> None:
    problems = unaccounted.judge(inputs, demanding).problems
    assert [problem.kind for problem in problems] == ["inputs-not-recorded"]


def test_an_input_without_an_account_is_a_problem_or_a_difference() -> None:
    strict, different = (unaccounted.judge(ODD, each) for each in DEMANDING)
    (problem,) = strict.problems
    assert (problem.kind, problem.where) == ("input-unaccounted", "/opt/x.h")
    assert "read by cc1 x.c" in problem.summary
    assert different.member is not None
    assert different.member.verdict is Verdict.DIFFERENT
    assert different.member.differences[0].where == "/opt/x.h"


BLOB = Copy("a.efi", "the shipped file is a file of the audited source, x.efi")


def test_a_copy_counts_as_an_input_without_an_account_and_a_text_does_not() -> None:
    assert unaccounted.judge(CLEAN, Policy(), [BLOB]) == unaccounted.Demands()
    strict, different = (unaccounted.judge(ODD, each, [BLOB]) for each in DEMANDING)
    assert [each.kind for each in strict.problems] == ["input-unaccounted", "artifact-in-source"]
    assert "a.efi" in strict.problems[1].summary
    assert different.member is not None
    kinds = [each.kind for each in different.member.differences]
    assert (different.problems, kinds) == ((), ["input-unaccounted", "artifact-in-source"])
    for each in DEMANDING:
        alone = unaccounted.judge(CLEAN, each, [BLOB])
        assert alone.problems or alone.member
        blind = unaccounted.judge(None, each, [BLOB])
        assert blind.problems[0].kind == "inputs-not-recorded"
        text = unaccounted.judge(CLEAN, each, [BLOB._replace(text=True)])
        assert text == unaccounted.Demands()


def test_the_verdict_of_a_run_bears_it(tmp_path: Path) -> None:
    for side in ("shipped", "rebuilt"):
        (tmp_path / side).write_bytes(b"the same")
    pairing = verify.Pairing((files("f", tmp_path / "shipped", tmp_path / "rebuilt"),), ())
    for inputs, found in (
        (CLEAN, (Verdict.IDENTICAL, Verdict.IDENTICAL)),
        (ODD, (Verdict.INCONCLUSIVE, Verdict.DIFFERENT)),
        (BLIND, (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)),
    ):
        for demanding, verdict in zip(DEMANDING, found, strict=True):
            demands = unaccounted.judge(inputs, demanding)
            origin = run.Origin(inputs=inputs, problems=demands.problems)
            members = () if demands.member is None else (demands.member,)
            settings = Settings(policy=demanding)
            result = run.compare(pairing._replace(members=members), settings, 1, origin=origin)
            assert result.report.verdict is verdict
            assert (result.proof is None) is not verdict.positive
            assert result.report.inputs == inputs


def test_the_key_of_a_policy_file(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('unaccounted = "different"\n')
    assert policy.load(str(path)).unaccounted == "different"
    path.write_text('unaccounted = "ignored"\n')
    with pytest.raises(UsageError, match="none of report, inconclusive, different"):
        policy.load(str(path))
