"""The log of one build: written as it comes, and read back only from its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from verifier import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTIFY_SECONDS = 1.0


class Log:
    """Appends to a file that the build itself cannot reach, and tells how far it is."""

    def __init__(self, path: Path, notify: Callable[[str], None]) -> None:
        self.path = path
        self.size = 0
        self._lines = 0
        self._notify = notify
        self._told = time.monotonic()
        self._title = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def begin(self, title: str) -> None:
        """Head the next step."""
        self._title, self._lines = title, 0
        self._notify(title)
        self._append(f"--- {title}\n".encode())

    def write(self, chunk: bytes) -> None:
        """Take what a step printed; once a second the listener hears the number of lines."""
        self._append(chunk)
        self._lines += chunk.count(b"\n")
        if time.monotonic() - self._told >= NOTIFY_SECONDS:
            self._told = time.monotonic()
            self._notify(f"{self._title} ({self._lines} lines)")

    def since(self, offset: int, most: int = limits.BUILD_LOG_TAIL) -> str:
        """What was written from byte `offset` on, at most the last `most` bytes of it."""
        with self.path.open("rb") as file:
            file.seek(max(offset, self.size - most))
            return file.read(most).decode(errors="replace")

    def tail(self) -> str:
        """The end of the log."""
        return self.since(0)

    def _append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        self.size += len(data)
