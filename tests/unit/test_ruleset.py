from pathlib import Path

import pytest

from verifier import lint, ruleset
from verifier.errors import UsageError
from verifier.model import Strength

GOOD = """
id = "pe.coff-timestamp"
field = "coff.TimeDateStamp"
strength = "bounded"
check = "timestamp-window"
reason = "The linker stores its clock here."
risk = "Four bytes that a program can read back."
source = "PE format specification"
"""


def _write(root: Path, text: str, name: str = "coff-timestamp") -> Path:
    path = root / "pe" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_good_rule_loads(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    rule = ruleset.load(tmp_path).rules["pe.coff-timestamp"]
    assert rule.strength is Strength.BOUNDED
    assert ruleset.load(tmp_path).for_field(("pe",), "coff.TimeDateStamp") == (rule,)
    assert ruleset.load(tmp_path).for_field(("elf",), "coff.TimeDateStamp") == ()
    assert lint.lint(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("coff.TimeDateStamp", "coff.*", "by a pattern"),
        ('"bounded"', '"waived"', "strength"),
        ('"bounded"', '"certain"', "strength"),
        ('"timestamp-window"', '"always"', "does not exist"),
        ('id = "pe.coff-timestamp"', 'id = "pe.other"', "expected pe.coff-timestamp"),
        ('reason = "The linker stores its clock here."', "", "reason"),
        ('reason = "The linker stores its clock here."', 'reason = " "', "empty"),
        ('source = "PE format specification"', 'sauce = "x"', "sauce"),
        ('id = "pe.coff-timestamp"', "id = [", "not TOML"),
    ],
)
def test_a_faulty_rule_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    _write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UsageError, match=fault):
        _ = ruleset.load(tmp_path).rules
    with pytest.raises(UsageError, match=fault):
        ruleset.load(tmp_path).for_field(("pe",), "coff.TimeDateStamp")
    assert fault in lint.lint(tmp_path)[0]


def test_no_rules_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No rules"):
        _ = ruleset.load(tmp_path).rules


def test_the_digest_sees_every_byte_and_the_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = _write(tmp_path / "a", GOOD)
    before = ruleset.digest(tmp_path / "a")
    ruleset.digest.cache_clear()
    path.write_text(GOOD + "# a comment\n", "utf-8")
    assert ruleset.digest(tmp_path / "a") != before


def test_the_rules_of_this_tree_are_well_formed() -> None:
    assert lint.lint() == []
