"""Recordings with holes: each is told, and none passes for a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import as_nobody, build, open_place
from verifier import limits
from verifier.rebuild import FailedBuildError, accounting
from verifier.rebuild.inputs import laid, strace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.account import Inputs
    from verifier.rebuild.inputs.strace import Line


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        (path / "source").mkdir()
        (path / "source/audited").write_text("as it was\n")
        yield path


def without(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Take every line that holds all of `words` out of recordings."""
    true = strace.lines

    def holed(directory: Path) -> list[Line]:
        found = true(directory)
        return [line for line in found if not all(word in line.text for word in words)]

    monkeypatch.setattr(strace, "lines", holed)


def inputs(place: Path, step: str) -> Inputs:
    made = build(place, [step])
    assert made.inputs is not None
    return made.inputs


STEP = "echo x >made; cat made; cat audited; echo y >>audited; touch out"


def test_the_same_build_without_a_hole(place: Path) -> None:
    found = inputs(place, STEP)
    assert (found.unaccounted, found.problems) == ((), ())


def test_a_file_that_was_made_unseen_is_unaccounted_and_a_gap(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "made", "O_WRONLY")
    found = inputs(place, STEP)
    (item,) = found.unaccounted
    assert (item.path, item.reason) == (
        "/build/source/made",
        "nothing that was recorded had made it",
    )
    assert item.chain[-1] == "cat made"
    assert "1 files below /build/source were made by nothing" in found.problems[0]


def test_an_audited_file_that_changed_unseen_is_a_gap(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "audited", "O_APPEND")
    found = inputs(place, STEP)
    assert "1 audited files changed and nothing that was recorded wrote them" in found.problems[0]
    assert found.events[0].path == "/build/source/audited"


def test_a_write_through_a_second_name_is_a_gap_too(place: Path) -> None:
    found = inputs(place, "ln audited twin; echo y >>twin; cat audited >out")
    assert "audited files changed" in found.problems[0]


def test_a_process_whose_birth_was_not_seen_is_a_gap(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "fork(")
    without(monkeypatch, "clone(")
    assert any("has no known parent" in text for text in inputs(place, STEP).problems)


def test_what_a_build_shuts_before_a_user_is_a_gap(place: Path) -> None:
    place.chmod(0o777)
    (place / "source").chmod(0o755)

    def action() -> None:
        own = place / "of-user"
        (own / "source").mkdir(parents=True)
        (own / "source/audited").write_text("as it was\n")
        step = "touch out; mkdir shut; echo x >shut/x; chmod 0 audited shut"
        made = build(own, [step])
        assert made.inputs is not None
        assert any("cannot be read" in text for text in made.inputs.problems)
        assert any("audited files changed" in text for text in made.inputs.problems)

    as_nobody(action)


def test_an_unreadable_recording_is_a_gap(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(directory: Path) -> list[Line]:
        raise strace.LimitError(f"{directory.name} is too large")

    monkeypatch.setattr(strace, "lines", lines)
    assert "cannot be read" in inputs(place, STEP).problems[0]


def test_a_recording_past_its_limit_stops_the_build(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECORD_BYTES", 1 << 16)
    with pytest.raises(FailedBuildError, match="the record of its inputs passed 65536 bytes"):
        build(place, ["while :; do cat audited >out; done"])


def test_where_nothing_may_be_traced_the_message_says_what_to_do(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strace, "TRACED", ("no-such-call",))
    true = strace.around
    monkeypatch.setattr(
        strace, "around", lambda *each: tuple(a.replace("?no", "no") for a in true(*each))
    )
    with pytest.raises(FailedBuildError, match=r"could not be recorded: strace: .*inputs\.record"):
        build(place, ["touch out"])


def test_a_sandbox_that_cannot_be_recorded_is_never_complete(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.rebuild.sandbox.bubblewrap.Bubblewrap.view", lambda _self: None)
    found = inputs(place, "touch out")
    assert (found.method, found.classes) == ("none", ())
    assert "the sandbox bubblewrap has no recorder" in found.problems[0]
    assert accounting.RECORD_NAME


LISTENER = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
allow = (ctypes.c_uint64 * 1)(6 | 0x7fff0000 << 32)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
program = Program(1, ctypes.addressof(allow))
def load(flags):
    return libc.syscall(number, 1, flags, ctypes.byref(program)), ctypes.get_errno()
plain, listened = load(0)[0], load(8)
open("out", "w").write(f"{plain} {listened[0]} {errno.errorcode[listened[1]]}")
"""


def test_a_filter_that_outranks_the_recorders_cannot_be_had(place: Path) -> None:
    """SECCOMP_RET_USER_NOTIF comes before SECCOMP_RET_TRACE: seccomp(2), "Return values"."""
    (place / "source/listener.py").write_text(LISTENER)
    made = build(place, [["/usr/bin/python3", "listener.py"]])
    assert (made.output_dir / "out").read_text() == "0 -1 EPERM"


ESCAPE = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
CLONE_UNTRACED, SIGCHLD = 0x00800000, 17
child = libc.syscall(number, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0)
if child == 0:
    try:
        open("secret").read()
        os._exit(7)
    except OSError:
        os._exit(3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
open("out", "w").write(str(status))
"""


def test_a_process_that_shakes_its_tracer_off_can_open_nothing(place: Path) -> None:
    """strace's filter answers ENOSYS for every traced call where no tracer is left."""
    (place / "source/escape.py").write_text(ESCAPE)
    (place / "source/secret").write_text("secret")
    made = build(place, [["/usr/bin/python3", "escape.py"]])
    assert made.inputs is not None
    could = (made.output_dir / "out").read_text() == "7"
    assert ("secret" in made.inputs.unread) is not could


def test_a_link_that_was_turned_elsewhere_is_unaccounted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = place / "source"
    (tree / "right").symlink_to("audited")
    true = laid.walk

    def walk(top: Path) -> Iterator[laid.Found]:
        for found in true(top):
            turned = found.name == "right"
            yield found._replace(target="/etc/os-release") if turned else found

    monkeypatch.setattr(laid, "walk", walk)
    found = inputs(place, "cat right >out")
    assert [(item.path, item.reason) for item in found.unaccounted] == [
        ("/build/source/right", laid.SWAPPED)
    ]
    assert {item.name: item.files for item in found.classes}["unaccounted"] == 1
