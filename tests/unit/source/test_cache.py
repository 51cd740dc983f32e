"""The cache under runs at once: locks, killed processes, pruning, damage."""

import hashlib
import os
import random
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from verifier.commands import build
from verifier.errors import SourceError
from verifier.source import Cache, archive
from verifier.source.cache import hold, in_use, publish, release, remove, take_away
from verifier.source.prune import DAY, SCRATCH_SECONDS, listed, prune
from verifier.spec import ArchiveSource

RACING = Path(__file__).with_name("racing.py")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def quiet(_text: str) -> None:
    pass


def entry(cache: Cache, name: str, age_days: float = 0, size: int = 100_000) -> Path:
    path = cache.under("roots") / name
    path.mkdir()
    (path / "file").write_bytes(b"x" * size)
    then = time.time() - age_days * DAY
    os.utime(path, (then, then))
    return path


def another_process(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


HOLDS = """
import sys
from pathlib import Path
from verifier.source.cache import hold
print(hold(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_an_entry_in_use_stays_until_its_user_ends(cache: Cache) -> None:
    path = entry(cache, "a", age_days=9)
    with another_process(HOLDS, path) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "True\n"
        os.utime(path, (0, 0))
        assert in_use(path)
        done = prune(cache, older_than=1, max_size=0)
        assert (len(done.removed), [each.path for each in done.busy]) == (0, [path])
        assert path.is_dir()
        user.kill()  # a killed run leaves no lock
    assert not in_use(path)
    assert [each.path for each in prune(cache, older_than=1).removed] == [path]
    assert not path.exists()
    assert not hold(path)
    assert not list(cache.under("scratch").iterdir())


def test_use_makes_young(cache: Cache) -> None:
    path = entry(cache, "a", age_days=9)
    assert hold(path)
    release(path)
    assert not prune(cache, older_than=1).removed
    assert path.is_dir()


def test_age_and_size(cache: Cache) -> None:
    old, middle, new = (entry(cache, name, age) for name, age in (("a", 30), ("b", 20), ("c", 1)))
    run = cache.under("runs", "result")
    os.utime(run, (0, 0))
    assert not prune(cache).removed
    assert [each.path for each in prune(cache, older_than=25).removed] == [old]
    most = sum(each.size for each in listed(cache)) - 1
    assert [each.path for each in prune(cache, max_size=most).removed] == [middle]
    assert new.is_dir()
    assert run.is_dir()
    assert prune(cache, older_than=25, runs=True).removed[0].kind == "run"


def test_what_a_killed_run_left_goes_after_an_hour(cache: Cache) -> None:
    left = cache.under("scratch", "tmp1")
    (left / "half").write_text("x")
    assert not prune(cache, older_than=0, max_size=0).removed
    later = time.time() + SCRATCH_SECONDS + 1
    with cache.scratch() as busy:
        assert [each.path for each in prune(cache, now=later).removed] == [left]
        assert busy.is_dir()


def test_a_link_in_the_cache_leads_nowhere(cache: Cache, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (cache.under("roots") / "link").symlink_to(outside)
    inner = entry(cache, "a", age_days=9)
    (inner / "link").symlink_to(outside)
    prune(cache, older_than=0, max_size=0)
    assert (outside / "file").read_text() == "mine"
    assert not inner.exists()


def test_publishing_twice_keeps_the_first(cache: Cache) -> None:
    final = cache.under("roots") / "a"
    for text in ("first", "second"):
        with cache.scratch() as scratch:
            (scratch / "made").mkdir()
            (scratch / "made" / "file").write_text(text)
            publish(scratch / "made", final)
    assert (final / "file").read_text() == "first"
    assert in_use(final)
    assert not take_away(final, cache.directory / "gone")
    release(final)
    assert take_away(final, cache.directory / "gone")


def test_an_entry_that_cannot_be_put_in_place(cache: Cache) -> None:
    with cache.scratch() as scratch:
        (scratch / "made").mkdir()
        (cache.directory / "file").write_text("x")
        with pytest.raises((SourceError, OSError)):
            publish(scratch / "made", cache.directory / "file" / "below")


@pytest.fixture
def tarball(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "a.tar.gz"
    for number in range(40):
        (tmp_path / f"f{number}").write_bytes(random.Random(number).randbytes(4096))
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for number in range(40):
            tar.add(tmp_path / f"f{number}", f"top/d{number % 7}/f{number}")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_damaged_archive_is_fetched_again(cache: Cache, tarball: tuple[Path, str]) -> None:
    path, sha256 = tarball
    spec = ArchiveSource(str(path), sha256)
    before = archive.obtain(spec, cache, quiet)
    kept = cache.directory / "sources/archives" / sha256
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    said: list[str] = []
    assert archive.obtain(spec, cache, said.append) == before
    assert kept.read_bytes() == whole
    assert "is damaged; fetching it again" in said[0]


def test_processes_that_race_and_are_killed(cache: Cache, tarball: tuple[Path, str]) -> None:
    path, sha256 = tarball
    log = path.with_name("log")
    log.touch()
    dice = random.Random(1)
    command = [sys.executable, str(RACING), str(cache.directory), str(path), sha256, str(log)]
    running = [subprocess.Popen(command) for _ in range(3)]
    try:
        soonest, latest = time.monotonic() + 8, time.monotonic() + 120
        while (now := time.monotonic()) < soonest or (
            len(log.read_bytes().splitlines()) <= 10 and now < latest  # a busy machine is slow
        ):
            time.sleep(dice.uniform(0.05, 0.4))
            prune(cache, older_than=0, max_size=0)
            if dice.random() < 0.3:
                victim = dice.randrange(len(running))
                running[victim].kill()
                running[victim].wait()
                running[victim] = subprocess.Popen(command)
    finally:
        for process in running:
            process.kill()
            process.wait()
    lines = log.read_text().splitlines()
    assert len(lines) > 10
    assert set(lines) == {"good"}
    assert not archive.obtain(ArchiveSource(str(path), sha256), cache, quiet).path.is_symlink()
    later = time.time() + SCRATCH_SECONDS + 1
    prune(cache, now=later)
    assert not list(cache.under("scratch").iterdir())


def test_the_commands(cache: Cache) -> None:
    path = entry(cache, "a", age_days=9)
    runner, app = CliRunner(), build("cache")
    where = ["--cache", str(cache.directory)]
    done = runner.invoke(app, ["cache", "list", *where])
    assert "roots/a" in done.output
    assert "1 entries" in done.output
    done = runner.invoke(app, ["cache", "prune", "--older-than", "10", *where])
    assert (done.exit_code, path.is_dir()) == (0, True)
    done = runner.invoke(app, ["cache", "prune", "--max-size", "some", *where])
    assert done.exit_code != 0
    done = runner.invoke(app, ["cache", "prune", "--max-size", "10K", *where])
    assert "1 entries removed" in done.output
    assert not path.exists()


def test_removing_changes_nothing_beside_the_tree(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir(mode=0o755)
    remove(beside / "never made")
    tree = beside / "tree"
    (tree / "shut/inner").mkdir(parents=True)
    (tree / "shut/inner/file").touch()
    (tree / "link").symlink_to(beside)
    (tree / "shut").chmod(0)
    remove(tree)
    assert not tree.exists()
    held = beside / "held"  # a mount, or anything else that the system does not let go
    held.mkdir()

    def refused(_path: object, *_more: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rmdir", refused)
        remove(held)
    assert held.is_dir()
    assert beside.stat().st_mode & 0o777 == 0o755
