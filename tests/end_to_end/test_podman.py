"""The sandbox podman: probes as root and as a user, a build, and an end that leaves nothing."""

from __future__ import annotations

import codecs
import dataclasses
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import NOBODY, as_nobody, build, open_place, record_of
from verifier import rebuild  # noqa: TC001 - loaded before a test gives up its rights
from verifier.errors import BuildError
from verifier.rebuild.inputs import strace
from verifier.rebuild.model import FailedBuildError
from verifier.rebuild.probes import PROBES, attempt, session
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.root import Root
from verifier.rebuild.sandbox import Step, podman  # noqa: F401 - likewise
from verifier.rebuild.sandbox.image import Image, image_of, layout
from verifier.source import Cache
from verifier.spec import Sandbox as Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here"),
]
SETTINGS = dataclasses.replace(
    Settings(), kind="podman", root="debian:bookworm", limits=attempt.LIMITS, processors=1
)


@pytest.fixture(scope="module")
def root() -> Root:
    made = session.root_of("podman", "debian:bookworm", Cache.open(), lambda _text: None)
    assert made is not None
    return made


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def check_denied(root: Root, cache: Path) -> None:
    opened = attempt.attempt(lambda: session.opened(SETTINGS, root, Cache.open(cache)), PROBES)
    found = list(opened)
    wrong = [(each.probe.name, each.result, each.how) for each in found if each.result != "denied"]
    assert not wrong


def test_all_probes_are_denied_to_root(root: Root, place: Path) -> None:
    check_denied(root, place / "cache")


@pytest.mark.exhaustive
def test_all_probes_are_denied_to_a_user(root: Root, place: Path) -> None:
    image_of(root, NOBODY)
    os.chown(place, NOBODY, NOBODY)
    as_nobody(lambda: check_denied(root, place / "cache"))


def test_a_user_runs_a_step_without_subordinate_ids(root: Root, place: Path) -> None:
    image_of(root, NOBODY)
    os.chown(place, NOBODY, NOBODY)

    def step() -> None:
        with session.opened(SETTINGS, root, Cache.open(place / "Anna's cache = a")) as sandbox:
            sandbox.run(Step("make", ("sh", "-c", "id -u >here; ! touch /usr/x"), sandbox.tree))
            assert (sandbox.room.tree / "here").read_text() == "1000\n"
            with pytest.raises(FailedBuildError, match="exit status 7"):
                sandbox.run(Step("fail", ("sh", "-c", "exit 7"), sandbox.tree))

    as_nobody(step)


def test_a_build_says_which_image_it_had(root: Root, place: Path) -> None:
    made = build(
        place,
        ["umask >out; env | sort >>out; cc --version >>out"],
        extra='[debian]\nsuite = "bookworm"\n[sandbox]\nkind = "podman"',
        shared=True,
    )
    said = (made.output_dir / "out").read_text().splitlines()
    assert said[0] == "0022"
    assert "HOME=/home/builder" in said
    assert not [line for line in said if line.startswith(("container=", "HOSTNAME="))]
    assert made.sandbox["kind"] == "podman"
    assert made.sandbox["image"] == image_of(root, 61_747).digest


RECORDED = [
    "cc -static -c -o m.o main.c && cc -static -o m m.o && ./m data/static",
    "setsid sh -c 'sleep 0.2; cat data/daemon >/tmp/left; cp /tmp/left out' & wait",
    ["perl", "-Mthreads", "-e", "threads->create(sub { open F, '<data/thread' })->join"],
    "cat /etc/passwd /etc/hostname /etc/mtab; echo x >/dev/hole; cat /dev/hole",
]


def recorded(place: Path) -> rebuild.Build:
    (place / "source/data").mkdir(parents=True)
    for name in ("static", "daemon", "thread", "nobody"):
        (place / "source/data" / name).write_text(name)
    (place / "source/main.c").write_text(
        '#include <stdio.h>\nint main(int n, char **v) { return !fopen(v[1], "r"); }\n'
    )
    extra = '[debian]\nsuite = "bookworm"\n[sandbox]\nkind = "podman"'
    return build(place, RECORDED, extra=extra, shared=True)


def test_a_build_is_recorded_whole(root: Root, place: Path) -> None:
    """The container's processes and no others, in its own names, over its image."""
    del root
    made = recorded(place)
    assert made.inputs is not None
    assert made.record is not None
    assert made.inputs.problems == ()
    (hole,) = made.inputs.unaccounted
    assert (hole.path, hole.chain[-1]) == ("/dev/hole", "cat /dev/hole")
    assert made.inputs.unread == ("data/nobody",)
    record = record_of(made)
    found = {item["path"]: item["class"] for item in record["files"]}
    for name in ("static", "daemon", "thread"):
        assert found[f"/build/source/data/{name}"] == "source", name
    assert found["/tmp/left"] == "produced"
    assert (found["/etc/passwd"], found["/etc/ld.so.cache"]) == ("root", "root")
    assert not [path for path in found if "podman" in path or "conmon" in path or "crun" in path]
    assert record["origins"] == {"/build/source/out": ["data/daemon"]}


