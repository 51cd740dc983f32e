"""compare --markdown --sarif --junit, show, diff and --fail-on, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.report import validators


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of one good and one bad comparison."""
    folder = tmp_path_factory.mktemp("forms")
    for side in ("shipped", "good", "bad"):
        (folder / side).mkdir()
        (folder / side / "script").write_text(f"print({side != 'bad'})\n" * 3, "utf-8")
        (folder / side / "<b>\n::warning::x").write_text("same", "utf-8")
    for name, status in (("good", 0), ("bad", 1)):
        asked = [
            f"--{form}={folder / name}.{form}" for form in ("json", "markdown", "sarif", "junit")
        ]
        done = run("compare", folder / "shipped", folder / name, *asked)
        assert done.returncode == status, done.stderr
    return folder


def test_each_form_is_valid_and_tells_the_verdict(folder: Path) -> None:
    for name, verdict in (("good", "identical"), ("bad", "different")):
        read = {each.suffix[1:]: each.read_text("utf-8") for each in folder.glob(f"{name}.*")}
        log = validators.sarif(read["sarif"])
        assert log["runs"][0]["properties"]["verdict"] == verdict
        suite = validators.junit(read["junit"])
        assert (int(suite.get("failures")) > 0) == (verdict == "different")
        assert verdict.upper() in read["markdown"]
        validators.markdown(read["markdown"])
        assert json.loads(read["json"])["verdict"] == verdict


@pytest.mark.parametrize("form", ["json", "markdown", "sarif", "junit"])
def test_a_saved_report_is_shown_as_it_was_written(folder: Path, form: str) -> None:
    for name, status in (("good", 0), ("bad", 1)):
        done = run("show", folder / f"{name}.json", f"--{form}", "-")
        assert (done.returncode, done.stderr) == (status, "")
        assert done.stdout == (folder / f"{name}.{form}").read_text("utf-8")


def test_show_prints_for_people_and_keeps_the_status(folder: Path) -> None:
    done = run("show", folder / "bad.json")
    assert done.returncode == 1
    assert done.stdout.startswith("Different: ")
    assert run("show", folder / "bad.json", "--quiet").stdout == "different\n"
    lenient = run("show", folder / "bad.json", "--fail-on", "weakening")
    assert lenient.returncode == 0
    assert "tolerates all that differs" in lenient.stderr
    assert "Tolerated by --fail-on" in lenient.stdout
    assert run("show", folder / "good.json", "--fail-on", "drift,waiver,free").returncode == 0
    assert run("show", folder / "good.json", "--fail-on", "unaccounted").returncode == 1
    assert run("show", folder / "good.json", "--fail-on", "nothing").returncode == 2
    assert run("show", folder / "none.json").returncode == 2
    (folder / "odd.json").write_text("{}", "utf-8")
    assert run("show", folder / "odd.json").returncode == 3


def test_a_gate_of_compare_is_in_the_report_and_in_show(folder: Path) -> None:
    report = folder / "lenient.report"
    asked = ["--fail-on", "weakening", "--json", report]
    done = run("compare", folder / "shipped", folder / "bad", *asked)
    assert done.returncode == 0
    told = json.loads(report.read_text("utf-8"))
    assert told["verdict"] == "different"
    assert told["gate"]["tolerated"]
    shown = run("show", report)
    assert shown.returncode == 1  # that of the verdict, unless asked again
    assert "Tolerated by --fail-on" in shown.stdout
    assert run("compare", folder / "shipped", folder / "bad", "--fail-on", "x").returncode == 2


def test_diff_tells_what_got_worse(folder: Path) -> None:
    worse = run("diff", folder / "good.json", folder / "bad.json", "--json", folder / "d.json")
    assert worse.returncode == 1
    assert "Worse:" in worse.stdout
    assert "identical → different" in worse.stdout
    found = json.loads((folder / "d.json").read_text("utf-8"))
    assert found["status"] == 1
    better = run("diff", folder / "bad.json", folder / "good.json", "--json", "-")
    assert better.returncode == 0
    assert json.loads(better.stdout)["new"] == "identical"
    same = run("diff", folder / "bad.json", folder / "bad.json", "--quiet")
    assert (same.returncode, same.stdout) == (0, "Nothing changed: different.\n")
    assert run("diff", folder / "bad.json", folder / "none.json").returncode == 2
