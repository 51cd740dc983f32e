"""Releases: which files are looked at, and what a failure of the work leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cases import clamav_build as make
from verifier import release, releases
from verifier.engine import Failure
from verifier.formats.clamav import script
from verifier.model import Alone, Pair, Ref, Settings, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from verifier.engine import Task


def _task(place: Path, files: dict[str, bytes]) -> Task:
    pairs, alone = [], []
    for name, data in files.items():
        (place / name).write_bytes(data)
        ref = Ref(str(place / name), 0, len(data))
        if name.endswith(".sign"):
            alone.append(Alone(f"release/{name}", ref, shipped=True))
        else:
            pairs.append(Pair(f"release/{name}", ref, ref))
    return releases.task(pairs, alone)


def _answer(task: Task, settings: Settings | None = None) -> release.ReleaseAnswer:
    assert isinstance(task.request, release.ReleaseRequest)
    return release.verify(settings or Settings(), task.request)


def _real(*names: str) -> dict[str, bytes]:
    return {name: make.file(name) for name in names}


def test_files_that_no_release_is_made_of_stay_out(tmp_path: Path) -> None:
    task = _task(tmp_path, {**_real("test-1.cvd", "test-2.cdiff"), "README": b"x"})
    assert [item.path for item in task.ticket] == ["release/test-1.cvd", "release/test-2.cdiff"]
    assert _answer(task).members == ()


def test_a_signature_beside_is_verified_by_the_auditors_certificates(tmp_path: Path) -> None:
    files = _real("test-1.cvd", "test-2.cdiff")
    signed = {
        "test-1.cvd.sign": make.sign_file("test-1.cvd", "vendor"),
        "test-2.cdiff.sign": make.sign_file("test-2.cdiff", "stranger"),
    }
    # With certificates named, ClamAV's own keys still are what its files are signed with.
    settings = Settings(certificates=(make.authority("vendor").root,))
    (member,) = _answer(_task(tmp_path, files | signed), settings).members
    assert member.path == "release/test-2.cdiff"
    assert [item.kind for item in member.differences] == ["signature-unexpected"]


def test_a_damaged_update_is_inconclusive(tmp_path: Path) -> None:
    files = _real("test-1.cvd") | {"test-2.cdiff": b"ClamAV-Diff:x"}
    (member,) = _answer(_task(tmp_path, files)).members
    assert member.verdict is Verdict.INCONCLUSIVE


def test_an_update_that_is_too_large_is_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "_LARGEST", 100)
    (member,) = _answer(_task(tmp_path, _real("test-1.cvd", "test-2.cdiff"))).members
    assert [item.kind for item in member.problems] == ["limit"]


def test_work_that_failed_is_inconclusive(tmp_path: Path) -> None:
    task = _task(tmp_path, _real("test-1.cvd", "test-2.cdiff"))
    (member,) = releases.found(task, Failure("timeout", "It took too long."))
    assert (member.path, member.verdict) == ("release/test-1.cvd", Verdict.INCONCLUSIVE)
