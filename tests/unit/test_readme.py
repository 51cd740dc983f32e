"""The README says what is so: commands, exit codes, files, options."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from verifier.commands import COMMANDS
from verifier.commands.options import EXIT

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
TEXTS = {
    name: (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", *GUIDES)
}
TOLD = "".join(TEXTS[name] for name in ("README.md", *GUIDES))


def _help(*arguments: str) -> str:
    command = [sys.executable, "-m", "verifier", *arguments, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@cache
def _everything() -> str:
    """The help of all commands."""
    names = [[name] for name in COMMANDS] + [["journal", "check"], ["journal", "witness"]]
    names.append(["sandbox", "test"])
    names += [["source", "record"], ["cache", "prune"]]
    return "".join(_help(*name) for name in names)


def test_every_command_of_the_readme_exists_and_no_other() -> None:
    block = README.split("## What you can do")[1].split("```")[1]
    listed = set(re.findall(r"^verifier ([\w-]+)", block, re.MULTILINE))
    shown = set(re.findall(r"^│ ([\w-]+) ", _help().split("Commands")[1], re.MULTILINE))
    assert listed == shown


def test_the_exit_statuses_are_the_programs() -> None:
    for verdict, status in EXIT.items():
        assert re.search(rf"^\| `{verdict}` \|.*\| {status} \|$", README, re.MULTILINE)


@pytest.mark.parametrize("name", TEXTS)
def test_every_linked_file_is_there(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[name]):
        if not target.startswith("http"):
            assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("name", GUIDES)
def test_the_readme_leads_to_every_guide(name: str) -> None:
    assert f"({name})" in README


@pytest.mark.parametrize("name", TEXTS)
def test_every_named_path_is_there(name: str) -> None:
    for target in re.findall(r"`((?:verifier|tests|rules|fixtures|bench)/[\w./-]+)`", TEXTS[name]):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--\w+)", TOLD)) - {"--help"}))
def test_every_option_of_the_readme_exists(option: str) -> None:
    assert option in _everything()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)", TOLD))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
