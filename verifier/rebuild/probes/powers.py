"""Probes that try to gain a power of the kernel: namespaces, mounts, privileges, interfaces."""

from __future__ import annotations

from verifier.rebuild.probes.base import Probe

NAMESPACES = Probe(
    "user-namespaces",
    "make a user namespace in three ways",
    "system call filter",
    r"""
for my $way ("unshare", "clone") {
    my $child = fork() // die "fork: $!";
    if (!$child) {
        my $flags = 0x10000000 | ($way eq "clone" ? POSIX::SIGCHLD() : 0);
        gate("$way(CLONE_NEWUSER)", $way, $flags, 0, 0, 0, 0);
        POSIX::_exit(0);
    }
    waitpid($child, 0);
}
# struct clone_args: flags, then ten more words
my $arguments = pack("Q11", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0);
my $parent = $$;
my $got = gate("clone3(CLONE_NEWUSER)", "clone3", $arguments, 88);
POSIX::_exit(0) if defined $got && $$ != $parent;
""",
)
OTHER_NAMESPACES = Probe(
    "other-namespaces",
    "make or enter mount, network and process id namespaces",
    "no capability; system call filter",
    r"""
for my $kind (["mount", 0x20000], ["network", 0x40000000], ["host name", 0x4000000]) {
    my $child = fork() // die "fork: $!";
    if (!$child) { gate("a $kind->[0] namespace", "unshare", $kind->[1]); POSIX::_exit(0) }
    waitpid($child, 0);
}
gate("enter a namespace", "setns", 999, 0);
gate("chroot", "chroot", "/");
""",
)
MOUNTS = Probe(
    "mounts",
    "mount and unmount in the old way and the new",
    "no capability; system call filter",
    r"""
mkdir("$a{tree}/here");
my $got = gate("mount a tmpfs", "mount", "none", "$a{tree}/here", "tmpfs", 0, 0);
syscall($main::n{umount2}, "$a{tree}/here", 0) if defined $got;
gate("unmount", "umount2", "$a{tree}/here", 0);
gate("pivot_root", "pivot_root", "/nowhere", "/nowhere");
gate("fsopen", "fsopen", "tmpfs", 0);
gate("open_tree", "open_tree", -100, "/", 1);
gate("move_mount", "move_mount", -1, "", -1, "", 0);
""",
)
TERMINAL = Probe(
    "terminal",
    "type into a terminal (TIOCSTI), open the caller's",
    "system call filter; a session of its own",
    r"""
my $child = fork() // die "fork: $!";
if (!$child) {
    POSIX::setsid();
    sysopen(my $master, "/dev/ptmx", O_RDWR) or die "/dev/ptmx: $!";
    my $zero = pack("i", 0); ioctl($master, 0x40045431, $zero) or die "unlockpt: $!";
    my $number = pack("i", 0); ioctl($master, 0x80045430, $number) or die "ptsname: $!";
    my $name = "/dev/pts/" . unpack("i", $number);
    sysopen(my $slave, $name, O_RDWR) or die "$name: $!";
    my $letter = "x"; $! = 0;
    try("TIOCSTI", ioctl($slave, 0x5412, $letter));
    POSIX::_exit(0);
}
waitpid($child, 0); die "the child failed" if $?;
$! = 0; try("the caller's /dev/tty", sysopen(my $t, "/dev/tty", O_RDWR));
""",
)
PTRACE = Probe(
    "ptrace",
    "trace and read another process's memory",
    "system call filter",
    r"""
gate("ptrace(PTRACE_SEIZE)", "ptrace", 0x4206, $a{victim}, 0, 0);
my ($buffer, $local, $far) = ("x" x 8);
$local = pack("P Q", $buffer, 8); $far = pack("Q Q", 4096, 8);
gate("process_vm_readv", "process_vm_readv", $a{victim}, $local, 1, $far, 1, 0);
gate("pidfd_getfd", "pidfd_getfd", 999, 0, 0);
gate("kcmp", "kcmp", $$, $a{victim}, 2, 0, 0);
""",
)
PRIVILEGES = Probe(
    "privileges",
    "become root: setuid(0), chown, capset, a setuid program",
    "an unprivileged user outside too, no capabilities, no_new_privs",
    r"""
my $path = "$a{tree}/mine"; open(my $f, ">", $path) or die "$path: $!"; close $f;
$! = 0; try("give a file to root", chown(0, 0, $path));
$! = 0; try("setuid(0)", POSIX::setuid(0));
gate("capset", "capset", pack("I i", 0x20080522, 0), pack("I6", 0x200000, 0x200000, 0, 0, 0, 0));
open(my $status, "<", "/proc/self/status") or die "status: $!";
my ($held) = map { /^CapEff:\s*(\S+)/ ? $1 : () } <$status>;
my $any = hex($held // die "no CapEff");
said($any ? "open" : "denied", "capabilities", $any ? $held : "there are none");
# su(1) is setuid root and waits for a password: what is it meanwhile?
pipe(my $reading, my $writing) or die "pipe: $!";
my $child = fork() // die "fork: $!";
if (!$child) {
    open(STDIN, "<&", $reading); open(STDOUT, ">", "/dev/null"); open(STDERR, ">", "/dev/null");
    exec("/usr/bin/su", "root") or POSIX::_exit(9);
}
select(undef, undef, undef, 0.3);
open(my $s, "<", "/proc/$child/status") or die "su: $!";
my ($uid) = map { /^Uid:\s+\d+\s+(\d+)/ ? $1 : () } <$s>;
my $gained = defined $uid && $uid == 0;
said($gained ? "open" : "denied", "run su", $gained ? "it is root" : "it stays user $uid");
kill(9, $child); waitpid($child, 0);
""",
)
CLOCK = Probe(
    "clock",
    "set this machine's clock",
    "no capability over time",
    r"""
my $now = pack("q q", time(), 0);
gate("clock_settime", "clock_settime", 0, $now);
gate("settimeofday", "settimeofday", $now, 0);
""",
)
IO_URING = Probe(
    "io_uring",
    "a ring of system calls that no filter sees",
    "system call filter",
    r"""gate("io_uring_setup", "io_uring_setup", 8, "\0" x 120);""",
)
KEYS = Probe(
    "keyrings",
    "the kernel's key store, which namespaces do not part",
    "system call filter",
    r"""
gate("keyctl", "keyctl", 0, -3, 1, 0, 0);
gate("add_key", "add_key", "user", "verifier", "x", 1, -2);
""",
)
KERNEL = Probe(
    "kernel",
    "load modules, kernels and programs; its log and events",
    "no capability; system call filter",
    r"""
gate("init_module", "init_module", "x", 1, "");
gate("kexec_load", "kexec_load", 0, 0, 0, 1 << 20);
gate("bpf", "bpf", 0, pack("I4 x112", 2, 4, 4, 1), 72);
gate("perf_event_open", "perf_event_open", "\0" x 128, 0, -1, -1, 0);
gate("userfaultfd", "userfaultfd", 0);
gate("open_by_handle_at", "open_by_handle_at", -100, "\0" x 16, 0);
gate("fanotify_init", "fanotify_init", 0, 0);
gate("syslog", "syslog", 10, 0, 0);
""",
)
PERSONALITY = Probe(
    "personality",
    "make all memory executable for what is started next",
    "system call filter",
    r"""
for my $flag (["READ_IMPLIES_EXEC", 0x400000], ["MMAP_PAGE_ZERO", 0x100000]) {
    my $child = fork() // die "fork: $!";
    if (!$child) { gate($flag->[0], "personality", $flag->[1]); POSIX::_exit(0) }
    waitpid($child, 0);
}
""",
)
CORE = Probe(
    "core-dumps",
    "allow itself core dumps, which a program of the host may take",
    "limit on core dumps",
    r"""
my $limit = pack("Q2", map { 1 << 20 } 1 .. 2); $! = 0;
my $got = syscall($main::n{prlimit64}, 0, 4, $limit, 0);
try("raise RLIMIT_CORE", $got == 0);
""",
)

PROBES = (
    NAMESPACES, OTHER_NAMESPACES, MOUNTS, TERMINAL, PTRACE, PRIVILEGES, CLOCK, IO_URING, KEYS,
    KERNEL, PERSONALITY, CORE,
)  # fmt: skip
