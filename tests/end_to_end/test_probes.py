"""The escape probes: denied in every sandbox, and each one open where its measure is taken away.

A probe that nothing can make succeed would prove nothing; so each is shown a sandbox without
the measure that it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import NOBODY, as_nobody, open_place
from verifier import process
from verifier.rebuild.log import Log
from verifier.rebuild.probes import PROBES, Result, attempt, session
from verifier.rebuild.probes.base import Probe, read
from verifier.rebuild.room import open_room
from verifier.rebuild.sandbox import SANDBOXES, bubblewrap
from verifier.rebuild.sandbox.bubblewrap import Bubblewrap
from verifier.source import Cache
from verifier.spec import Limits
from verifier.spec import Sandbox as Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Sandbox, Step
    from verifier.rebuild.sandbox.cgroup import Group

NAMED = {probe.name: probe for probe in PROBES}
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def check_denied(place: Path, kind: str = "bubblewrap", directory: Path | None = None) -> None:
    found = list(session.run(kind, None, directory or place / "cache", PROBES))
    assert len(found) >= 15
    wrong = [(each.probe.name, each.result, each.how) for each in found if each.result != "denied"]
    assert not wrong


def test_all_are_denied_to_the_caller(place: Path) -> None:
    check_denied(place)


@ROOT_ONLY
def test_all_are_denied_to_a_user(place: Path) -> None:
    os.chown(place, NOBODY, NOBODY)
    as_nobody(lambda: check_denied(place))


class Weak(Bubblewrap):
    """bubblewrap with some of its arguments changed."""

    change: Callable[[list[str]], list[str]] = staticmethod(list)

    def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
        return self.change(list(super().launch(step, group, fds)))


def without(word: str) -> Callable[[list[str]], list[str]]:
    return lambda argv: [each for each in argv if each != word]


def inserted(before: str, *words: str) -> Callable[[list[str]], list[str]]:
    def change(argv: list[str]) -> list[str]:
        at = argv.index(before)
        return [*argv[:at], *words, *argv[at:]]

    return change


def shared(*kept: str) -> Callable[[list[str]], list[str]]:
    """All namespaces apart but those named."""
    every = {"ipc", "pid", "net", "uts", "cgroup"}

    def change(argv: list[str]) -> list[str]:
        at = argv.index("--unshare-all")
        names = [f"--unshare-{each}" for each in sorted(every - set(kept))]
        return [*argv[:at], *names, *argv[at + 1 :]]

    return change


def host_processes(argv: list[str]) -> list[str]:
    """The caller's process ids, and its /proc."""
    at = argv.index("--proc")
    return shared("pid")([*argv[:at], "--ro-bind", "/proc", "/proc", *argv[at + 2 :]])


def found_in(
    place: Path, name: str, sandbox: type[Sandbox], limits: Limits = attempt.LIMITS
) -> tuple[Result, str]:
    settings = dataclasses.replace(Settings(), kind=sandbox.kind, limits=limits, processors=1)
    cache = Cache.open(place / "cache")

    @contextlib.contextmanager
    def opened() -> Iterator[Sandbox]:
        log = Log(place / "log" / "x.log", lambda _text: None)
        with open_room(settings, None, cache, "/build/source", log) as room:
            yield sandbox(room)

    (finding,) = attempt.attempt(opened, [NAMED[name]])
    return finding.result, finding.how


def weak(change: Callable[[list[str]], list[str]]) -> type[Sandbox]:
    return type("Changed", (Weak,), {"change": staticmethod(change)})


WEAKENED = {
    "network-ipv4": shared("net"),
    "network-ipv6": shared("net"),
    "abstract-socket": shared("net"),
    "host-files": inserted("--chdir", "--bind", "/tmp", "/tmp"),
    "write-outside": inserted("--chdir", "--tmpfs", "/usr/local/bin"),
    "sys": inserted("--remount-ro", "--ro-bind", "/sys", "/sys"),
    "processes": host_processes,
}
FILTERED = (
    "vsock", "io_uring", "keyrings", "ptrace", "personality", "terminal", "user-namespaces",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(WEAKENED))
