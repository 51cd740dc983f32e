"""Values on the command line: read as typer reads them, without what it loads for that."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CODE = (
    "import sys, verifier.commands as c\ntry: c.main()\nfinally: print('pydantic' in sys.modules)"
)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_paths_and_texts_load_no_validators(tmp_path: Path) -> None:
    same = tmp_path / "same"
    same.write_bytes(b"text")
    report = tmp_path / "report.json"
    pins = "0" * 64, "1" * 64
    found = _run(
        *("compare", str(same), str(same), "--policy", "strict", "--json", str(report)),
        *("--signer", pins[0], "--signer", pins[1], "-v"),
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith("False\n"), "typer converts values in another way: see light.py"
    assert "Identical" in found.stdout
    assert report.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "one"), "Missing argument 'rebuilt'"),
        (("compare",), "Missing argument 'shipped'"),
        (("compare", "a", "b", "--jobs", "x"), "--jobs"),
        (("compare", "a", "b", "--jobs", "0"), "--jobs"),
        (("compare", "a", "b", "c"), "c"),
        (("compare", "a", "b", "--what"), "--what"),
        (("compare", "a", "b", "--json"), "--json"),
        (("rules", "show"), "Missing argument"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], said: str) -> None:
    found = _run(*arguments)
    assert found.returncode == 2
    assert said in found.stderr


def test_a_number_is_read_as_one(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    found = _run("compare", str(tmp_path / "one"), str(tmp_path / "other"), "--jobs", "1", "-q")
    assert (found.returncode, found.stdout.split()[0]) == (1, "different")
