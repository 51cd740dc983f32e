"""The options of the recipe `ruleset`."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.errors import UsageError
from verifier.spec import RulesetBuild, load

SPECS = Path(__file__).parents[3] / "fixtures" / "specs"


def read(place: Path, options: str, source: str = 'kind = "directory"\npath = "."') -> RulesetBuild:
    path = place / "audit.toml"
    path.write_text(f'[source]\n{source}\n[build]\nrecipe = "ruleset"\n{options}\n', "utf-8")
    plan = load(path).build
    assert isinstance(plan, RulesetBuild)
    return plan


def test_the_example_and_the_defaults(tmp_path: Path) -> None:
    plan = load(SPECS / "ruleset.toml").build
    assert plan == RulesetBuild("rules.tar.gz", ("rules/*.rules",))
    assert read(tmp_path, 'archive = "a.zip"') == RulesetBuild("a.zip")
    assert read(tmp_path, 'archive = "a.zip"\nfolder = "/x/"').folder == "x"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "archive is missing"),
        ('archive = "rules.rar"', r"in .tar.gz, .tar or .zip"),
        ('archive = "../rules.zip"', r"in .tar.gz, .tar or .zip"),
        ('archive = "a\'b.zip"', r"in .tar.gz, .tar or .zip"),
        ('archive = "a.zip"\ninclude = ["../*"]', "leads out"),
        ('archive = "a.zip"\nexclude = ["/etc/*"]', "leads out"),
        ('archive = "a.zip"\nfolder = "a/../../b"', "leads out"),
        ('archive = "a.zip"\nlevel = 0', "from 1 to 9"),
        ('archive = "a.zip"\nsource_date_epoch = 0', "1980"),
        ('archive = "a.zip"\npackages = ["zip"]', "sandbox.root"),
        ('archive = "a.zip"\npackages = ["--yes"]', "is wrong"),
        ('archive = "a.zip"\nlevl = 1', "level"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, options)


def test_a_debian_package_is_no_ruleset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ruleset cannot build a source of kind debian"):
        read(tmp_path, 'archive = "a.zip"', 'kind = "debian"\npackage = "tree"\nversion = "1-1"')
