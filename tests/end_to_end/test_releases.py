"""Directories of databases and updates, compared and verified as releases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.cases import clamav_build as make

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "verifier/schemas/report-v1.json").read_text("utf-8")
)
CHAIN = ("test-1.cvd", *(f"test-{number}.cdiff" for number in range(2, 7)), "test-6.cvd")


def _compare(place: Path, shipped: Iterable[str], *options: str) -> dict[str, Any]:
    """The report on a release whose databases an auditor packed again, and whose updates are his.

    With `as-shipped` among the options, both sides hold the same files.
    """
    alike = "as-shipped" in options
    for side in ("shipped", "rebuilt"):
        (place / side).mkdir()
        for name in shipped:
            own = side == "rebuilt" and name.endswith(".cvd") and not alike
            (place / side / name).write_bytes(make.rebuilt(name) if own else make.file(name))
    report = place / "report.json"
    command = [sys.executable, "-m", "verifier", "compare", place / "shipped", place / "rebuilt"]
    more = [option for option in options if option != "as-shipped"]
    done = subprocess.run(
        [*command, "--json", report, *more], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(report.read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    assert done.returncode == (0 if document["verdict"] in {"identical", "equivalent"} else 1)
    return document


def _told(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (item["kind"], member["path"])
        for member in document["members"]
        for item in member["differences"]
    }


def test_a_whole_chain_is_one_release(tmp_path: Path) -> None:
    document = _compare(tmp_path, CHAIN)
    assert document["verdict"] == "equivalent", _told(document)


@pytest.mark.parametrize("option", ["as-shipped", "--policy=standard"])
def test_a_gap_is_a_difference_whoever_has_it(option: str, tmp_path: Path) -> None:
    document = _compare(tmp_path, [name for name in CHAIN if name != "test-4.cdiff"], option)
    assert _told(document) == {("update-gap", "test-5.cdiff")}


def test_an_update_that_only_customers_get_is_part_of_the_chain(tmp_path: Path) -> None:
    (tmp_path / "shipped").mkdir(parents=True)
    extra = tmp_path / "shipped/test-4.cdiff"
    extra.write_bytes(make.file("test-4.cdiff"))
    (tmp_path / "rebuilt").mkdir()
    for side in ("shipped", "rebuilt"):
        for name in ("test-1.cvd", "test-2.cdiff"):
            (tmp_path / side / name).write_bytes(make.file(name))
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "verifier", "compare", tmp_path / "shipped"]
    subprocess.run([*command, tmp_path / "rebuilt", "--json", report], check=False)
    told = _told(json.loads(report.read_text()))
    assert told == {("member-added", "test-4.cdiff"), ("update-gap", "test-4.cdiff")}
