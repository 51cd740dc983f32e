"""The system call filter of the sandbox, as a classic BPF program (seccomp(2), filter.h).

It closes what namespaces leave open: kernel interfaces that no compiler needs and that carried
most container escapes, and ways around the sandbox's own walls. A system call that the filter
does not name is allowed; another architecture's, x32 included, does not exist (ENOSYS).
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import Any

from verifier.errors import BuildError

_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data, little-endian
_X32 = 0x40000000
_NEWUSER = 0x10000000
_TERMINAL_WRITES = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into the caller's terminal
_LOW = 0xFFFFFFFF
_MOST_FAMILIES = 64  # more than any kernel has; those above do not exist
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink; AF_VSOCK would reach the hypervisor

# name: (number on x86-64, number on AArch64)
_FORBIDDEN = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
}
# These persona flags make memory executable, or page zero mappable, for what is started next.
_PERSONAS = (0x00400000, 0x00100000)
_QUERY = 0xFFFFFFFF  # personality(2): tell, do not set
# Programs try these and fall back when the kernel is too old to have them.
_ABSENT = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),  # its flags lie in memory, where a filter cannot see a new namespace
}
_CLONE, _UNSHARE, _SOCKET, _IOCTL = (56, 220), (272, 97), (41, 198), (16, 29)
_PERSONALITY = (135, 92)
# A filter that asks another process (SECCOMP_FILTER_FLAG_NEW_LISTENER) outranks the one by which
# strace hears of a call: what it lets continue would be recorded nowhere.
_SECCOMP, _LISTENER = (317, 277), 8
_AUDIT = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

NUMBERS = {**_FORBIDDEN, **_ABSENT}  # name: (on x86-64, on AArch64)


def program(machine: str | None = None) -> bytes | None:
    """The filter for this machine's architecture, ready for `bwrap --seccomp`; else None."""
    found = _AUDIT.get(machine or platform.machine())
    if found is None:
        return None
    audit, column = found
    code = [
        _step(_LOAD, _ARCH),
        _step(_JEQ, audit, 1, 0),
        _fail(errno.ENOSYS),
        _step(_LOAD, _NR),
        _step(_JGE, _X32, 0, 1),
        _fail(errno.ENOSYS),
    ]
    for numbers in _ABSENT.values():
        code += [_step(_JEQ, numbers[column], 0, 1), _fail(errno.ENOSYS)]
    for numbers in _FORBIDDEN.values():
        code += [_step(_JEQ, numbers[column], 0, 1), _fail(errno.EPERM)]
    for numbers in (_CLONE, _UNSHARE):
        flags = [_step(_LOAD, _ARG0), _step(_JSET, _NEWUSER, 0, 1), _fail(errno.EPERM)]
        code += _when(numbers[column], flags)
    persona = [_step(_LOAD, _ARG0), _step(_JEQ, _QUERY, 2, 0)]
    persona += [_step(_JSET, sum(_PERSONAS), 0, 1), _fail(errno.EPERM)]
    code += _when(_PERSONALITY[column], persona)
    terminal = [_step(_LOAD, _ARG1)]
    for request in _TERMINAL_WRITES:
        terminal += [_step(_JEQ, request, 0, 1), _fail(errno.EPERM)]
    code += _when(_IOCTL[column], terminal)
    listener = [_step(_LOAD, _ARG1), _step(_JSET, _LISTENER, 0, 1), _fail(errno.EPERM)]
    code += _when(_SECCOMP[column], listener)
    families = [_step(_LOAD, _ARG0)]
    families += [
        _step(_JEQ, family, len(_FAMILIES) - place, 0) for place, family in enumerate(_FAMILIES)
    ]
    families += [_fail(errno.EAFNOSUPPORT)]
    code += _when(_SOCKET[column], families)
    return b"".join([*code, _step(_RET, _ALLOW)])


def profile() -> dict[str, Any]:
    """The same filter as an OCI runtime reads it (runtime-spec, linux.seccomp), by name.

    Arguments are compared in their low half, as the kernel takes them. Other architectures are
    not listed: a call of theirs ends the process.
    """
    machine = platform.machine()
    architecture = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}.get(machine)
    if architecture is None:
        raise BuildError(f"podman's seccomp profile is not known for {machine}; use bubblewrap.")
    rules = [_rule(sorted(_ABSENT), errno.ENOSYS), _rule(sorted(_FORBIDDEN), errno.EPERM)]
    rules.append(_rule(["clone", "unshare"], errno.EPERM, (0, _NEWUSER, _NEWUSER)))
    rules += [_rule(["ioctl"], errno.EPERM, (1, _LOW, request)) for request in _TERMINAL_WRITES]
    # A filter by name cannot allow the query first: each other bit that it has must be set too.
    for flag in _PERSONAS:
        for bit in (1 << place for place in range(32) if 1 << place != flag):
            rules.append(_rule(["personality"], errno.EPERM, (0, flag | bit, flag)))
    rules.append(_rule(["seccomp"], errno.EPERM, (1, _LISTENER, _LISTENER)))
    for family in range(_MOST_FAMILIES):
        if family not in _FAMILIES:
            rules.append(_rule(["socket"], errno.EAFNOSUPPORT, (0, _LOW, family)))
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [architecture],
        "syscalls": rules,
    }


def _rule(names: list[str], number: int, argument: tuple[int, int, int] | None = None) -> object:
    """Refuse calls with `number`; `argument` is (index, mask, value after masking)."""
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    if argument is not None:
        index, mask, value = argument
        rule["args"] = [
            {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
        ]
    return rule


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body` for one system call; what falls off its end is allowed."""
    return [_step(_JEQ, number, 0, len(body) + 1), *body, _step(_RET, _ALLOW)]


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _fail(number: int) -> bytes:
    return _step(_RET, _ERRNO | number)
