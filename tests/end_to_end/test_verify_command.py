"""`verifier verify` from a specification to a verdict, with real builds in the real sandbox."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "verifier/schemas/report-v1.json").read_text("utf-8"))

SPEC = """
[source]
kind = "directory"
path = "source"

[build]
recipe = "command"
steps = [{steps}]
outputs = ["out/usr/bin/*"]

[sandbox]
kind = "{sandbox}"

[[artifacts]]
shipped = "shipped/hello"
rebuilt = "out/usr/bin/hello"
"""
STEPS = '["make", "PREFIX=/usr"], "make install DESTDIR=out"'


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A directory with audited source, a specification, and the artifact that it shipped."""
    shutil.copytree(ROOT / "fixtures/rebuild/hello-c", tmp_path / "source")
    (tmp_path / "spec.toml").write_text(SPEC.format(steps=STEPS, sandbox="bubblewrap"), "utf-8")
    done = run("rebuild", tmp_path / "spec.toml", "-o", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    (tmp_path / "shipped").mkdir()
    shutil.copy(tmp_path / "first/out/usr/bin/hello", tmp_path / "shipped/hello")
    return tmp_path


def verify(audit: Path, *options: str) -> tuple[int, dict[str, Any]]:
    report = audit / "report.json"
    report.unlink(missing_ok=True)
    shutil.rmtree(audit / "out", ignore_errors=True)
    done = run("verify", audit / "spec.toml", "--json", report, "-o", audit / "out", *options)
    assert "Traceback" not in done.stderr
    document = json.loads(report.read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"] in done.stdout.lower()
    return done.returncode, document


def test_what_was_built_from_this_source_is_identical(audit: Path) -> None:
    status, report = verify(audit, "--proof", str(audit / "proof.json"))
    assert (status, report["verdict"]) == (0, "identical")
    assert report["source"]["swhid"].startswith("swh:1:dir:")
    assert len(report["source"]["digest"]) == 64
    assert report["build"]["sandbox"]["kind"] == "bubblewrap"
    assert report["build"]["environment"]["tools"]["cc"]
    sides = audit / "out/shipped/hello", audit / "out/rebuilt/hello"
    assert run("check", audit / "proof.json", *sides).returncode == 0


def test_one_changed_byte_in_the_shipped_file_is_found(audit: Path) -> None:
    shipped = audit / "shipped/hello"
    data = bytearray(shipped.read_bytes())
    data[0x1000 + data[0x1000:].index(b"\x55")] ^= 1
    shipped.write_bytes(data)
    status, report = verify(audit)
    assert (status, report["verdict"]) == (1, "different")
    assert report["members"][0]["differences"]


def test_changed_source_is_found(audit: Path) -> None:
    source = next((audit / "source").rglob("*.c"))
    text = source.read_text("utf-8")
    source.write_text(text.replace("main(", "main  (") + "\nint unused_here = 42;\n", "utf-8")
    assert verify(audit)[0] == 1


def test_a_failed_build_is_inconclusive_with_the_end_of_its_log(audit: Path) -> None:
    steps = STEPS + ', "echo the reason is this >&2; exit 7"'
    (audit / "spec.toml").write_text(SPEC.format(steps=steps, sandbox="bubblewrap"), "utf-8")
    status, report = verify(audit)
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert [problem["kind"] for problem in report["problems"]] == ["build-failed"]
    assert "7" in report["problems"][0]["summary"]
    assert "the reason is this" in report["build"]["log_tail"]


def test_a_missing_artifact_is_inconclusive(audit: Path) -> None:
    (audit / "shipped/hello").unlink()
    status, report = verify(audit)
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert not report["members"]


def test_a_build_without_sandbox_is_said_in_the_report(audit: Path) -> None:
    (audit / "spec.toml").write_text(SPEC.format(steps=STEPS, sandbox="host"), "utf-8")
    _, report = verify(audit)
    assert report["build"]["sandbox"]["kind"] == "host"


def test_inputs_of_a_build_are_in_the_report_and_decide_under_strict(audit: Path) -> None:
    status, report = verify(audit, "--policy", "strict")
    assert (status, report["verdict"]) == (0, "identical")
    assert report["inputs"]["unaccounted"] == report["inputs"]["problems"] == []
    assert report["policy_details"]["unaccounted"] == "inconclusive"
    counts = {item["name"]: item["files"] for item in report["inputs"]["classes"]}
    assert counts["source"] >= 2
    assert counts["package"] > 20
    record = audit / "out/build" / report["build"]["record"]["file"]
    assert hashlib.sha256(record.read_bytes()).hexdigest() == report["build"]["record"]["sha256"]
    schema = json.loads((ROOT / "verifier/schemas/inputs-v1.json").read_text("utf-8"))
    jsonschema.validate(json.loads(record.read_text()), schema)

    spec = audit / "spec.toml"
    header = audit / "planted.h"
    header.write_text("")
    make = f'["make", "PREFIX=/usr", "CC=cc -include {header}"]'
    planted = STEPS.replace('["make", "PREFIX=/usr"]', make)
    spec.write_text(SPEC.format(steps=planted, sandbox="host"), "utf-8")
    status, report = verify(audit, "--policy", "strict")
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert str(header) in {item["where"] for item in report["problems"]}
    status, report = verify(audit)
    assert (status, report["verdict"]) == (0, "identical")
    assert str(header) in {item["path"] for item in report["inputs"]["unaccounted"]}
    gate = audit / "gate.toml"
    gate.write_text('unaccounted = "different"\n')
    status, report = verify(audit, "--policy", str(gate))
    assert (status, report["verdict"]) == (1, "different")
    spec.write_text(spec.read_text() + "\n[inputs]\nrecord = false\n")
    status, report = verify(audit, "--policy", "strict")
    assert (status, report["inputs"]) == (3, None)


def test_a_prebuilt_file_that_the_build_copies_is_named_and_decides(audit: Path) -> None:
    shutil.copy(audit / "shipped/hello", audit / "source/tool.bin")
    steps = '"install -D tool.bin out/usr/bin/hello"'
    (audit / "spec.toml").write_text(SPEC.format(steps=steps, sandbox="bubblewrap"), "utf-8")
    status, report = verify(audit)
    assert (status, report["verdict"]) == (0, "identical")
    (event,) = [each for each in report["inputs"]["events"] if each["path"] == "hello"]
    assert "is a file of the audited source, tool.bin: equal bytes show a copy" in event["reason"]
    gate = audit / "gate.toml"
    gate.write_text('unaccounted = "different"\n')
    for policy, found in (("strict", (3, "inconclusive")), (str(gate), (1, "different"))):
        status, report = verify(audit, "--policy", policy)
        assert (status, report["verdict"]) == found
        told = [*report["problems"], *(d for m in report["members"] for d in m["differences"])]
        assert "artifact-in-source" in {each["kind"] for each in told}


def test_a_faulty_specification_is_wrong_usage(audit: Path) -> None:
    spec = audit / "spec.toml"
    spec.write_text(spec.read_text("utf-8").replace("recipe", "recipy"), "utf-8")
    done = run("verify", spec, "-o", audit / "out")
    assert done.returncode == 2
    assert "recipe" in done.stderr
