"""The only door to other programs: no shell, an empty environment, and caps on everything.

A program that is missing, fails to start, runs too long or prints too much
raises `ToolError`; a non-zero exit status is the caller's to judge.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO

from verifier import interrupt, limits
from verifier.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

BASE_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
POLL_SECONDS = 0.2
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. `stdout` and `stderr` are at most the asked-for cap."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Streamed:
    """How a streamed program ended.

    `stopped` is None when it ended by itself, else why it was killed:
    "seconds", "output", or what the caller's `check` returned.
    """

    status: int
    stopped: str | None
    seconds: float


def find(program: str) -> str:
    """The absolute path of `program`; ToolError names the missing one."""
    path = shutil.which(program, path=_search_path())
    if path is None:
        raise ToolError(f"The program {program} is needed and not installed; install it and retry.")
    return path


def run(
    argv: Sequence[str],
    *,
    seconds: float = limits.TOOL_SECONDS,
    memory: int | None = limits.TOOL_MEMORY,
    output: int = limits.TOOL_OUTPUT,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    pass_fds: Sequence[int] = (),
    watch: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run one program to its end and return what it said.

    Args:
        argv: program and arguments; the program is looked up by `find`.
        seconds: wall-clock limit; the whole process group is killed after it.
        memory: address-space limit of each process, None for none.
        output: cap on stdout and on stderr, each; more is an error.
        environment: added to `BASE_ENVIRONMENT`; nothing else is inherited.
        directory: working directory.
        stdin: file to read from; nothing by default.
        stdout: file that takes stdout instead of `Completed.stdout`; the cap holds for it too.
        pass_fds: descriptors that the program inherits; no others.
        watch: called with each chunk of stderr as it arrives, on another thread.

    Raises:
        ToolError: missing, not startable, timed out, or too much output.
    """
    child = _start(argv, environment, directory, stdin, stdout, pass_fds, memory, merge=False)
    out = _Reader(child.stdout, output)
    err = _Reader(child.stderr, output, watch)
    stopped = _wait(child, seconds, [out, err], lambda _pid: _file_over(stdout, output))
    if stopped == "seconds":
        raise ToolError(f"{argv[0]} was stopped after {seconds:.0f} s.")
    if stopped is not None:
        raise ToolError(f"{argv[0]} was stopped when it printed more than {output} bytes.")
    return Completed(tuple(argv), child.returncode, bytes(out.kept), bytes(err.kept))