def test_a_measure_taken_away_lets_the_probe_through(place: Path, name: str) -> None:
    assert found_in(place, name, weak(WEAKENED[name]))[0] is Result.OPEN


@pytest.mark.parametrize("name", FILTERED)
def test_without_the_filter_the_probe_gets_through(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap.seccomp, "program", lambda: None)
    sandbox = weak(without("--disable-userns"))
    assert found_in(place, name, sandbox)[0] is Result.OPEN


def test_without_the_limit_core_dumps_are_allowed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lay it on: the door to other programs, and the sandbox."""
    monkeypatch.setattr(process, "_capped", lambda command, _memory: command)
    assert found_in(place, "core-dumps", weak(without("--core=0")))[0] is Result.OPEN


def test_a_descriptor_left_open_is_found(place: Path) -> None:
    class Leaking(Bubblewrap):
        def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
            fds.append(os.open("/etc/hostname", os.O_RDONLY))
            return super().launch(step, group, fds)

    assert found_in(place, "descriptors", Leaking)[0] is Result.OPEN


@pytest.mark.parametrize(
    "name",
    ["fork-bomb", "memory", "disk", "log", "temporary", "time"],
)
def test_a_limit_raised_is_passed(place: Path, name: str) -> None:
    plenty = Limits(200, 1 << 31, 4000, 1 << 31, 1 << 27)
    assert found_in(place, name, Bubblewrap, plenty)[0] is Result.OPEN


@ROOT_ONLY
@pytest.mark.parametrize(
    "name",
    [
        "privileges",
        "mounts",
        "kernel",
        "devices",
        "other-namespaces",
        "clock",
        "proc-1",
        "leftovers",
    ],
)
def test_root_without_a_sandbox_gets_through(place: Path, name: str) -> None:
    assert found_in(place, name, SANDBOXES["host"])[0] is Result.OPEN


def test_an_open_room_shows_what_a_build_left_setuid(place: Path) -> None:
    class Opened(Bubblewrap):
        def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
            for directory in (self.room.tree.parent, self.room.work):
                directory.chmod(0o755)
            return super().launch(step, group, fds)

    assert found_in(place, "setuid-left", Opened)[0] is Result.OPEN


@pytest.mark.parametrize(
    "said",
    [
        "",
        "@end\n",
        "@probe denied x: no\n",
        "Can't locate Socket.pm\n",
        "@probe maybe x: y\n@end\n",
    ],
)
def test_what_did_not_run_to_its_end_is_not_denied(said: str) -> None:
    assert read(Probe("x", "", "", ""), said).result is Result.NOT_RUN


def test_a_script_that_breaks_is_not_denied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Probe("broken", "", "", 'said("denied", "x", "no"); die "half way";')
    monkeypatch.setitem(NAMED, "broken", broken)
    result, how = found_in(place, "broken", Bubblewrap)
    assert result is Result.NOT_RUN
    assert "half way" in how


def run_command(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", "sandbox", "test", *arguments]
    command += ["--cache", str(place / "cache")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_a_table_and_its_status_tells(place: Path) -> None:
    some = ("--probe", "network-ipv4", "--probe", "descriptors")
    done = run_command(place, *some, "--json", str(place / "found.json"))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "bubblewrap: 2 denied, 0 open, 0 not run"
    assert "a network of its own: Connection refused" in done.stdout
    rows = json.loads((place / "found.json").read_text())["probes"]
    assert [row["result"] for row in rows] == ["denied", "denied"]
    open_one = run_command(place, "--kind", "host", "--probe", "network-ipv4")
    assert open_one.returncode == 1
    assert "OPEN" in open_one.stdout
    assert run_command(place, "--probe", "no-such").returncode == 2
    assert run_command(place, "--kind", "no-such").returncode == 2
    assert run_command(place, "--root", "fedora:39").returncode == 2
