"""Probes that use more than they may, or stay longer."""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING

from verifier import limits
from verifier.rebuild.probes.base import Probe, Result

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room

# What one probe may use; each bound is passed by a factor of two or more.
SECONDS, MEMORY, PROCESSES, DISK, OUTPUT = 60, 384 * limits.MIB, 40, 64 * limits.MIB, limits.MIB
SHORT = 4  # seconds for the probe that waits for its end

FORKS = Probe(
    "fork-bomb",
    "start four times as many processes as allowed",
    "limit on processes",
    r"""
my @children;
for (1 .. 4 * $a{processes}) {
    my $child = fork();
    if (!defined $child) { print "fork: $!\n"; sleep 2; exit 1 }
    if (!$child) { sleep 30; POSIX::_exit(0) }
    push @children, $child;
}
sleep 2;
said("open", "fork", scalar(@children) . " processes run");
kill(9, @children);
""",
    stopped="processes",
)
MEMORY_PROBE = Probe(
    "memory",
    "fill three times the memory allowed",
    "limit on memory",
    r"""
my @kept; push @kept, "x" x (1 << 24) for 1 .. 3 * $a{memory} / (1 << 24);
sleep 2;
said("open", "memory", scalar(@kept) . " blocks of 16 MiB are held");
""",
    stopped="memory",
)
DISK_PROBE = Probe(
    "disk",
    "fill twice the disk allowed, in many files",
    "limit on disk",
    r"""
for my $number (1 .. 2 * $a{disk} / (1 << 22)) {
    open(my $f, ">", "$a{tree}/fill-$number") or die "fill: $!";
    print {$f} "x" x (1 << 22) or die "fill: $!"; close $f or die "fill: $!";
}
sleep 2;
said("open", "disk", "all was written");
""",
    stopped="disk",
)
TIME = Probe(
    "time",
    "run longer than allowed",
    "limit on time",
    r"""
$SIG{TERM} = $SIG{HUP} = $SIG{INT} = "IGNORE";
sleep 3 * $a{seconds};
said("open", "time", "it was not stopped");
""",
    stopped="seconds",
)
LOG = Probe(
    "log",
    "fill the log",
    "limit on output",
    r"""
print "x" x 1023, "\n" for 1 .. 3 * $a{output} / 1024;
sleep 1;
said("open", "log", "all was printed");
""",
    stopped="output",
)
TEMPORARY = Probe(
    "temporary",
    "fill the places in memory: /tmp, /var/tmp, /dev/shm, /run",
    "each has a size",
    r"""
for my $place ("/tmp", "/var/tmp", "/dev/shm", "/run") {
    open(my $f, ">", "$place/verifier-fill") or die "$place: $!";
    my $block = "x" x (1 << 20); my $written = 0; $! = 0;
    while ($written < 2 * $a{memory}) {
        my $some = syswrite($f, $block) // last; $written += $some; last if $some < length $block;
    }
    my $error = "$!"; close $f; unlink("$place/verifier-fill");
    my $full = $written < 2 * $a{memory};
    said($full ? "denied" : "open", $place, $full ? ($error || "full") : "no end in sight");
}
""",
)
_LEFT = r"""
my $child = fork() // die "fork: $!";
if ($child) { waitpid($child, 0) } else {
    POSIX::setsid(); fork() and POSIX::_exit(0);
    $SIG{TERM} = $SIG{HUP} = "IGNORE";
    open(STDIN, "<", "/dev/null"); open(STDOUT, ">", "/dev/null"); open(STDERR, ">", "/dev/null");
    for (1 .. 200) {
        open(my $f, ">>", "$a{tree}/alive"); print {$f} "x"; close $f;
        select(undef, undef, undef, 0.05);
    }
    POSIX::_exit(0);
}
select(undef, undef, undef, 0.4);
die "it never started" unless -s "$a{tree}/alive";
said("denied", "stay", "the sandbox ended while it ran");
"""


def _still_alive(room: Room) -> tuple[Result, str]:
    """Whether the process that the step left behind goes on."""
    alive = room.tree / "alive"
    before = alive.stat().st_size
    time.sleep(0.5)
    if alive.stat().st_size != before:
        return Result.OPEN, "it goes on after the end of the step"
    return Result.DENIED, "it ended with the step"


LEFTOVER = Probe(
    "leftovers",
    "a daemon that stays after the end of the step",
    "the end of its process id namespace",
    _LEFT,
    judge=_still_alive,
)


def _reachable(room: Room) -> tuple[Result, str]:
    """Whether another user of this machine could start the program that was left setuid."""
    left = room.tree / "left"
    mode = left.stat().st_mode
    if not mode & stat.S_ISUID:
        return Result.DENIED, "the bit is gone"
    closed = next((each for each in left.parents if not _enters(each)), None)
    if closed is None:
        return Result.OPEN, f"{left} is setuid and open to all"
    return Result.DENIED, "others cannot enter the directory above it"


def _enters(directory: Path) -> bool:
    return bool(directory.stat().st_mode & stat.S_IXOTH)


SETUID = Probe(
    "setuid-left",
    "leave a setuid program for other users of this machine",
    "the room is closed to other users",
    r"""
open(my $f, ">", "$a{tree}/left") or die "left: $!"; print {$f} "#!/bin/sh\n"; close $f;
my $set = chmod(04755, "$a{tree}/left");
said("denied", "chmod u+s", $set ? "it was set" : "$!");
""",
    judge=_reachable,
)

# What fills the room comes last.
PROBES = (FORKS, MEMORY_PROBE, TIME, LOG, TEMPORARY, LEFTOVER, SETUID, DISK_PROBE)
