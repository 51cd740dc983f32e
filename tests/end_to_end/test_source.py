"""Audited source: signatures that upstreams and Debian made, and records that bind a build."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import realfiles, signers
from tests.end_to_end.test_verify_command import run
from verifier.attest import dsse, strict
from verifier.errors import SourceError
from verifier.rebuild import rebuild
from verifier.source import Cache, Source, debian, obtain
from verifier.spec import DebianArchive, DebianSource, Signature, load

SPEC = """
[source]
kind = "directory"
path = "source"
record = "record.json"
record_keys = ["auditor.pub"]

[build]
recipe = "command"
steps = ["cp file out"]
outputs = ["out"]

[[artifacts]]
shipped = "shipped"
rebuilt = "out"
"""


def of_debian(package: str, version: str, *signatures: Signature) -> Source:
    wanted = DebianSource(package, version)
    return debian.obtain(wanted, DebianArchive(), Cache.open(), lambda _text: None, signatures)


def upstream_keys(source: Source, into: Path) -> tuple[Path, ...]:
    """The keys that Debian's maintainers keep beside the source."""
    (packaging,) = source.path.glob("*.debian.tar.*")
    found = []
    with tarfile.open(packaging) as tar:
        for member in tar:
            if "debian/upstream/signing-key" in member.name and member.isreg():
                content = tar.extractfile(member)
                assert content is not None
                path = into / f"{len(found)}.asc"
                path.write_bytes(content.read())
                found.append(path)
    return tuple(found)


@pytest.mark.parametrize(
    ("package", "version", "says"),
    [
        ("libgpg-error", "1.46-1", ""),
        ("xz-utils", "5.4.1-1+deb12u1", "key has expired"),
        ("less", "590-2.1~deb12u2", "rests on a broken hash"),  # SHA-1, by a key of 2005
    ],
)
def test_an_upstream_signature(tmp_path: Path, package: str, version: str, says: str) -> None:
    keys = upstream_keys(of_debian(package, version), tmp_path)
    asked = Signature("upstream", keys)
    if says:
        with pytest.raises(SourceError, match=says):
            of_debian(package, version, asked)
        return
    pin = of_debian(package, version, asked).pins[-1]
    assert pin.value == "6DAA6E64A76D2840571B4902528897B826403ADA"  # as gnupg.org publishes it
    assert "libgpg-error_1.46.orig.tar.bz2 by Werner Koch (dist signing 2020)" in pin.detail


def test_the_signature_of_a_dsc() -> None:
    keys = realfiles.extracted("debian-keyring") / "usr/share/keyrings"
    developers = (keys / "debian-keyring.gpg",)
    pin = of_debian("hello", "2.10-3", Signature("dsc", developers)).pins[-1]
    assert "hello_2.10-3.dsc by Santiago Vila" in pin.detail
    with pytest.raises(SourceError, match="none of the named keys"):
        of_debian("hello", "2.10-3", Signature("dsc", (keys / "debian-role-keys.gpg",)))


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    tree = tmp_path / "source"
    tree.mkdir()
    (tree / "file").write_text("audited\n")
    (tree / "link").symlink_to("file")
    (tmp_path / "shipped").write_text("audited\n")
    key = signers.ssh_key(tmp_path / "auditor")
    done = run(
        *("source", "record", tree, "-o", tmp_path / "record.json", "--reviewer", "alice"),
        *("--key", key),
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path


def verify(audit: Path) -> tuple[int, dict[str, Any]]:
    shutil.rmtree(audit / "out", ignore_errors=True)
    report = audit / "report.json"
    done = run("verify", audit / "spec.toml", "--json", report, "-o", audit / "out")
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(report.read_text())


def test_a_recorded_tree_is_built_and_attested(audit: Path) -> None:
    status, report = verify(audit)
    assert (status, report["verdict"]) == (0, "identical")
    held = report["source"]["record"]
    assert (held["reviewer"], held["signed_by"]) == ("alice", [str(audit / "auditor.pub")])
    done = run("attest", audit / "report.json", "--key", audit / "auditor", "--auditor", "alice")
    assert done.returncode == 0, done.stderr
    envelope = (audit / "report.json.attestation.json").read_bytes()
    said = strict.object_of(dsse.parse(envelope, "it").payload, "it")["predicate"]
    assert said["record"] == {"sha256": held["sha256"]}
    assert said["source"]["swhid"] == report["source"]["swhid"]
    (audit / "other.json").write_bytes((audit / "record.json").read_bytes() + b"\n")
    done = run(
        *("attest", audit / "report.json", "--key", audit / "auditor", "--auditor", "alice"),
        *("--record", audit / "other.json"),
    )
    assert done.returncode == 2
    assert "which is not --record" in done.stderr


CHANGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda tree: (tree / "file").write_text("evil...\n"), "'file' has other content"),
    (lambda tree: (tree / "file").chmod(0o755), "'file' has mode 0755"),
    (lambda tree: (tree / "configure").write_text("x"), "'configure' was not there"),
    (lambda tree: (tree / "link").unlink(), "'link' is missing"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES, ids=[says for _, says in CHANGES])
def test_a_tree_that_differs_is_not_built(
    audit: Path, change: Callable[[Path], object], says: str
) -> None:
    change(audit / "source")
    status, report = verify(audit)
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert {problem["kind"] for problem in report["problems"]} == {"source-differs-from-record"}
    assert report["problems"][-1]["summary"].startswith(says)
    assert report["build"] is None
    assert report["source"]["record"]["reviewer"] == "alice"


def test_a_record_without_its_signature_is_not_enough(audit: Path) -> None:
    (audit / "record.json.dsse.json").unlink()
    status, report = verify(audit)
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert "is not signed by a key" in report["summary"]
    (audit / "record.json").unlink()
    done = run("verify", audit / "spec.toml", "-o", audit / "out")
    assert done.returncode == 2


def test_a_file_swapped_between_check_and_build(audit: Path, tmp_path: Path) -> None:
    spec, cache = load(audit / "spec.toml"), Cache.open(tmp_path / "cache")
    source = obtain(spec, cache)
    (audit / "source/file").write_text("swapped\n")
    with pytest.raises(SourceError, match="changed between its check and the build"):
        rebuild(spec, source, cache, tmp_path / "output")


def test_a_debian_package_is_held_against_the_tree_that_its_build_unpacks(tmp_path: Path) -> None:
    source = realfiles.debian_source("tree", "2.1.0-1")
    (dsc,) = source.glob("*.dsc")
    signers.run("dpkg-source", "--no-check", "-x", str(dsc), "tree", where=tmp_path)
    (tmp_path / "tree/README").chmod(0o600)  # all else is as it will be
    record = tmp_path / "record.json"
    done = run("source", "record", tmp_path / "tree", "-o", record, "--reviewer", "alice")
    assert done.returncode == 0, done.stderr
    text = Path("fixtures/specs/tree.toml").read_text()
    pinned = text.replace(
        'version = "2.1.0-1"\n', 'version = "2.1.0-1"\nrecord = "record.json"\n', 1
    )
    (tmp_path / "spec.toml").write_text(pinned)
    status, report = verify(tmp_path)
    assert (status, report["verdict"]) == (3, "inconclusive")
    assert [problem["summary"] for problem in report["problems"][1:]] == [
        "'README' has mode 0644, audited 0600"
    ]