def stream(
    argv: Sequence[str],
    *,
    sink: Callable[[bytes], None],
    seconds: float,
    output: int,
    check: Callable[[int], str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Streamed:
    """Run one long program, handing stdout and stderr, merged, to `sink` as they arrive.

    Args:
        argv: as for `run`.
        environment: as for `run`.
        directory: as for `run`.
        pass_fds: as for `run`.
        sink: called with each chunk, on another thread, never with more than `output` bytes.
        seconds: wall-clock limit.
        output: the program is killed once it has printed more bytes than this.
        check: called about five times a second with the child's process id; a text kills
            the program and becomes `Streamed.stopped`.

    Raises:
        ToolError: missing or not startable. Being killed is a result, not an error.
    """
    started = time.monotonic()
    child = _start(argv, environment, directory, None, None, pass_fds, None, merge=True)
    reader = _Reader(child.stdout, output, sink, keep=False)
    stopped = _wait(child, seconds, [reader], check)
    return Streamed(child.returncode, stopped, time.monotonic() - started)


@contextlib.contextmanager
def running(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """A program that runs beside us until the end of the block, by its process id.

    Raises:
        ToolError: missing or not startable.
    """
    child = _start(argv, environment, None, None, None, (), None, merge=True)
    try:
        yield child.pid
    finally:
        _kill_group(child)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


class _Reader:
    """Drains one pipe on a thread of its own: `select` knows no pipes on Windows."""

    def __init__(
        self,
        pipe: IO[bytes] | None,
        cap: int,
        watch: Callable[[bytes], None] | None = None,
        *,
        keep: bool = True,
    ) -> None:
        self.kept = bytearray()
        self.over = False
        self.failure: Exception | None = None
        self._pipe, self._cap, self._watch, self._keep = pipe, cap, watch, keep
        self._thread = threading.Thread(target=self._drain, daemon=True)
        if pipe is not None:
            self._thread.start()

    def _drain(self) -> None:
        assert self._pipe is not None
        seen = 0
        try:
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                room = self._cap - seen
                seen += len(chunk)
                if room > 0 and self._keep:
                    self.kept += chunk[:room]
                if room > 0 and self._watch is not None:
                    self._watch(chunk[:room])
                self.over = seen > self._cap
        except Exception as error:  # noqa: BLE001 - carried to the waiting thread and raised there
            self.failure = error

    def finish(self) -> None:
        """Wait for the end of the pipe, which the group's death brings about."""
        if self._pipe is not None:
            self._thread.join(5)
            if not self._thread.is_alive():
                self._pipe.close()
        if self.failure is not None:
            raise self.failure


def _start(
    argv: Sequence[str],
    environment: Mapping[str, str] | None,
    directory: Path | None,
    stdin: BinaryIO | None,
    stdout: BinaryIO | None,
    pass_fds: Sequence[int],
    memory: int | None,
    *,
    merge: bool,
) -> subprocess.Popen[bytes]:
    command = _capped((find(argv[0]), *argv[1:]), memory)
    try:
        child = subprocess.Popen(
            command,
            bufsize=0,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            env={**_base_environment(), **(environment or {})},
            cwd=directory,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"{argv[0]} could not be started: {error.strerror}.") from error
    return child


def _wait(
    child: subprocess.Popen[bytes],
    seconds: float,
    readers: Sequence[_Reader],
    check: Callable[[int], str | None] | None,
) -> str | None:
    """Wait for the child, kill its group in any case, and say why it was stopped, if it was."""
    deadline = time.monotonic() + seconds
    stopped: str | None = None
    pause = 0.005  # most tools are done in milliseconds; a build is polled at POLL_SECONDS
    try:
        while stopped is None:
            interrupt.check()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 2, POLL_SECONDS)
            ended = child.poll() is not None
            if any(reader.over for reader in readers):
                stopped = "output"
            elif any(reader.failure for reader in readers):
                break
            elif check is not None and (reason := check(child.pid)) is not None:
                stopped = reason
            elif ended:
                break
            elif time.monotonic() >= deadline:
                stopped = "seconds"
    finally:
        _kill_group(child)
        child.wait()
    for reader in readers:
        reader.finish()
    if stopped is None and any(reader.over for reader in readers):
        stopped = "output"
    return stopped


def _file_over(file: BinaryIO | None, cap: int) -> str | None:
    over = file is not None and os.fstat(file.fileno()).st_size > cap
    return "output" if over else None


def _base_environment() -> dict[str, str]:
    """`BASE_ENVIRONMENT`; on Windows its own search path, and what every program needs to start."""
    if os.name == "posix":
        return dict(BASE_ENVIRONMENT)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
    return {**BASE_ENVIRONMENT, **kept, "PATH": _search_path()}


def _search_path() -> str:
    return BASE_ENVIRONMENT["PATH"] if os.name == "posix" else os.environ.get("PATH", "")


def _capped(command: tuple[str, ...], memory: int | None) -> tuple[str, ...]:
    """The command behind prlimit(1), which sets the caps and becomes it.

    `preexec_fn` can deadlock in a process with threads, and prlimit(2) from outside comes too
    late for a program that has changed its user by then. Without prlimit(1) there are no caps.
    """
    path = shutil.which("prlimit", path=_search_path())
    if path is None:
        return command
    caps = ["--core=0"] if memory is None else ["--core=0", f"--as={memory}"]
    return (path, *caps, "--", *command)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the child's process group; its leader may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
