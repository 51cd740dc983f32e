"""What the kernel itself opens with a program: the interpreter of a script or an ELF file."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PT_INTERP = 3
_LINE = 256  # bytes of a #! line that the kernel reads
_HEADERS = 1 << 16
_PATH = 4096


def interpreter(program: Path) -> str | None:
    """The path after `#!`, or that of the dynamic loader; None for neither, or no such file."""
    try:
        descriptor = os.open(program, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        head = os.pread(descriptor, _LINE, 0)
        if head.startswith(b"#!"):
            words = head[2:].split(b"\n", 1)[0].split()
            return os.fsdecode(words[0]) if words else None
        return _loader(descriptor, head) if head.startswith(b"\x7fELF") else None
    except (OSError, struct.error, IndexError):
        return None
    finally:
        os.close(descriptor)


def _loader(descriptor: int, head: bytes) -> str | None:
    """PT_INTERP of an ELF file (System V gABI, program header)."""
    order = "<" if head[5] == 1 else ">"
    wide = head[4] == 2
    if wide:
        (start,) = struct.unpack_from(order + "Q", head, 32)
        size, count = struct.unpack_from(order + "HH", head, 54)
    else:
        (start,) = struct.unpack_from(order + "I", head, 28)
        size, count = struct.unpack_from(order + "HH", head, 42)
    table = os.pread(descriptor, min(size * count, _HEADERS), start)
    for place in range(0, len(table), max(size, 1)):
        if wide:
            kind, _, offset, _, _, length = struct.unpack_from(order + "IIQQQQ", table, place)
        else:
            kind, offset, _, _, length = struct.unpack_from(order + "IIIII", table, place)
        if kind == _PT_INTERP:
            text = os.pread(descriptor, min(length, _PATH), offset)
            return os.fsdecode(text.rstrip(b"\0")) or None
    return None
