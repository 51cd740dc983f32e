"""Every rule: what it settles, what it must not hide, and that its check is needed."""

import pytest

from tests.cases import Case, archives, clamav, databases, elf, image, pe, pyc
from tests.support import compare_bytes
from verifier import checks, ruleset
from verifier.checks.base import Accepted
from verifier.model import Verdict

GROUPS = (pe, elf, image, archives, clamav, databases, pyc)
CASES = [case for group in GROUPS for case in group.cases()]
RULES = sorted(ruleset.load().rules)


def _caught(case: Case) -> bool:
    found = compare_bytes(*case.make(), **case.settings())
    return found.verdict is Verdict.DIFFERENT and any(
        case.where in item.where for item in found.differences
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule_id}: {case.name}")
def test_a_case(case: Case) -> None:
    found = compare_bytes(*case.make(), **case.settings())
    if case.expected == "settled":
        assert found.verdict is Verdict.EQUIVALENT, found.differences
        assert case.rule_id in found.rules
    else:
        assert found.verdict is Verdict.DIFFERENT
        assert any(case.where in where for where in found.where()), found.where()


@pytest.mark.parametrize("expected", ["settled", "caught"])
def test_every_rule_has_cases(expected: str) -> None:
    assert {case.rule_id for case in CASES if case.expected == expected} == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_check_that_accepts_everything_is_noticed(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced by one that always accepts, the check lets a case through that must be caught."""
    real, loose = checks.find, ruleset.load().rules[rule].check
    monkeypatch.setattr(
        checks, "find", lambda name: (lambda _: Accepted("")) if name == loose else real(name)
    )
    mine = [case for case in CASES if case.rule_id == rule and case.expected == "caught"]
    assert not all(_caught(case) for case in mine)
