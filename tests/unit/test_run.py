"""How findings become the members of a report."""

from pathlib import Path

from verifier import run
from verifier.model import Difference, FileFacts, Member, Problem, Settings, Verdict
from verifier.pair import pair_paths

FACTS = FileFacts("0" * 64, 1, "raw")
FILE = Member("a", Verdict.IDENTICAL, FACTS, FACTS)
MODE = Member("a", Verdict.DIFFERENT, differences=(Difference("mode", "a", "It differs."),))


def test_a_files_mode_joins_its_member() -> None:
    (found,) = run._merged([MODE], [FILE])
    assert (found.verdict, found.shipped) == (Verdict.DIFFERENT, FACTS)
    assert found.differences == MODE.differences


def test_two_files_that_are_shown_by_one_name_are_both_told() -> None:
    assert run._merged([], [FILE, FILE]) == (FILE, FILE)


def test_what_was_never_compared_is_told_too() -> None:
    assert run._merged([MODE], []) == (MODE,)


def test_a_problem_on_the_way_to_the_comparison_leaves_no_positive_verdict(tmp_path: Path) -> None:
    sides = [tmp_path / side for side in ("shipped", "rebuilt")]
    for side in sides:
        side.write_bytes(b"the same")
    pairing, cause = pair_paths(*sides), Problem("not-recorded", "build", "Nothing was recorded.")
    assert run.compare(pairing, Settings(), 1).report.verdict is Verdict.IDENTICAL
    result = run.compare(pairing, Settings(), 1, origin=run.Origin(problems=(cause,)))
    assert result.report.verdict is Verdict.INCONCLUSIVE
    assert result.report.summary == "Inconclusive: Nothing was recorded."
    assert result.proof is None
