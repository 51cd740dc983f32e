"""How findings become the members of a report."""

from verifier import run
from verifier.model import Difference, FileFacts, Member, Verdict

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
