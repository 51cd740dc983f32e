"""`verifier compare` and `check` as a user runs them, on files that no one here made."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.realfiles import debian_package, extracted

SCHEMAS = Path(__file__).resolve().parents[2] / "verifier" / "schemas"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def valid(path: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
    return document


@pytest.fixture(scope="module")
def shim() -> tuple[Path, Path]:
    signed = extracted("shim-signed") / "usr/lib/shim/shimx64.efi.signed"
    return signed, extracted("shim-unsigned") / "usr/lib/shim/shimx64.efi"


def test_microsofts_shim_is_equivalent_under_strict_and_the_proof_re_checks(
    shim: tuple[Path, Path], tmp_path: Path
) -> None:
    report, proof = tmp_path / "report.json", tmp_path / "proof.json"
    done = run("compare", *shim, "--policy", "strict", "--json", report, "--proof", proof)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Microsoft" in done.stdout
    assert "\x1b" not in done.stdout
    document = valid(report, "report-v1")
    assert document["verdict"] == "equivalent"
    assert {patch["strength"] for patch in document["members"][0]["patches"]} <= {
        "derived",
        "signed",
    }
    valid(proof, "proof-v1")
    assert run("check", proof, *shim).returncode == 0
    assert run("check", proof, *reversed(shim)).returncode == 1


def test_the_same_shim_is_different_if_the_policy_denies_the_rule(
    shim: tuple[Path, Path], tmp_path: Path
) -> None:
    policy = tmp_path / "deny.toml"
    policy.write_text('denied = ["pe.authenticode"]\n', "utf-8")
    done = run("compare", *shim, "--policy", policy, "--json", "-")
    assert done.returncode == 1
    kinds = {item["kind"] for item in json.loads(done.stdout)["members"][0]["differences"]}
    assert kinds == {"policy"}


def test_a_package_is_compared_member_by_member(tmp_path: Path) -> None:
    package = debian_package("hostname")
    folder, other = tmp_path / "x", tmp_path / "rebuilt.deb"
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    tool = folder / "bin/hostname"
    data = bytearray(tool.read_bytes())
    data[data.index(b"Usage:")] ^= 0x20
    tool.write_bytes(data)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, other], check=True)
    report = tmp_path / "report.json"
    assert run("compare", package, other, "--json", report).returncode == 1
    document = valid(report, "report-v1")
    members = {member["path"]: member for member in document["members"]}
    found = members["data.tar.xz!/bin/hostname"]
    assert found["verdict"] == "different"
    (text,) = (item for item in found["differences"] if item["kind"] == "string-added")
    assert "usage:" in text["where"].lower()
    assert any(".rodata" in item["where"] for item in found["differences"])
    assert members["data.tar.xz!/usr/share/man/man1/hostname.1.gz"]["verdict"] == "identical"


def test_directories_report_every_kind_of_finding(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "sub").mkdir(parents=True)
        shutil.copy("/bin/true", folder / "sub/same")
        (folder / "mode").write_text("x")
        (folder / "link").symlink_to("mode")
    (one / "mode").chmod(0o4755)
    (one / "added").touch()
    (other / "missing").touch()
    (other / "link").unlink()
    (other / "link").symlink_to("sub")
    report = tmp_path / "report.json"
    assert run("compare", one, other, "--json", report).returncode == 1
    document = valid(report, "report-v1")
    kinds = {
        item["kind"]: member["path"]
        for member in document["members"]
        for item in member["differences"]
    }
    assert kinds == {
        "mode": "mode",
        "member-added": "added",
        "member-missing": "missing",
        "link-target": "link",
    }
    assert {m["path"] for m in document["members"] if m["verdict"] == "identical"} == {"sub/same"}


def test_nothing_to_compare_is_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    done = run("compare", tmp_path / "one", tmp_path / "other")
    assert done.returncode == 3
    assert "nothing was compared" in done.stdout


def test_device_nodes_and_unreadable_things_are_inconclusive(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "pipe")
        (tmp_path / name / "file").write_text("same")
    assert run("compare", tmp_path / "one", tmp_path / "other").returncode == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "/no/such", "/bin/true"],
        ["compare", "/bin", "/bin/true"],
        ["compare", "/bin/true", "/bin/true", "--policy", "lenient"],
        ["compare", "/bin/true", "/bin/true", "--signer", "/etc/hostname"],
        ["compare", "/bin/true"],
        ["rules", "show", "pe.no-such-rule"],
        ["layout", "/no/such"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        for index in range(60):
            data = bytearray(Path("/bin/true").read_bytes())
            data[-1 - index] ^= folder is other
            (folder / f"{index:02}").write_bytes(data)
    reports = []
    for jobs in (1, 2, 5):
        done = run("compare", one, other, "--jobs", jobs, "--json", "-")
        document = json.loads(done.stdout)
        document.pop("seconds")
        reports.append(document)
    assert reports[0] == reports[1] == reports[2]


def test_a_stopped_run_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        for index in range(80):
            data = bytearray(4 << 20)
            data[::4096] = bytes([folder is other]) * len(data[::4096])
            (folder / f"{index:02}").write_bytes(data)
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "verifier", "compare", one, other, "--json", report, "-j1"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    workers = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    while not workers.read_text():
        time.sleep(0.05)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode in {1, 3}
    document = valid(report, "report-v1")
    assert document["complete"] is False
    assert document["verdict"] in {"inconclusive", "different"}
    assert "not-compared" in {p["kind"] for m in document["members"] for p in m["problems"]}


def test_rules_and_layout_print_what_they_know() -> None:
    listed = run("rules", "list").stdout
    assert "pe.coff-timestamp" in listed
    assert "risk" in run("rules", "show", "pe.coff-timestamp").stdout
    assert run("rules", "lint").returncode == 0
    spans = json.loads(run("layout", "/bin/true", "--json", "-").stdout)
    assert spans["format"] == "elf"
    at = 0
    for span in spans["spans"]:
        assert span["offset"] == at
        at += span["length"]
    assert at == spans["size"] == Path("/bin/true").stat().st_size
