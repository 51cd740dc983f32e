"""The gates of CI run without the service: schemas of others, and their shell steps for real."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.actions import Ran, Runner
from tests.unit.report import validators

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "fixtures/gate"
WORKFLOW = GATE / ".github/workflows/gate.yml"
BIN = Path(sys.executable).parent
INSTALLED = ("Install the verifier",)  # into this environment; one test does it for real


def program(*command: object, cwd: Path = ROOT, **around: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, **around},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("action.yml", "github-actions"),
        ("fixtures/gate/.github/workflows/gate.yml", "github-workflows"),
        ("ci/gitlab.yml", "gitlab-ci"),
        ("fixtures/gate/.gitlab-ci.yml", "gitlab-ci"),
    ],
)
def test_each_file_fits_the_services_own_schema(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    more = ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    done = program(*command, *more, name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_are_a_manifest_of_pre_commit_and_their_commands_run(release: Path) -> None:
    done = program(
        sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"
    )
    assert done.returncode == 0, done.stdout
    hooks = {
        each["id"]: each for each in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    }
    assert _hook(hooks["verifier-rules"], ROOT) == 0
    plant(release)
    assert _hook(hooks["verifier-verify"], release, "audit.toml") == 1


def _hook(hook: dict[str, Any], folder: Path, *arguments: str) -> int:
    command, *rest = shlex.split(hook["entry"])
    return program(BIN / command, *rest, *arguments, cwd=folder).returncode


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The example repository, with the artifact that an honest vendor ships."""
    folder = tmp_path / "repository"
    shutil.copytree(GATE, folder)
    vendor = shutil.copytree(folder / "source", tmp_path / "vendor")
    assert program("make", cwd=vendor).returncode == 0
    (folder / "release").mkdir()
    shutil.copy(vendor / "greet", folder / "release/greet")
    (folder / "verifier").symlink_to(ROOT)
    return folder


def plant(folder: Path) -> None:
    """Ship a program that lets one more name in: of other source, built by the same tools."""
    source = (folder / "source/greet.c").read_text("utf-8")
    changed = source.replace('"root") != 0', '"root") != 0 || name[0] == 114')
    assert changed != source
    planted = folder.parent / "planted"
    planted.mkdir()
    shutil.copy(folder / "source/Makefile", planted)
    (planted / "greet.c").write_text(changed, "utf-8")
    assert program("make", cwd=planted).returncode == 0
    shutil.copy(planted / "greet", folder / "release/greet")


def gate(folder: Path, **changes: str) -> Ran:
    """The step of the example's workflow that uses the action, run as a runner does."""
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    (step,) = [each for each in workflow["jobs"]["gate"]["steps"] if each.get("id") == "verify"]
    assert step["uses"] == "./verifier"
    runner = Runner(folder / "verifier", folder, folder.parent / "temp", INSTALLED, f"{BIN}:")
    return runner.run({**step["with"], **{k.replace("_", "-"): v for k, v in changes.items()}})


def test_the_example_passes_for_an_honest_release(release: Path) -> None:
    ran = gate(release)
    assert ran.status == 0, ran.log
    assert ran.outputs == {"verdict": "identical", "status": "0", "reports": "verifier-reports"}
    assert "IDENTICAL" in ran.summary
    (upload,) = ran.used
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    log = validators.sarif((release / upload["with"]["sarif_file"]).read_text("utf-8"))
    assert log["runs"][0]["results"] == []


def test_the_example_fails_for_a_planted_change(release: Path) -> None:
    plant(release)
    ran = gate(release)
    assert ran.status == 1
    assert (ran.outputs["verdict"], ran.outputs["status"]) == ("different", "1")
    assert "DIFFERENT" in ran.summary
    assert "main" in ran.summary
    (upload,) = ran.used  # annotations are made although the gate failed
    log = validators.sarif((release / upload["with"]["sarif_file"]).read_text("utf-8"))
    assert any(result["ruleId"] == "function-changed" for result in log["runs"][0]["results"])
    assert int(
        validators.junit((release / "verifier-reports/report.xml").read_text()).get("failures")
    )
    assert "::" not in {line.strip()[:2] for line in ran.log.splitlines()}


def test_what_is_tolerated_is_said_and_nothing_else_passes(release: Path) -> None:
    plant(release)
    ran = gate(release, fail_on="weakening", upload_sarif="false")
    assert (ran.status, ran.outputs["verdict"], ran.used) == (0, "different", [])
    assert "Tolerated by" in ran.summary
    report = json.loads((release / "verifier-reports/report.json").read_text("utf-8"))
    assert report["gate"]["tolerated"]
    assert gate(release, fail_on="no-such-word").status == 2
    assert gate(release, spec="").status == 2
    ran = gate(release, spec="missing.toml")
    assert ran.status
    assert ran.outputs["verdict"] == "inconclusive"
    assert not (release / "verifier-reports/report.json").exists()  # no stale one is left


def test_two_directories_without_a_build(release: Path) -> None:
    ran = gate(release, spec="", shipped="source", rebuilt="source")
    assert (ran.status, ran.outputs["verdict"]) == (0, "identical")
    injected = gate(release, spec="", shipped="$(touch owned)", rebuilt="`touch owned`")
    assert injected.status == 2
    assert not (release / "owned").exists()


def test_a_verifier_that_ends_without_a_report_is_no_success(release: Path) -> None:
    fake = release / "fake"
    fake.mkdir()
    (fake / "verifier").write_text("#!/bin/sh\nexit 0\n")
    (fake / "verifier").chmod(0o755)
    path = f"{fake}:{os.environ['PATH']}"
    done = program("bash", ROOT / "ci/gate.sh", cwd=release, PATH=path, VERIFIER_SPEC="audit.toml")
    assert done.returncode == 3
    (fake / "verifier").unlink()
    done = program(
        "bash", ROOT / "ci/gate.sh", cwd=release, PATH="/usr/bin:/bin", VERIFIER_SPEC="x"
    )
    assert done.returncode == 127


def test_the_script_of_gitlab(release: Path) -> None:
    job = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text("utf-8"))[".source-binary-gate"]
    own = yaml.safe_load((GATE / ".gitlab-ci.yml").read_text("utf-8"))["release-gate"]
    assert own["extends"] == ".source-binary-gate"
    (release / ".verifier-venv").mkdir()
    (release / ".verifier-venv/bin").symlink_to(BIN)
    variables = {**job["variables"], **own["variables"]}
    for line in job["before_script"]:
        assert program("bash", "-n", "-c", line).returncode == 0
    script = "\n".join(job["script"])
    variables |= {"VERIFIER_SPEC": "", "VERIFIER_SHIPPED": "release"}
    for rebuilt, status in (("release", 0), ("source", 1)):
        variables["VERIFIER_REBUILT"] = rebuilt
        done = program("bash", "-eo", "pipefail", "-c", script, cwd=release, **variables)
        assert done.returncode == status, done.stderr
        assert (release / job["artifacts"]["reports"]["junit"]).exists()


@pytest.mark.exhaustive  # installs numpy and the rest anew: a minute and more
def test_the_action_installs_the_verifier(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("same")
    ran = Runner(ROOT, tmp_path, tmp_path / "temp").run(
        {"shipped": "a", "rebuilt": "a", "python": sys.executable}
    )
    assert ran.status == 0, ran.log
    assert ran.outputs["verdict"] == "identical"
    assert (tmp_path / "temp/verifier/bin/verifier").exists()
