"""No call makes a planted file one of the build's own: it stays unaccounted, or is read as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.rebuild.inputs.names import Elsewhere, Made, Names, Odd
from verifier.rebuild.inputs.replay import Replay
from verifier.rebuild.inputs.strace import Line
from verifier.rebuild.inputs.view import View

START = '10 execve("/bin/sh", ["/bin/sh", "-c", "x", "verifier-step", "make"], 0x1) = 0'
PLANTED = Odd("planted", "0" * 64, 1)
READ = '10 openat(AT_FDCWD</b>, "{0}", O_RDONLY) = 3</b/{0}>'

WAYS = {
    "touched": (
        '10 openat(AT_FDCWD</b>, "planted", O_WRONLY|O_CREAT|O_NOCTTY, 0666) = 3</b/planted>',
        READ.format("planted"),
    ),
    "appended to": (
        '10 openat(AT_FDCWD</b>, "planted", O_WRONLY|O_APPEND) = 3</b/planted>',
        READ.format("planted"),
    ),
    "cut to its own length": ('10 truncate("planted", 1) = 0', READ.format("planted")),
    "linked by a descriptor": (
        '10 openat(AT_FDCWD</b>, "planted", O_RDONLY|O_PATH) = 5</b/planted>',
        '10 linkat(AT_FDCWD</b>, "/proc/self/fd/5", AT_FDCWD</b>, "own", AT_SYMLINK_FOLLOW) = 0',
        READ.format("own"),
    ),
    "linked by a bare descriptor": (
        '10 linkat(5</b/planted>, "", AT_FDCWD</b>, "own", AT_EMPTY_PATH) = 0',
        READ.format("own"),
    ),
    "linked by way of the working directory": (
        '10 link("/proc/self/cwd/planted", "own") = 0',
        READ.format("own"),
    ),
    "renamed by way of the root": (
        '10 rename("/proc/self/root/b/planted", "own") = 0',
        READ.format("own"),
    ),
    "renamed below a directory that is a descriptor": (
        '10 chdir("/proc/self/fd/5") = 0',
        '10 rename("planted", "/b/own") = 0',
        READ.format("own"),
    ),
    "removed while it is opened": ('10 openat(AT_FDCWD</b>, "#7", O_RDONLY) = 3</b/#7>(deleted)',),
    "renamed": ('10 rename("planted", "own") = 0', READ.format("own")),
}


def played(*lines: str) -> Replay:
    names = Names(View((("/b", None),), ("/b",), (), Path("/nonexistent")))
    names.put("/b", {})
    for name in ("planted", "#7"):
        names.put(f"/b/{name}", PLANTED)
    replay = Replay(names)
    parts = [line.partition(" ") for line in (START, *lines)]
    log = [Line(f"{place:03}", int(pid), text) for place, (pid, _, text) in enumerate(parts)]
    replay.step("step", "/b", log)
    assert not replay.problems
    return replay


@pytest.mark.parametrize("way", list(WAYS))
def test_a_planted_file_stays_one(way: str) -> None:
    replay = played(*WAYS[way])
    assert any(isinstance(use.node, Odd) for use in replay.uses.values())
    assert not any(isinstance(use.node, Elsewhere) for use in replay.uses.values())


def test_what_the_build_made_stays_its_own() -> None:
    """Files that never had a name get one, and its own files are touched and cut."""
    replay = played(
        '10 openat(AT_FDCWD</b>, "/b", O_WRONLY|O_TMPFILE, 0666) = 5</b/#99>(deleted)',
        '10 linkat(AT_FDCWD</b>, "/proc/self/fd/5", AT_FDCWD</b>, "own", AT_SYMLINK_FOLLOW) = 0',
        '10 linkat(5</b/#99>(deleted), "", AT_FDCWD</b>, "two", AT_EMPTY_PATH) = 0',
        '10 openat(AT_FDCWD</b>, "own", O_WRONLY|O_APPEND) = 3</b/own>',
        '10 truncate("own", 1) = 0',
        READ.format("own"),
        READ.format("two"),
    )
    read = {use.path: use.node for use in replay.uses.values() if use.path != "/bin/sh"}
    assert read.keys() == {"/b/own", "/b/two"}
    assert all(isinstance(node, Made) for node in read.values())
