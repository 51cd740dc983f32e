"""A second recorder of files read or run: fanotify(7), for root alone."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from pathlib import Path
from typing import Self

_CLASS, _CLOEXEC, _NONBLOCK, _UNLIMITED = 0x0, 0x1, 0x2, 0x10 | 0x20
_ADD, _FILESYSTEM = 0x1, 0x100
_CLOSED_UNWRITTEN, _OPEN_EXEC = 0x10, 0x1000
_EVENT = struct.Struct("=IBBHQii")


class Watch:
    """Names of all files that anybody reads or runs on a path's file system while it is entered.

    A file that was opened in a sandbox has the name that the sandbox gives it.
    """

    def __init__(self, path: Path) -> None:
        self.names: set[str] = set()
        libc = ctypes.CDLL(None, use_errno=True)
        flags = _CLASS | _CLOEXEC | _NONBLOCK | _UNLIMITED
        self._group = libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
        mask = ctypes.c_uint64(_CLOSED_UNWRITTEN | _OPEN_EXEC)
        where = os.fsencode(path)
        if self._group < 0 or libc.fanotify_mark(
            self._group, _ADD | _FILESYSTEM, mask, -100, where
        ):
            raise OSError(ctypes.get_errno(), "fanotify is for root alone")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._group)

    def _listen(self) -> None:
        own = os.getpid()
        while True:
            last = self._stop.is_set()
            try:
                data = os.read(self._group, 1 << 16)
            except BlockingIOError:
                if last:
                    return
                self._stop.wait(0.002)
                continue
            at = 0
            while at < len(data):
                length, _, _, _, _, file, pid = _EVENT.unpack_from(data, at)
                at += length
                if file >= 0:
                    if pid != own:
                        self.names.add(str(Path(f"/proc/self/fd/{file}").readlink()))
                    os.close(file)
