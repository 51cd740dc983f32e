"""Where work runs: worker processes of this machine, each confined, timed and replaceable.

A worker that dies, hangs or answers nonsense costs its own task and nothing
else; the caller is told which one and why. Start order and worker count never
change an answer, since every task is answered by its own ticket.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from verifier import interrupt, stages, wire
from verifier.confine import confine
from verifier.errors import VerifierError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from verifier.model import Settings

_FAILED = b"!"
_DONE = b"="


class Task(NamedTuple):
    """One request for a stage, with the seconds it may take and the caller's ticket."""

    stage: str
    request: object
    answer: type
    seconds: float
    ticket: Any


class Failure(NamedTuple):
    """Why a task has no answer, as a kind and one sentence."""

    kind: str
    summary: str


class _Worker:
    def __init__(self, settings: Settings, confined: bool) -> None:
        import multiprocessing  # noqa: PLC0415 - runs that need no worker do without

        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs, wire.dumps(settings), confined), daemon=True
        )
        self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.deadline = 0.0

    def give(self, task: Task) -> None:
        self.task = task
        self.deadline = time.monotonic() + task.seconds
        self.connection.send_bytes(task.stage.encode() + b"\0" + wire.dumps(task.request))

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Inline:
    """The same interface in the calling process, without any protection: for tests and benches."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._waiting.append(task)

    def answers(self) -> Iterator[tuple[Task, object | Failure]]:
        """Run what is queued, in order."""
        while self._waiting:
            task = self._waiting.popleft()
            _, function = stages.find(task.stage)
            yield task, function(self._settings, task.request)


class Engine:
    """A pool that grows to `jobs` workers as tasks come in.

    `confined` workers can start no programs and open no sockets; the others
    exist for encoders that are programs.
    """

    def __init__(self, settings: Settings, jobs: int, *, confined: bool = True) -> None:
        self._settings = settings
        self._jobs = max(1, jobs)
        self._confined = confined
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}
        self._waiting: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in (*self._idle, *self._busy.values()):
            worker.stop()

    def submit(self, task: Task) -> None:
        """Queue a task; its answer comes out of `answers`."""
        self._waiting.append(task)

    def answers(self) -> Iterator[tuple[Task, object | Failure]]:
        """Answers as they come, until nothing is left. Tasks may be added meanwhile."""
        while self._waiting or self._busy:
            interrupt.check()
            self._start()
            yield from self._collect()

    def _start(self) -> None:
        while self._waiting and (self._idle or len(self._busy) < self._jobs):
            worker = self._idle.pop() if self._idle else _Worker(self._settings, self._confined)
            self._busy[worker.connection] = worker
            try:
                worker.give(self._waiting.popleft())
            except OSError:
                continue  # it died while idle: seen and reported by _collect

    def _collect(self) -> Iterator[tuple[Task, object | Failure]]:
        from multiprocessing.connection import wait  # noqa: PLC0415 - as above

        until = min(worker.deadline for worker in self._busy.values())
        ready = wait(list(self._busy), max(0.0, until - time.monotonic()))
        for connection in ready:
            worker = self._busy.pop(cast("Connection", connection))
            assert worker.task is not None
            answer = self._receive(worker)
            yield worker.task, answer
        now = time.monotonic()
        for worker in [item for item in self._busy.values() if item.deadline <= now]:
            del self._busy[worker.connection]
            worker.stop()
            assert worker.task is not None
            limit = f"Work on it was stopped after {worker.task.seconds:.0f} s."
            yield worker.task, Failure("timeout", limit)

    def _receive(self, worker: _Worker) -> object | Failure:
        task = worker.task
        assert task is not None
        try:
            message = worker.connection.recv_bytes()
        except (EOFError, OSError):
            worker.process.join(1)
            status = worker.process.exitcode
            worker.stop()
            return Failure("worker-died", f"The process that read it died (status {status}).")
        self._idle.append(worker)
        if message[:1] == _FAILED:
            return Failure("internal-error", message[1:].decode("utf-8", "replace"))
        try:
            return wire.loads(task.answer, message[1:])
        except VerifierError as error:
            return Failure("internal-error", f"A worker's answer was not understood: {error}")


def _serve(connection: Connection, settings: bytes, confined: bool) -> None:
    """The life of a worker: confine itself, then answer requests until the pipe closes."""
    import gc  # noqa: PLC0415

    from verifier.model import Settings  # noqa: PLC0415

    gc.freeze()  # what the parent had loaded stays: no collection need look at it
    interrupt.leave_to_parent()
    if confined:
        confine()
    known = wire.loads(Settings, settings)
    while True:
        try:
            stage, _, request = connection.recv_bytes().partition(b"\0")
        except EOFError:
            return
        try:
            answer = _DONE + stages.serve(known, stage.decode(), request)
        except MemoryError:
            answer = _FAILED + b"It needs more memory than a worker may use."
        except Exception as error:  # noqa: BLE001 - whatever it was, it must read as inconclusive
            answer = _FAILED + f"Unexpected {type(error).__name__}: {error}".encode()
        connection.send_bytes(answer)
