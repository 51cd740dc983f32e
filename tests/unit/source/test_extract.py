"""Archives cannot write outside their directory, nor hide behind links."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from verifier import limits
from verifier.errors import SourceError
from verifier.source.extract import extract


def entry(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def make_tar(path: Path, *entries: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info in entries:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def test_files_modes_times_and_links(tmp_path: Path) -> None:
    archive = make_tar(
        tmp_path / "a.tgz",
        entry("p", type=tarfile.DIRTYPE, mtime=5),
        entry("p/run", mode=0o6755, mtime=7),
        entry("p/same", type=tarfile.LNKTYPE, linkname="p/run"),
        entry("p/q/ln", type=tarfile.SYMTYPE, linkname="../run"),
    )
    root = tmp_path / "out"
    root.mkdir()
    extract(archive, root)
    run = (root / "p/run").stat()
    assert (run.st_mode & 0o7777, run.st_mtime, run.st_nlink) == (0o755, 7, 2)
    assert (root / "p").stat().st_mtime == 5
    assert (root / "p/q/ln").read_bytes() == b"x"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../x")],
        [entry("/x")],
        [entry("a/../../x")],
        [entry("ln", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
        [entry("a/ln", type=tarfile.SYMTYPE, linkname="../../x")],
        [entry("ln", type=tarfile.SYMTYPE, linkname="."), entry("ln/x")],
        [entry("ln", type=tarfile.LNKTYPE, linkname="../../etc/passwd")],
        [entry("ln", type=tarfile.LNKTYPE, linkname="absent")],
        [entry("dev", type=tarfile.CHRTYPE)],
        [entry("pipe", type=tarfile.FIFOTYPE)],
        [entry("d", type=tarfile.DIRTYPE), entry("d")],
    ],
    ids=lambda entries: ",".join(f"{one.name}{one.linkname and '→'}" for one in entries),
)
def test_hostile_tars_are_refused(tmp_path: Path, entries: list[tarfile.TarInfo]) -> None:
    root = tmp_path / "box" / "out"
    root.mkdir(parents=True)
    with pytest.raises(SourceError):
        extract(make_tar(tmp_path / "a.tgz", *entries), root)
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["out"]


def test_a_bomb_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCE_BYTES", 1 << 20)
    archive = make_tar(tmp_path / "a.tgz", entry("big"), content=bytes(3 << 20))
    root = tmp_path / "out"
    root.mkdir()
    with pytest.raises(SourceError, match="holds over 1048576 bytes"):
        extract(archive, root)
    assert sum(path.stat().st_size for path in root.rglob("*")) <= 2 << 20


def test_zip(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as container:
        container.writestr("d/x", "content")
    root = tmp_path / "out"
    root.mkdir()
    extract(archive, root)
    assert (root / "d/x").read_text() == "content"
    with zipfile.ZipFile(archive, "a") as container:
        container.writestr("d/../../y", "")
    with pytest.raises(SourceError, match="leads outside"):
        extract(archive, root)


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08broken", b"PK\x03\x04zzzz"])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    root = tmp_path / "out"
    root.mkdir()
    with pytest.raises(SourceError, match="broken or no archive"):
        extract(tmp_path / "a", root)
