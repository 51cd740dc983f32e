"""A bundle is the same wherever it is made, and replays only as it was made."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.attest import material
from tests.unit.attest.cli import verifier
from verifier.attest import bundle, keys, make, replay, strict
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import ParseError, UsageError, VerifierError
from verifier.model import Verdict

Edit = Callable[[dict[str, bytes]], object]


def _parts(found: material.Run, folder: Path, **changes: Any) -> bundle.Parts:
    """All parts of a run, with its attestation and its VSA."""
    own = make.statement(material.basis(found))
    payload = strict.canonical(own)
    for name, data in (
        ("a.attestation.json", payload),
        ("a.vsa.json", strict.canonical(make.vsa(own, payload, "urn:x:alice", ""))),
    ):
        (folder / name).write_bytes(material.signed(data, folder))
    (folder / "build.log").write_text("it was built\n", "utf-8")
    parts = bundle.Parts(
        report=found.report.read_bytes(),
        proof=found.proof.read_bytes() if found.proof else None,
        shipped=found.shipped,
        rebuilt=found.rebuilt,
        attestations=(folder / "a.attestation.json", folder / "a.vsa.json"),
        logs=(folder / "build.log",),
    )
    return parts._replace(**changes)


def _packed(parts: bundle.Parts, target: Path) -> Path:
    bundle.write(bundle.pack(parts), target)
    return target


def _rebagged(packed: Path, edit: Edit, target: Path) -> Path:
    """A bundle whose data files were changed by someone who then made a fitting bag."""
    head = f"{bundle.TOP}/data/"
    with zipfile.ZipFile(packed) as found:
        data = {
            name.removeprefix(head): found.read(name)
            for name in found.namelist()
            if name.startswith(head)
        }
    edit(data)
    bundle.write(bundle.bag({**data}), target)
    return target


def _index(data: dict[str, bytes], **changes: Any) -> None:
    data["index.json"] = json.dumps({**json.loads(data["index.json"]), **changes}).encode()


def test_it_replays_with_and_without_keys(good: material.Run, tmp_path: Path) -> None:
    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")
    found = replay.replay(packed)
    assert found.verdict is Verdict.EQUIVALENT
    assert any("proof was re-run" in line for line in found.checked)
    assert "no key was given" in found.checked[-1]
    assert "signed by trusted keys" in replay.replay(packed, [material.trusted()]).checked[-1]
    with pytest.raises(NotAttestedError, match="not signed by a trusted key"):
        replay.replay(packed, [material.trusted(number=1)])


def test_a_negative_bundle_replays_as_negative(bad: material.Run, tmp_path: Path) -> None:
    packed = _packed(_parts(bad, tmp_path), tmp_path / "b.zip")
    assert replay.replay(packed).verdict is Verdict.DIFFERENT


def test_it_is_the_same_wherever_it_is_made(good: material.Run, tmp_path: Path) -> None:
    first = _packed(_parts(good, tmp_path), tmp_path / "first.zip").read_bytes()
    other = tmp_path / "elsewhere"
    shutil.copytree(good.shipped.parent, other)
    moved = _parts(good, tmp_path, shipped=other, rebuilt=good.rebuilt.parent)
    assert _packed(moved, tmp_path / "second.zip").read_bytes() == first


def test_the_bag_checks_without_this_program(good: material.Run, tmp_path: Path) -> None:
    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")
    subprocess.run(["unzip", "-q", packed, "-d", tmp_path / "out"], check=True)
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        command = ["sha256sum", "--strict", "-c", name]
        folder = tmp_path / "out" / bundle.TOP
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_no_byte_of_it_may_change(good: material.Run, tmp_path: Path) -> None:
    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")
    data = packed.read_bytes()
    odd = tmp_path / "odd.zip"
    for at in range(0, len(data), 97):
        odd.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(VerifierError):
            replay.replay(odd)
    for changed in (data[:-1], data + b"\0", b"", data[1:]):
        odd.write_bytes(changed)
        with pytest.raises(VerifierError):
            replay.replay(odd)


def _other_report(data: dict[str, bytes]) -> None:
    report = json.loads(data["report.json"])
    report["summary"] = "Equivalent: Trust me."
    data["report.json"] = json.dumps(report).encode()


def _no_spec(data: dict[str, bytes]) -> None:
    report = json.loads(data["report.json"])
    report["source"] = {"kind": "git", "digest": "abc", "spec_sha256": "a" * 64}
    data["report.json"] = json.dumps(report).encode()


def _built(data: dict[str, bytes]) -> None:
    report = json.loads(data["report.json"])
    report["build"] = {"recipe": "command"}
    data["report.json"] = json.dumps(report).encode()


EDITS: dict[str, tuple[Edit, str]] = {
    "shipped altered": (
        lambda data: data.update({"shipped/tool.gz": data["shipped/tool.gz"] + b"x"}),
        "not what the report speaks of",
    ),
    "shipped missing": (lambda data: data.pop("shipped/tool.gz"), "shipped/tool.gz is missing"),
    "rebuilt missing": (lambda data: data.pop("rebuilt/tool.gz"), "rebuilt/tool.gz is missing"),
    "shipped more": (lambda data: data.update({"shipped/evil": b""}), "shipped/evil is"),
    "extra": (lambda data: data.update(extra=b""), "disagree on extra"),
    "log missing": (lambda data: data.pop("logs/build.log"), "disagree on logs/build.log"),
    "index missing": (lambda data: data.pop("index.json"), "no index"),
    "index odd": (lambda data: _index(data, schema="other"), "does not fit"),
    "index twice": (lambda data: _index(data, also=["report.json"]), "disagree on"),
    "proof gone": (
        lambda data: (data.pop("proof.json"), _index(data, proof=None)),
        "lacks the proof",
    ),
    "report altered": (_other_report, "speaks of another report"),
    "spec missing": (_no_spec, "whether there is a specification"),
    "environment missing": (_built, "whether there was a build"),
    "attestation odd": (
        lambda data: data.update({"attestations/a.attestation.json": b"{}"}),
        "no DSSE envelope",
    ),
    "attestation gone": (
        lambda data: (
            data.pop("attestations/a.attestation.json"),
            _index(data, attestations=["attestations/a.vsa.json"]),
        ),
        "a VSA of another attestation",
    ),
    "link away": (
        lambda data: _index(data, links=[{"path": "shipped/../../x", "target": "y"}]),
        "cannot stand in a bundle",
    ),
    "link elsewhere": (
        lambda data: _index(data, links=[{"path": "other/x", "target": "y"}]),
        "of neither side",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_bundle_with_a_fitting_bag_is_refused_all_the_same(
    good: material.Run, tmp_path: Path, name: str
) -> None:
    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")
    edit, reason = EDITS[name]
    with pytest.raises(ParseError, match=reason):
        replay.replay(_rebagged(packed, edit, tmp_path / "odd.zip"))


def test_links_must_be_the_same_on_both_sides(good: material.Run, tmp_path: Path) -> None:
    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")

    def replayed(*links: tuple[str, str]) -> replay.Replayed:
        told = [{"path": path, "target": target} for path, target in links]
        edit = lambda data: _index(data, links=told)  # noqa: E731 - of one line
        return replay.replay(_rebagged(packed, edit, tmp_path / "odd.zip"))

    assert replayed(("shipped/l", "x"), ("rebuilt/l", "x")).verdict is Verdict.EQUIVALENT
    for odd in (
        [("shipped/l", "x")],
        [("shipped/l", "x"), ("rebuilt/l", "y")],
        [("shipped/l", "x"), ("rebuilt/m", "x")],
    ):
        with pytest.raises(MismatchError, match="not the same on both sides"):
            replayed(*odd)
    with pytest.raises(ParseError, match="twice"):
        replayed(("shipped/l", "x"), ("shipped/l", "x"))


def test_a_forged_proof_does_not_hold(good: material.Run, tmp_path: Path) -> None:
    """Forged consistently: without the signature of the attestation there is the proof itself."""

    def forge(data: dict[str, bytes]) -> None:
        proof = json.loads(data["proof.json"])
        proof["files"][0]["patches"][0]["data"] = "AAAAAA=="
        data["proof.json"] = json.dumps(proof).encode()
        for each in ("a.attestation.json", "a.vsa.json"):
            del data[f"attestations/{each}"]
        _index(data, attestations=[])

    packed = _packed(_parts(good, tmp_path), tmp_path / "b.zip")
    odd = _rebagged(packed, forge, tmp_path / "odd.zip")
    with pytest.raises(MismatchError, match="does not hold"):
        replay.replay(odd)
    bare = _packed(_parts(good, tmp_path, attestations=()), tmp_path / "bare.zip")
    assert replay.replay(bare).verdict is Verdict.EQUIVALENT
    with pytest.raises(NotAttestedError, match="no attestation"):
        replay.replay(bare, [material.trusted()])


def test_identical_files_need_no_proof_but_must_be_identical(tmp_path: Path) -> None:
    same = material.compared(tmp_path, b"same", b"same", "file")
    packed = _packed(_parts(same, tmp_path, proof=None, attestations=()), tmp_path / "b.zip")
    assert replay.replay(packed).verdict is Verdict.IDENTICAL

    def forge(data: dict[str, bytes]) -> None:
        report = json.loads(data["report.json"])
        facts = {"sha256": make.sha256(b"other"), "size": 5, "format": "raw"}
        report["artifacts"][0]["shipped"] = facts
        data.update({"report.json": json.dumps(report).encode(), "shipped/file": b"other"})

    with pytest.raises(MismatchError, match="not identical"):
        replay.replay(_rebagged(packed, forge, tmp_path / "odd.zip"))


def test_a_record_that_the_source_was_held_against_goes_in(
    good: material.Run, tmp_path: Path
) -> None:
    record, other = tmp_path / "record.json", tmp_path / "other.json"
    record.write_text("{}", "utf-8")
    other.write_text("{} ", "utf-8")
    report = json.loads(good.report.read_bytes())
    report["source"] = {"record": {"sha256": make.sha256(b"{}")}}
    parts = _parts(good, tmp_path)._replace(report=json.dumps(report).encode())
    for given in (None, other):
        with pytest.raises(UsageError, match="held against the audit record"):
            bundle.pack(parts._replace(record=given))
    assert "bundle/data/record.json" in bundle.pack(parts._replace(record=record))


def test_a_record_that_was_attested_must_be_there(good: material.Run, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text("{}", "utf-8")
    signed = tmp_path / "with.json"
    signed.write_bytes(material.attested(good, tmp_path, record=b"{}"))
    parts = _parts(good, tmp_path, attestations=(signed,))
    with pytest.raises(ParseError, match="audit record that is not here"):
        replay.replay(_packed(parts, tmp_path / "b.zip"))
    assert replay.replay(_packed(parts._replace(record=record), tmp_path / "c.zip"))


def test_a_run_with_a_build_carries_specification_and_environment(
    good: material.Run, tmp_path: Path
) -> None:
    spec = tmp_path / "audit.toml"
    spec.write_text("[source]\n", "utf-8")
    report = json.loads(good.report.read_text("utf-8"))
    report["source"] = {"kind": "git", "digest": "a", "spec_sha256": make.sha256(spec.read_bytes())}
    report["build"] = {"recipe": "command", "environment": {"packages": [], "tools": {}}}
    parts = _parts(good, tmp_path, report=json.dumps(report).encode(), attestations=(), spec=spec)
    packed = _packed(parts, tmp_path / "b.zip")
    assert replay.replay(packed).verdict is Verdict.EQUIVALENT
    for name, reason in (("spec.toml", "specification"), ("environment.json", "environment")):
        odd = _rebagged(packed, lambda data, name=name: data.update({name: b"x"}), tmp_path / "o")
        with pytest.raises(ParseError, match=reason):
            replay.replay(odd)


def test_directories_with_links_and_odd_names(tmp_path: Path) -> None:
    for side in ("one", "two"):
        folder = tmp_path / side / "sub %41"
        folder.mkdir(parents=True)
        (folder / "é").write_bytes(b"same")
        (tmp_path / side / "link").symlink_to("sub %41/é")
    report, proof = tmp_path / "r.json", tmp_path / "p.json"
    asked = ("compare", tmp_path / "one", tmp_path / "two", "--json", report, "--proof", proof)
    assert verifier(*asked).returncode == 0
    found = material.Run(tmp_path / "one", tmp_path / "two", report, proof)
    packed = _packed(_parts(found, tmp_path, attestations=()), tmp_path / "b.zip")
    assert replay.replay(packed).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/./b", "", "a\\b", "a\nb", "\ud800"])
def test_odd_paths_are_refused(name: str) -> None:
    with pytest.raises(ParseError, match="cannot stand"):
        bundle.bag({name: b""})


def test_parts_that_do_not_fit_are_refused(
    good: material.Run, bad: material.Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--shipped"):
        bundle.pack(_parts(good, tmp_path, shipped=None))
    with pytest.raises(ParseError, match="not of this report"):
        bundle.pack(_parts(bad, tmp_path, proof=_parts(good, tmp_path).proof))
    twice = _parts(good, tmp_path).attestations[0]
    with pytest.raises(UsageError, match="would be called"):
        bundle.pack(_parts(good, tmp_path, attestations=(twice, twice)))


def test_a_run_directory_brings_both_sides_and_the_log(good: material.Run, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("it was built\n", "utf-8")
    report = json.loads(good.report.read_text("utf-8"))
    report["build"] = {"recipe": "command", "log": str(log)}
    (tmp_path / "report.json").write_text(json.dumps(report), "utf-8")
    asked = ["bundle", tmp_path / "report.json", "--proof", good.proof, "-o", tmp_path / "b.zip"]
    done = verifier(*asked, "--run", good.shipped.parents[1])
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "b.zip") as found:
        assert f"{bundle.TOP}/data/logs/build.log" in found.namelist()
    assert verifier(*asked, "--run", tmp_path, "--shipped", good.shipped).returncode == 2
    asked[-1] = tmp_path / "no" / "b.zip"
    assert verifier(*asked, "--run", good.shipped.parents[1]).returncode == 2


def test_two_sides_of_several_files_must_be_directories(tmp_path: Path) -> None:
    for side in ("one", "two"):
        (tmp_path / side).mkdir()
        for name in "ab":
            (tmp_path / side / name).write_bytes(b"same")
    report = tmp_path / "r.json"
    verifier("compare", tmp_path / "one", tmp_path / "two", "--json", report, "--quiet")
    single = bundle.Parts(report.read_bytes(), None, tmp_path / "one" / "a", tmp_path / "two")
    with pytest.raises(UsageError, match="speaks of 2 shipped files"):
        bundle.pack(single)
    whole = bundle.Parts(report.read_bytes(), None, tmp_path / "one", tmp_path / "two")
    packed = _packed(whole, tmp_path / "b.zip")
    assert replay.replay(packed).verdict is Verdict.IDENTICAL


def test_the_commands_and_their_exit_statuses(
    good: material.Run, bad: material.Run, tmp_path: Path
) -> None:
    out, public = tmp_path / "b.zip", tmp_path / "alice.pub"
    public.write_bytes(material.public_pem())
    parts = _parts(good, tmp_path)
    asked = ["bundle", good.report, "--shipped", good.shipped, "--rebuilt", good.rebuilt]
    signed = ["--attestation", parts.attestations[0], "--log", parts.logs[0]]
    done = verifier(*asked, "--proof", good.proof, *signed, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{make.sha256(out.read_bytes())}  {out}\n"
    found = verifier("replay", out, "--key", public)
    assert (found.returncode, found.stdout.split("\n")[0]) == (0, "Replayed: equivalent.")
    assert len(keys.load(public)) == 1
    out.write_bytes(out.read_bytes() + b"\0")
    assert verifier("replay", out).returncode == 3
    assert verifier(*asked, "-o", tmp_path / "no.zip").returncode == 3
    assert not (tmp_path / "no.zip").exists()
    asked = ["bundle", bad.report, "--shipped", bad.shipped, "--rebuilt", bad.rebuilt]
    assert verifier(*asked, "-o", tmp_path / "bad.zip").returncode == 0
    assert verifier("replay", tmp_path / "bad.zip").returncode == 1
    for name in ("bundle", "replay", "quorum"):
        assert "Examples:" in verifier(name, "--help").stdout
