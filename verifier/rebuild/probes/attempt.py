"""Run probes in a sandbox, with things of the world outside laid out for them to reach."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import process
from verifier.rebuild.log import Log
from verifier.rebuild.model import FailedBuildError
from verifier.rebuild.probes import bounds
from verifier.rebuild.probes.base import Finding, Probe, Result, program, read
from verifier.rebuild.sandbox import Step
from verifier.spec import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from verifier.rebuild.sandbox.base import Sandbox

ENVIRONMENT = "VERIFIER_PROBE_MARK"
LIMITS = Limits(bounds.SECONDS, bounds.MEMORY, bounds.PROCESSES, bounds.DISK, bounds.OUTPUT)
Arguments = dict[str, "str | int"]


@contextlib.contextmanager
def world(sandbox: Sandbox) -> Iterator[Arguments]:
    """Listeners, secret files and a process that no build may reach; what they are called."""
    mark = secrets.token_hex(12)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_secret(place, mark)) for place in _places(sandbox)]
        four = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        abstract.bind(f"\0verifier-{mark}")
        abstract.listen()
        found = _shadow()
        victim = stack.enter_context(process.running(["sleep", "600.25"], {ENVIRONMENT: mark}))
        yield {
            "mark": mark,
            "port4": four.getsockname()[1],
            "port6": _listen6(stack),
            "abstract": f"verifier-{mark}",
            "secret": str(files[0]),
            "secrets": ":".join(map(str, files)),
            "shadow": found,
            "environment": mark,
            "decoy": victim,
            "decoy_mark": "600.25",
            "victim": victim if sandbox.kind == "host" else 1,
            "tree": sandbox.tree,
            "sources": sandbox.sources,
            "outside": str(sandbox.room.work),
            "disks": ":".join(_disks()),
            "processes": bounds.PROCESSES,
            "memory": bounds.MEMORY,
            "disk": bounds.DISK,
            "seconds": bounds.SHORT,
            "output": bounds.OUTPUT,
        }


def attempt(
    open_sandbox: Callable[[], contextlib.AbstractContextManager[Sandbox]],
    probes: Sequence[Probe],
    notify: Callable[[str], None] = lambda _text: None,
) -> Iterator[Finding]:
    """Run probes one after another in one room, each with a log and an outside of its own."""
    with open_sandbox() as sandbox:
        room = sandbox.room
        for probe in probes:
            notify(probe.name)
            log = Log(room.log.path.with_name(f"{probe.name}.log"), lambda _text: None)
            settings = room.settings
            if probe.stopped == "seconds" and settings.limits == LIMITS:
                caps = dataclasses.replace(LIMITS, seconds=bounds.SHORT)
                settings = dataclasses.replace(settings, limits=caps)
            sandbox.room = dataclasses.replace(room, settings=settings, log=log)
            with world(sandbox) as arguments:
                yield _attempt(sandbox, probe, arguments)


def _attempt(sandbox: Sandbox, probe: Probe, arguments: Arguments) -> Finding:
    log = sandbox.room.log
    start = log.size
    step = Step(probe.name, ("/usr/bin/perl", "-e", program(probe, arguments)), sandbox.tree)
    try:
        sandbox.run(step)
    except FailedBuildError as error:
        said = log.since(start)
        if probe.stopped and f"sandbox.limits.{probe.stopped} " in str(error):
            return Finding(probe, Result.DENIED, f"stopped: {probe.stopped}")
        finding = read(probe, said)
        if finding.result is Result.OPEN:
            return finding
        return Finding(probe, Result.NOT_RUN, f"{error} {_last(said)}", finding.attempts)
    finding = read(probe, log.since(start))
    if finding.result is Result.DENIED and probe.stopped:
        return Finding(probe, Result.NOT_RUN, "it ended by itself", finding.attempts)
    if finding.result is Result.DENIED and probe.judge is not None:
        result, how = probe.judge(sandbox.room)
        return Finding(probe, result, how, finding.attempts)
    return finding


def _last(said: str) -> str:
    return "".join(said.strip().splitlines()[-1:])[:200]


def _places(sandbox: Sandbox) -> Iterator[Path]:
    """Where a caller keeps what no build should read: home, temporary files, beside the room."""
    yield sandbox.room.work
    yield Path(tempfile.gettempdir())
    home = Path(os.environ.get("HOME", "/"))
    if os.access(home, os.W_OK):
        yield home


@contextlib.contextmanager
def _secret(directory: Path, mark: str) -> Iterator[Path]:
    """A file that every user may read: only the sandbox keeps it from the build."""
    path = directory / f".verifier-probe-{mark[:8]}"
    path.write_text(f"{mark}\n")
    path.chmod(0o644)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _listen6(stack: contextlib.ExitStack) -> int:
    """A listener on ::1; any port where this machine has no IPv6, and nothing can be reached."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        return 9
    return int(stack.enter_context(server).getsockname()[1])


def _shadow() -> str:
    try:
        found = Path("/etc/shadow").stat()
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def _disks() -> Iterator[str]:
    """The disks of this machine, as /dev calls them."""
    with contextlib.suppress(OSError):
        yield from (f"/dev/{path.name}" for path in sorted(Path("/sys/block").iterdir())[:2])
