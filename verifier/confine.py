"""What a worker process may still do once it meets hostile bytes: compute, read, write its files.

Everywhere: caps on memory, file size and descriptors where the system has them.
On Linux (x86-64, AArch64) also a seccomp filter: no sockets, no programs, no
tracing. See seccomp(2), Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from verifier import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_DENY = 0x00050001  # fail with EPERM
_KILL = 0x80000000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06

# audit architecture, and the numbers of: socket, socketpair, connect, execve, execveat, ptrace,
# process_vm_readv, process_vm_writev, io_uring_setup, bpf, unshare, setns, mount, kexec_load
_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        (41, 53, 42, 59, 322, 101, 310, 311, 425, 321, 272, 308, 165, 246),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 199, 203, 221, 281, 117, 270, 271, 425, 280, 97, 268, 40, 104),
    ),
}
_X32_BIT = 0x40000000


def confine() -> str:
    """Apply all limits that this system offers to the calling process; says which."""
    applied = []
    if sys.platform != "win32":
        _resources()
        applied.append("rlimits")
    if sys.platform == "linux" and platform.machine() in _ARCHITECTURES:
        _seccomp()
        applied.append("seccomp")
    return ", ".join(applied) or "none"


def _resources() -> None:
    import resource  # noqa: PLC0415 - absent on Windows

    wanted = {
        "RLIMIT_DATA": (limits.WORKER_MEMORY, limits.IMAGES_MEMORY),
        "RLIMIT_FSIZE": (limits.WORKER_FILE_SIZE,) * 2,
        "RLIMIT_CORE": (0, 0),
    }
    for name, caps in wanted.items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            most = caps[1] if hard == resource.RLIM_INFINITY else min(caps[1], hard)
            resource.setrlimit(number, (min(caps[0], most), most))


@contextmanager
def more_memory() -> Iterator[None]:
    """For a while, what two large programs need; without effect where nothing is confined."""
    if sys.platform == "win32":
        yield
        return
    import resource  # noqa: PLC0415 - as above

    usual, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (usual, most))


def _seccomp() -> None:
    program = _program(*_ARCHITECTURES[platform.machine()])
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the seccomp filter was refused")


def _program(architecture: int, denied: tuple[int, ...]) -> bytes:
    """Instructions of 8 bytes: check the architecture, then compare the call's number."""
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, len(denied) + 1, 0, _X32_BIT),
    ]
    for index, number in enumerate(denied):
        steps.append((_EQUAL, len(denied) - index, 0, number))
    steps.extend([(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)])
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