def test_a_user_records_too(root: Root, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a root that root made: its few closed files are no part of this build."""
    image_of(root, NOBODY)
    monkeypatch.setattr(Command, "root", lambda _self: root)
    monkeypatch.setattr("verifier.rebuild.run.check", lambda _root: None)
    place.chmod(0o777)
    codecs.lookup("ascii")  # loaded before the test gives up its rights

    def action() -> None:
        extra = '[debian]\nsuite = "bookworm"\n[sandbox]\nkind = "podman"'
        made = build(place / "of-user", ["(echo >x) & wait; cat x /etc/passwd >out"], extra=extra)
        assert made.inputs is not None
        assert (made.inputs.problems, made.inputs.unaccounted) == ((), ())
        assert [each.files for each in made.inputs.classes if each.name == "produced"] == [1]

    as_nobody(action)


def test_a_process_of_the_container_whose_birth_was_not_seen_is_a_gap(
    root: Root, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del root
    true = strace.lines

    def holed(directory: Path) -> list[strace.Line]:
        found = true(directory)
        start = next(n for n, line in enumerate(found) if "verifier-step" in line.text)
        forks = ("fork(", "vfork(", "clone(", "clone3(")
        return [
            line for n, line in enumerate(found) if n < start or not line.text.startswith(forks)
        ]

    monkeypatch.setattr(strace, "lines", holed)
    made = build(
        place,
        ["(echo x) >out; cat out; true"],
        extra='[debian]\nsuite = "bookworm"\n[sandbox]\nkind = "podman"',
        shared=True,
    )
    assert made.inputs is not None
    assert any("has no known parent" in text for text in made.inputs.problems)


def test_an_image_of_two_layers_has_no_files_to_name(place: Path) -> None:
    for name in ("one", "two"):
        (place / "overlay" / name / "diff/usr").mkdir(parents=True)
    with pytest.raises(BuildError, match="not one layer but 2"):
        _ = Image(place, "", "").files


def test_another_image_than_the_pinned_one_is_refused(root: Root, place: Path) -> None:
    del root
    pin = f'[sandbox]\nkind = "podman"\nimage = "sha256:{"0" * 64}"'
    with pytest.raises(BuildError, match="not sha256:0000"):
        build(place, ["touch out"], extra=pin, shared=True)


def small_root(cache: Path) -> Root:
    small = cache / "roots" / "key" / "root"
    for name in ("bin", "etc", "usr"):
        (small / name).mkdir(parents=True)
    (small / "bin" / "tool").write_text("tool")
    return Root(small, "key", "", ())


@pytest.mark.parametrize("name", ["Anna's cache", "a=b", "ends_with_", "A@c", "two__-under"])
def test_a_cache_may_lie_at_any_path(place: Path, name: str) -> None:
    """podman names an image after its path, and a name allows far less than a path does."""
    image = image_of(small_root(place / name), 61_747)
    assert (image.files / "bin" / "tool").read_text() == "tool"


@pytest.mark.parametrize("name", ["a:b", "a,b", 'a"b', "a\\b", "a\nb"])
def test_a_path_that_podman_cannot_be_told_is_refused(place: Path, name: str) -> None:
    with pytest.raises(BuildError, match="cannot be given the path"):
        image_of(small_root(place / name), 61_747)


def test_an_altered_image_is_refused(place: Path) -> None:
    made = small_root(place)
    image = image_of(made, 61_747)
    assert image_of(made, 61_747) == image
    (tool,) = image.store.glob("overlay/*/diff/bin/tool")
    tool.write_text("evil")
    with pytest.raises(BuildError, match="changed since it was made"):
        image_of(made, 61_747)


def test_equal_roots_give_equal_images(place: Path) -> None:
    found = []
    for number in (1, 2):
        tree = place / f"root{number}"
        (tree / "usr").mkdir(parents=True)
        (tree / "usr" / "file").write_text("content")
        (tree / "lib").symlink_to("usr")
        os.link(tree / "usr" / "file", tree / "usr" / "twin")
        os.utime(tree / "usr" / "file", (2e9 + number, 2e9 + number))
        found.append(layout(tree, place / f"oci{number}"))
    assert found[0] == found[1]
    (place / "root2" / "usr" / "file").chmod(0o600)
    assert layout(place / "root2", place / "oci3") != found[0]


def test_a_killed_run_leaves_no_container(root: Root, place: Path) -> None:
    """podman's monitor leaves its process group; the namespace around it ends with us."""
    del root
    command = [sys.executable, "-c", SLEEPER, str(place / "cache")]
    child = subprocess.Popen(command)
    assert seen("sleep 98.7654", 60), "the container never came"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert gone("sleep 98.7654", 10)
    assert gone(str(place), 10)


SLEEPER = """
import sys
from pathlib import Path
from tests.end_to_end.test_podman import SETTINGS
from verifier.rebuild.probes import session
from verifier.rebuild.sandbox import Step
from verifier.source import Cache
root = session.root_of("podman", "debian:bookworm", Cache.open(), lambda text: None)
with session.opened(SETTINGS, root, Cache.open(Path(sys.argv[1]))) as sandbox:
    sandbox.run(Step("sleep", ("sleep", "98.7654"), sandbox.tree))
"""


def running(text: str) -> bool:
    listing = subprocess.run(["ps", "axww"], check=True, capture_output=True, text=True).stdout
    return any(text in line and sys.executable not in line for line in listing.splitlines() if line)


def seen(text: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not running(text) and time.monotonic() < end:
        time.sleep(0.2)
    return running(text)


def gone(text: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while running(text) and time.monotonic() < end:
        time.sleep(0.2)
    return not running(text)
