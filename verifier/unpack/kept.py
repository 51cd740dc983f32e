"""Payloads that a layout unpacked to find where their stream ends, kept for the comparison.

Nothing but unpacking tells where a deflate stream ends. What that gives is
written down, so that the member inside need not be unpacked a second time.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from verifier.model import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

_current = threading.local()


class Kept:
    """Unpacked payloads by codec and stream, in files below `work`."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._found: dict[tuple[str, Ref], Ref] = {}

    @contextmanager
    def of(self, ref: Ref, data: Buffer) -> Iterator[None]:
        """While `data`, the bytes at `ref`, are laid out by this thread, keep what is unpacked."""
        _current.keeper = (self, ref, data)
        try:
            yield
        finally:
            _current.keeper = None

    def take(self, codec: str, stream: Ref) -> Ref | None:
        """The payload of one stream, once; None if it was not unpacked."""
        return self._found.pop((codec, stream), None)

    def drop(self) -> None:
        """Remove what nobody took."""
        for ref in self._found.values():
            Path(ref.path).unlink(missing_ok=True)
        self._found.clear()

    def file(self) -> tuple[BinaryIO, str]:
        """A new file for a payload."""
        descriptor, path = tempfile.mkstemp(prefix="payload-", dir=self._work)
        return os.fdopen(descriptor, "wb"), path

    def add(self, codec: str, stream: Ref, payload: Ref) -> None:
        """Remember the payload of one stream."""
        self._found[codec, stream] = payload


class Writing:
    """Takes the payload of one stream; a stream that turns out damaged leaves nothing behind."""

    def __init__(self, keeper: Kept, codec: str, ref: Ref, at: int) -> None:
        self._keeper = keeper
        self._codec = codec
        self._ref = ref
        self._at = at
        self._size = 0
        self._file, self._path = keeper.file()

    def write(self, chunk: bytes) -> None:
        """The next part of the payload."""
        self._file.write(chunk)
        self._size += len(chunk)

    def finish(self, length: int) -> None:
        """The stream ended after `length` bytes, as it must."""
        self._file.close()
        stream = Ref(self._ref.path, self._ref.offset + self._at, length)
        self._keeper.add(self._codec, stream, Ref(self._path, 0, self._size))

    def abandon(self) -> None:
        """The stream is damaged."""
        self._file.close()
        Path(self._path).unlink(missing_ok=True)


def writing(codec: str, data: Buffer, at: int) -> Writing | None:
    """Where to keep the payload of the stream at `at` of the file `data`; None for nowhere."""
    keeper: tuple[Kept, Ref, Buffer] | None = getattr(_current, "keeper", None)
    if keeper is None or keeper[2] is not data:
        return None
    return Writing(keeper[0], codec, keeper[1], at)
