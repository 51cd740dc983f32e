"""The filter decides as it says, on a small interpreter of classic BPF."""

import errno
import struct

import pytest

from verifier.rebuild.sandbox import seccomp

ALLOW = 0x7FFF0000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """The error number that the filter gives one system call; 0 when it is allowed."""
    code = seccomp.program(machine)
    assert code is not None
    steps = list(struct.iter_unpack("=HBBI", code))
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, audit or AUDIT[machine], 0, *padded)
    place, value = 0, 0
    while True:
        operation, then, otherwise, constant = steps[place]
        place += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
        elif operation == 0x06:
            return 0 if constant == ALLOW else constant & 0xFFFF
        else:
            test = {0x15: value == constant, 0x35: value >= constant, 0x45: value & constant != 0}
            place += then if test[operation] else otherwise


DECISIONS: list[tuple[tuple[int, int], tuple[int, ...], int]] = [
    ((0, 63), (), 0),  # read
    ((59, 221), (), 0),  # execve
    ((101, 117), (), errno.EPERM),  # ptrace
    ((250, 219), (), errno.EPERM),  # keyctl
    ((425, 425), (), errno.ENOSYS),  # io_uring_setup
    ((435, 435), (), errno.ENOSYS),  # clone3
    ((56, 220), (0x11,), 0),  # clone for fork
    ((56, 220), (0x10000011,), errno.EPERM),  # clone with a user namespace
    ((272, 97), (0x10000000,), errno.EPERM),  # unshare
    ((272, 97), (0x200,), 0),
    ((16, 29), (0, 0x5412), errno.EPERM),  # TIOCSTI
    ((16, 29), (0, 0x541C), errno.EPERM),  # TIOCLINUX
    ((16, 29), (0, 0x5401), 0),  # TCGETS
    ((135, 92), (0xFFFFFFFF,), 0),  # personality: only asked
    ((135, 92), (0x0040000,), 0),  # ADDR_NO_RANDOMIZE
    ((135, 92), (0x0400000,), errno.EPERM),  # READ_IMPLIES_EXEC
    ((135, 92), (0x0100008,), errno.EPERM),  # MMAP_PAGE_ZERO
    ((317, 277), (1, 1), 0),  # a filter of the build's own, for all its threads
    ((317, 277), (1, 9), errno.EPERM),  # one with a listener
    ((41, 198), (1,), 0),
    ((41, 198), (2,), 0),
    ((41, 198), (10,), 0),
    ((41, 198), (16,), 0),
    ((41, 198), (40,), errno.EAFNOSUPPORT),  # AF_VSOCK
    ((41, 198), (17,), errno.EAFNOSUPPORT),  # AF_PACKET
]


@pytest.mark.parametrize(("call", "arguments", "expected"), DECISIONS)
def test_decisions(call: tuple[int, int], arguments: tuple[int, ...], expected: int) -> None:
    for column, machine in enumerate(AUDIT):
        assert decide(machine, call[column], *arguments) == expected


NAMES = {
    (0, 63): "read", (59, 221): "execve", (101, 117): "ptrace", (250, 219): "keyctl",
    (425, 425): "io_uring_setup", (435, 435): "clone3", (56, 220): "clone",
    (272, 97): "unshare", (16, 29): "ioctl", (41, 198): "socket", (135, 92): "personality",
    (317, 277): "seccomp",
}  # fmt: skip


def named(name: str, *arguments: int) -> int:
    """What the same filter by names decides, as an OCI runtime applies it."""
    for rule in seccomp.profile()["syscalls"]:
        compared = [
            (arguments + (0,) * 6)[each["index"]] & each["value"] == each["valueTwo"]
            for each in rule.get("args", ())
        ]
        if name in rule["names"] and all(compared):
            return int(rule["errnoRet"])
    return 0


@pytest.mark.parametrize(("call", "arguments", "expected"), DECISIONS)
def test_the_profile_by_names_decides_alike(
    call: tuple[int, int], arguments: tuple[int, ...], expected: int
) -> None:
    assert named(NAMES[call], *arguments) == expected
    if arguments:  # the kernel takes the low half of these
        high = (*arguments[:-1], arguments[-1] | 1 << 32)
        assert named(NAMES[call], *high) == expected


def test_other_architectures_do_not_exist() -> None:
    assert decide("x86_64", 0, audit=0x40000003) == errno.ENOSYS  # i386
    assert decide("x86_64", 0x40000000) == errno.ENOSYS  # x32
    assert seccomp.program("riscv64") is None
