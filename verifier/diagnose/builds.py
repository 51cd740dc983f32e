"""Builds of one source under several conditions, side by side where memory allows."""

from __future__ import annotations

import dataclasses
import os
import queue
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import BuildError, VerifierError
from verifier.pair import Pairing, files
from verifier.rebuild import rebuild
from verifier.rebuild.shipped import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.rebuild.model import Build
    from verifier.source import Cache, Source
    from verifier.spec import Spec

_STOP_SECONDS = 10.0


class Made(NamedTuple):
    """One finished build, and its artifacts by name; or why there is none."""

    build: Build | None = None
    artifacts: dict[str, Path] = {}  # noqa: RUF012 - never changed
    problem: str = ""


class Workshop:
    """Builds for one diagnosis. Everything it makes lies below `folder`."""

    def __init__(
        self,
        source: Source,
        cache: Cache,
        folder: Path,
        notify: Callable[[str], None],
        side_by_side: int,
    ) -> None:
        self.folder = folder
        self.done = 0
        self._source, self._cache, self._notify = source, cache, notify
        self._side_by_side = side_by_side
        self._stopped = threading.Event()

    def build(
        self, label: str, spec: Spec, look: Callable[[Path], None] = lambda _tree: None
    ) -> Made:
        """One build, its artifacts found; what it may do wrong comes back as `problem`."""
        spec = dataclasses.replace(spec, records_inputs=False)  # the first build has recorded them
        folder = self.folder / label.replace(" ", "-")
        try:
            made = rebuild(spec, self._source, self._cache, folder / "build", self._tell, look)
            work = folder / "members"
            work.mkdir()
            found = resolve(spec, folder / "build", work, self._cache)
        except VerifierError as error:
            return Made(problem=str(error))
        return Made(made, {pair.name: pair.rebuilt for pair in found})

    def all(self, wanted: Mapping[str, Spec]) -> dict[str, Made]:
        """Build all of them; threads wait for builds, which are processes of their own."""
        waiting: queue.SimpleQueue[tuple[str, Spec]] = queue.SimpleQueue()
        finished: queue.SimpleQueue[tuple[str, Made]] = queue.SimpleQueue()
        for item in wanted.items():
            waiting.put(item)
        threads = [
            threading.Thread(target=self._work, args=(waiting, finished), daemon=True)
            for _ in range(min(self._side_by_side, len(wanted)))
        ]
        total = len(wanted)
        result: dict[str, Made] = {}
        try:
            for thread in threads:
                thread.start()
            while len(result) < total:
                label, made = finished.get()
                result[label] = made
                self.done += 1
                self._notify(f"{len(result)} of {total} builds done: {label}")
        finally:
            self._stopped.set()  # nothing waits any more, unless the run was stopped
            for thread in threads:
                thread.join(_STOP_SECONDS)
            self._stopped.clear()
        return {label: result[label] for label in wanted}

    def _work(
        self,
        waiting: queue.SimpleQueue[tuple[str, Spec]],
        finished: queue.SimpleQueue[tuple[str, Made]],
    ) -> None:
        while not self._stopped.is_set():
            try:
                label, spec = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                made = self.build(label, spec)
            except Exception as error:  # noqa: BLE001 - a thread's failure is its build's problem
                made = Made(problem=f"Unexpected {type(error).__name__}: {error}")
            finished.put((label, made))

    def _tell(self, _text: str) -> None:
        """Called as a build's log grows: ends the build once the run is stopped."""
        if self._stopped.is_set():
            raise BuildError("The run was stopped.")


def side_by_side(spec: Spec, jobs: int) -> int:
    """How many builds fit into free memory if each took the whole that its limit allows."""
    try:
        found = re.search(
            r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE
        )
    except OSError:
        found = None
    if found is None:
        return 1
    fit = int(found[1]) * 1024 // spec.sandbox.limits.memory
    return max(1, min(jobs, fit, os.cpu_count() or 1))


def pairing(one: Made, other: Made) -> Pairing:
    """The artifacts of two builds by name; BuildError where they made other ones."""
    if odd := sorted(one.artifacts.keys() ^ other.artifacts.keys()):
        raise BuildError(f"The two builds do not make the same artifacts: {odd[0]} for one.")
    names = sorted(one.artifacts)
    return Pairing(
        tuple(
            files(
                name,
                one.artifacts[name],
                other.artifacts[name],
                "" if len(names) == 1 else name,
            )
            for name in names
        ),
        (),
    )
