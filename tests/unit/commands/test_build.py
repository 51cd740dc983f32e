"""Only the command that runs is imported, and the table of commands says what they say."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier import commands
from verifier.commands import COMMANDS, GROUPS

FOLDER = Path(commands.__file__).parent
HEAVY = ("cryptography", "securesystemslib", "sqlite3", "rfc8785", "zstandard", "verifier.attest")
LOOK = """
import sys
from verifier import commands
sys.argv = ["verifier", *sys.argv[1:]]
try:
    commands.main()
except SystemExit:
    pass
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""


def _modules(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOOK, *arguments]
    # Measuring coverage loads modules of its own.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    module = importlib.import_module(f"verifier.commands.{name.replace('-', '_')}")
    assert module.command.__doc__.split("\n")[0] == COMMANDS[name]
    assert "Examples:" in module.EXAMPLES


@pytest.mark.parametrize("name", GROUPS)
def test_the_table_says_what_the_group_says(name: str) -> None:
    assert importlib.import_module(f"verifier.commands.{name}").app.info.help == GROUPS[name]


def test_every_file_is_a_command() -> None:
    files = {path.stem for path in FOLDER.iterdir() if not path.name.startswith("__")}
    assert files - {"light", "options"} == {name.replace("-", "_") for name in (*COMMANDS, *GROUPS)}


@pytest.mark.parametrize("arguments", [["--help"], ["rules", "list"], ["--version"]])
def test_short_commands_import_nothing_that_is_heavy(arguments: list[str]) -> None:
    found = _modules(*arguments)
    assert not [name for name in found if name.startswith(HEAVY)]
    others = {f"verifier.commands.{name}" for name in COMMANDS} - {"verifier.commands.check"}
    assert not found & others
