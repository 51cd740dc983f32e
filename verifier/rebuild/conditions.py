"""What a build meets beside its source: whether its clock is set, and what it would see.

`PROBE` prints one line a condition. A build of `diagnose` runs it first, so that a factor counts
as varied only where the sandbox shows the other value, and shows no other change.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.base import clock_variables
from verifier.rebuild.sandbox import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.rebuild.model import StepRecord
    from verifier.rebuild.sandbox.base import Room, Sandbox

SHARED = Path("/dev/shm")  # noqa: S108 - used with names of our own
FOLDER = "conditions"  # beside the sources: the clock, and a locale
_MARK = "@condition"
_MOMENT = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
# Names enough that two orders of a directory are the same by chance once in millions.
PROBE = f"""
say() {{ name=$1; shift; echo "{_MARK} $name $*"; }}
say path "$(pwd -P)"
say time "$(($(date +%s) / 3600))"
say zone "$(date +%z)"
say locale "$(printf 't\\nz\\n' | sort | head -n 1)" "$LC_ALL"
say umask "$(umask)"
say user "$(id -un) $(id -u) $HOME"
say host "$(uname -n)"
say processors "$(nproc)"
mkdir .probe && (cd .probe && touch a b c d e f g h i j k l)
say order $(ls -f .probe | grep -v '[.]')
rm -r .probe
say environment "$TERM $CI $EDITOR"
say kernel "$(uname -r)"
say addresses "$((0x0$(cat /proc/self/personality 2>/dev/null) & 0x40000))"
"""


def check_clock(sandbox: Sandbox) -> StepRecord:
    """Ask a program inside for the time under a clock that is set.

    Raises:
        BuildError: it reads another: libfaketime is not where the programs run.
    """
    start = sandbox.room.log.size
    variables = clock_variables(_MOMENT)
    # Run by `env`: the shell around a step may be linked statically where date is not.
    ask_date = ("env", "date", "-u", "+%F")
    record = sandbox.run(Step("clock", ask_date, sandbox.tree, variables, recorded=False))
    if f"{_MOMENT:%F}\n" not in sandbox.room.log.since(start):
        raise BuildError(
            "The sandbox's clock cannot be set: programs in it do not load libfaketime; install "
            "libfaketime where they run (on this machine: apt install libfaketime)."
        )
    return record


def lay_clock(sources: Path, start: dt.datetime) -> None:
    """Let the clock begin at `start`, now: as an offset, which no time zone shifts."""
    folder = sources / FOLDER
    folder.mkdir(mode=0o755, exist_ok=True)
    offset = (start - dt.datetime.now(dt.UTC)).total_seconds()
    (folder / "clock").write_text(f"{offset:+.3f}s\n")
    (folder / "clock").chmod(0o644)


def ask(sandbox: Sandbox) -> tuple[StepRecord, dict[str, str]]:
    """What a step in the tree meets, by the names of `PROBE`."""
    start = sandbox.room.log.size
    argv = ("/bin/sh", "-c", PROBE)
    record = sandbox.run(Step("conditions", argv, sandbox.tree, recorded=False))
    said = sandbox.room.log.since(start, 1 << 16)
    found = re.findall(rf"^{_MARK} (\S+) (.*)$", said, re.MULTILINE)
    return record, {name: text.strip() for name, text in found}


def check_listing() -> None:
    """Refuse where no tmpfs is at hand; BuildError says so."""
    if not _is_tmpfs(SHARED):
        raise BuildError(f"{SHARED} is no tmpfs: the order of directories cannot be varied here.")


@contextmanager
def other_listing() -> Iterator[Path]:
    """A new directory on a tmpfs, which lists by age where other file systems list by hashes.

    Raises:
        BuildError: this machine has none that everyone may write to.
    """
    check_listing()
    directory = Path(tempfile.mkdtemp(prefix="verifier-", dir=SHARED))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        from verifier.source.cache import remove  # noqa: PLC0415 - as the scratch of the cache

        remove(directory)


def lay_reversed(room: Room, target: Path) -> None:
    """Copy what a recipe laid into the tree, each directory listed the other way round."""
    forwards = _lists_oldest_first(target.parent)
    _copy(room.tree, target, forwards)


def _copy(source: Path, target: Path, forwards: bool) -> None:
    with os.scandir(source) as listing:
        entries = list(listing)
    for entry in reversed(entries) if forwards else entries:
        path = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            path.mkdir()
            _copy(Path(entry.path), path, forwards)
            shutil.copystat(entry.path, path)
        else:
            shutil.copy2(entry.path, path, follow_symlinks=False)


def _lists_oldest_first(directory: Path) -> bool:
    """How this file system lists: measured, since kernels differ."""
    probe = directory / "probe"
    probe.mkdir()
    names = [str(number) for number in range(8)]
    for name in names:
        (probe / name).touch()
    listed = os.listdir(probe)  # noqa: PTH208 - the order is what is asked for
    shutil.rmtree(probe)
    if listed not in (names, names[::-1]):
        raise BuildError(f"{directory} does not list by age: the order cannot be varied there.")
    return listed == names


def _is_tmpfs(path: Path) -> bool:
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[1:3] == [str(path), "tmpfs"] for line in lines)
