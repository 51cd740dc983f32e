"""The door to programs: nothing inherited, everything capped."""

import os
import sys
import time
from pathlib import Path

import pytest

from verifier import process
from verifier.errors import ToolError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses sh")


def test_the_environment_is_empty_but_for_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    said = process.run(["env"], environment={"A": "1"}).stdout.decode().split()
    names = {line.split("=")[0] for line in said}
    assert names == {*process.BASE_ENVIRONMENT, "A"}


def test_status_and_both_outputs(tmp_path: Path) -> None:
    heard: list[bytes] = []
    done = process.run(
        ["sh", "-c", "pwd; echo err >&2; exit 3"], directory=tmp_path, watch=heard.append
    )
    assert (done.status, done.stdout.decode().strip()) == (3, str(tmp_path))
    assert done.stderr == b"".join(heard) == b"err\n"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ToolError, match="no-such-program is needed and not installed"):
        process.run(["no-such-program"])


def test_time(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"sh was stopped after 0 s"):
        process.run(["sh", "-c", f"(sleep 1; touch {tmp_path}/late) & sleep 60"], seconds=0.3)
    assert time.monotonic() - started < 5
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()  # the whole group went


def test_output_is_stopped_while_it_comes(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="printed more than 1000 bytes"):
        process.run(["sh", "-c", "yes"], output=1000)
    with pytest.raises(ToolError, match="printed more than 1000 bytes"):
        process.run(["sh", "-c", "yes >&2"], output=1000)
    with (
        (tmp_path / "big").open("wb") as file,
        pytest.raises(ToolError, match="printed more than 1000"),
    ):
        process.run(["sh", "-c", "yes"], output=1000, stdout=file)


def test_a_short_output_over_the_cap_is_an_error_too() -> None:
    with pytest.raises(ToolError, match="printed more than 3 bytes"):
        process.run(["echo", "four"], output=3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit a started process")
def test_memory() -> None:
    script = "import time; time.sleep(0.2); x = bytearray(1 << 30)"
    argv = ["sh", "-c", f"exec {sys.executable} -c '{script}'"]
    assert process.run(argv, memory=256 << 20).status != 0


def test_a_background_child_does_not_hold_the_caller() -> None:
    started = time.monotonic()
    assert process.run(["sh", "-c", "sleep 30 & echo on"]).stdout == b"on\n"
    assert time.monotonic() - started < 5


def test_streaming_and_checks() -> None:
    said: list[bytes] = []
    argv = ["sh", "-c", "echo a; echo b >&2; exit 4"]
    done = process.stream(argv, sink=said.append, seconds=9, output=99)
    assert (b"".join(said), done.status, done.stopped) == (b"a\nb\n", 4, None)
    seen: list[int] = []

    def check(pid: int) -> str | None:
        seen.append(pid)
        return "enough" if len(seen) > 2 else None

    done = process.stream(["sleep", "60"], sink=said.append, seconds=9, output=99, check=check)
    assert done.stopped == "enough"
    assert seen[0] != os.getpid()
    done = process.stream(["yes"], sink=said.append, seconds=9, output=99)
    assert done.stopped == "output"
    assert len(b"".join(said)) == 4 + 99


def test_a_failing_sink_is_not_swallowed() -> None:
    def sink(_chunk: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        process.stream(["yes"], sink=sink, seconds=9, output=1 << 30)
