"""What a probe is: a real attempt to leave the sandbox, made inside it.

Probes are Perl, which every Debian root has, and need no library of it. A script reports each
thing that it tried in one line, and its end in one: what did not come to its end proves nothing.
"""

from __future__ import annotations

import enum
import platform
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from verifier.rebuild.sandbox import seccomp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LINE = re.compile(r"^@probe (open|denied) (.*?): (.*)$", re.MULTILINE)
_END = re.compile(r"^@end$", re.MULTILINE)

# Further system calls: (number on x86-64, number on AArch64).
_NUMBERS = {
    "unshare": (272, 97),
    "clone": (56, 220),
    "clone3": (435, 435),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "mknodat": (259, 33),
    "prlimit64": (302, 261),
    "personality": (135, 92),
    "capset": (126, 91),
    "io_uring_setup": (425, 425),
    "exit": (60, 93),
}

PRELUDE = r"""
use strict; use warnings; use Fcntl; use POSIX ();
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
$| = 1;
sub said { my ($result, $what, $how) = @_; $how =~ s/\n/ /g; print "\@probe $result $what: $how\n" }
# A thing that must not succeed.
sub try {
    my ($what, $ok) = @_; my $error = "$!";
    said($ok ? "open" : "denied", $what, $ok ? "succeeded" : $error);
}
# A system call that must be refused before its arguments are looked at.
sub gate {
    my ($what, $name, @arguments) = @_; $! = 0;  # copies: a literal text cannot be passed
    my $got = syscall($main::n{$name}, @arguments); my $number = $! + 0;
    my $shut = $got == -1
        && grep { $number == $_ } POSIX::EPERM(), POSIX::EACCES(), POSIX::ENOSYS();
    said($shut ? "denied" : "open", $what, $got == -1 ? "$!" : "succeeded");
    return $shut ? undef : $got;
}
"""


class Result(enum.StrEnum):
    """What a probe found; only `DENIED` is good."""

    DENIED = "denied"
    OPEN = "OPEN"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Probe:
    """One way out, and the measure that closes it.

    `stopped` names the limit that must end the script: such a probe is denied by being stopped,
    and what it says otherwise is that it was not. `judge` looks from outside, after the end.
    """

    name: str
    tried: str
    measure: str
    script: str
    stopped: str = ""
    judge: Callable[[Any], tuple[Result, str]] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one probe; `how` is what the kernel or the verifier said."""

    probe: Probe
    result: Result
    how: str
    attempts: tuple[str, ...] = field(default=())


def program(probe: Probe, arguments: Mapping[str, str | int]) -> str:
    """The whole Perl program of a probe. `arguments` are facts of the world outside."""
    column = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
    numbers = {**seccomp.NUMBERS, **_NUMBERS}
    tables = [("n", {name: pair[column] for name, pair in numbers.items()}), ("a", arguments)]
    known = "".join(
        f"our %{name} = ({', '.join(f'{_quoted(k)} => {_quoted(v)}' for k, v in table.items())});\n"
        for name, table in tables
    )
    return f'{PRELUDE}{known}{probe.script}\nprint "\\@end\\n";\n'


def read(probe: Probe, said: str) -> Finding:
    """What a script's own words amount to."""
    lines = _LINE.findall(said)
    attempts = tuple(f"{result} {what}: {how}" for result, what, how in lines)
    if through := [f"{what}: {how}" for result, what, how in lines if result == "open"]:
        return Finding(probe, Result.OPEN, "; ".join(through), attempts)
    if not lines or not _END.search(said):
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        return Finding(probe, Result.NOT_RUN, last[0][:200], attempts)
    reasons = dict.fromkeys(how for _, _, how in lines)
    return Finding(probe, Result.DENIED, ", ".join(reasons), attempts)


def _quoted(value: str | int) -> str:
    """A Perl literal; numbers stay numbers, as `syscall` tells them from texts."""
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
