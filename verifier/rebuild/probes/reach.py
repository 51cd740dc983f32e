"""Probes that reach for something of the world outside: network, files, processes, devices."""

from __future__ import annotations

from verifier.rebuild.probes.base import Probe

NETWORK = Probe(
    "network-ipv4",
    "connect to a listener of this machine; interfaces; raw sockets",
    "a network of its own",
    r"""
socket(my $s, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
try("127.0.0.1", connect($s, pack_sockaddr_in($a{port4}, inet_aton("127.0.0.1"))));
socket($s, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
try("a route to the network", connect($s, pack_sockaddr_in(53, inet_aton("192.0.2.1"))));
open(my $f, "<", "/proc/net/dev") or die "/proc/net/dev: $!";
my @names = grep { $_ ne "lo" } map { /^\s*([^:\s]+):/ ? $1 : () } <$f>;
said(@names ? "open" : "denied", "interfaces", @names ? "@names" : "there is lo alone");
""",
)
NETWORK6 = Probe(
    "network-ipv6",
    "connect to a listener of this machine, a route",
    "a network of its own",
    r"""
$! = 0;
my $s; my $ok = socket($s, AF_INET6, SOCK_STREAM, 0)
    && connect($s, pack_sockaddr_in6($a{port6}, inet_pton(AF_INET6, "::1")));
try("::1", $ok);
""",
)
VSOCK = Probe(
    "vsock",
    "a socket to the hypervisor, packets below IP",
    "system call filter",
    r"""
for my $family (40, 17) {
    $! = 0;
    my $type = $family == 17 ? SOCK_RAW : SOCK_STREAM;
    try("a socket of family $family", socket(my $s, $family, $type, 0));
}
""",
)
ABSTRACT = Probe(
    "abstract-socket",
    "connect to a Unix socket that has no file",
    "a network of its own",
    r"""
socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
try("the name", connect($s, pack("S a*", AF_UNIX, "\0$a{abstract}")));
""",
)
FILES = Probe(
    "host-files",
    "read files of the caller, this machine's /etc/shadow",
    "a root of its own",
    r"""
for my $path (split /:/, $a{secrets}) {
    $! = 0;
    my $ok = open(my $f, "<", $path);
    try($path, $ok && (<$f> // "") =~ /\Q$a{mark}\E/);
}
my @found = stat("/etc/shadow");
my $same = @found && "$found[0]:$found[1]" eq $a{shadow};
my $whose = $same ? "it is this machine's" : "not this machine's";
said($same ? "open" : "denied", "/etc/shadow", $whose);
""",
)
SYS = Probe(
    "sys",
    "the kernel's switches in /sys and /proc",
    "no /sys, a read-only /proc/sys",
    r"""
my @names = glob("/sys/*");
said(@names ? "open" : "denied", "/sys", @names ? "it shows $names[0]" : "there is nothing");
for my $path ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches") {
    $! = 0; try("write $path", sysopen(my $f, $path, O_WRONLY));
}
$! = 0; my ($k, $b);
try("read /proc/kcore", open($k, "<", "/proc/kcore") && sysread($k, $b, 64));
""",
)
OUTSIDE = Probe(
    "write-outside",
    "make files beside the build's own",
    "a read-only root",
    r"""
for my $place ("/usr", "/etc", "/", "/opt", "/usr/local/bin", $a{sources}, $a{outside}) {
    my $path = "$place/.verifier-probe"; $! = 0;
    my $made = sysopen(my $f, $path, O_WRONLY | O_CREAT | O_EXCL);
    try("make $path", $made);
    unlink($path) if $made;
}
""",
)
PROCESSES = Probe(
    "processes",
    "see and signal a process of the caller",
    "process ids of its own",
    r"""
my $seen = 0;
for my $path (glob "/proc/[0-9]*/cmdline") {
    open(my $f, "<", $path) or next; my $line = <$f> // "";
    $seen = 1 if $line =~ m{^\S*/sleep\x00\Q$a{decoy_mark}\E\x00};
}
said($seen ? "open" : "denied", "find it in /proc", $seen ? "there it is" : "it is not there");
$! = 0; try("signal it", kill(0, $a{decoy}));
""",
)
PROC = Probe(
    "proc-1",
    "reach out through other processes' entries in /proc",
    "process ids of its own",
    r"""
my $tried = 0;
for my $entry (glob "/proc/[0-9]*") {
    next if $entry eq "/proc/$$"; $tried++;
    for my $way ("root$a{secret}", "cwd/..$a{secret}") {
        $! = 0; my $ok = open(my $f, "<", "$entry/$way");
        try("$entry/$way", $ok && (<$f> // "") =~ /\Q$a{mark}\E/);
    }
    local $/; open(my $f, "<", "$entry/environ") or next; my $all = <$f> // "";
    said("open", "$entry/environ", "the caller's environment") if $all =~ /\Q$a{environment}\E/;
}
said("denied", "the others", "there are none") unless $tried;
""",
)
DESCRIPTORS = Probe(
    "descriptors",
    "use what the caller has open",
    "descriptors above 2 are closed",
    r"""
my @open;
for my $number (3 .. 1023) {
    my $to = readlink("/proc/self/fd/$number") // next;
    # Perl reads this program itself from no descriptor; what is here came from outside.
    push @open, "$number is $to";
}
said(@open ? "open" : "denied", "descriptors above 2", @open ? "@open" : "none");
""",
)
DEVICES = Probe(
    "devices",
    "make device nodes, open disks and memory",
    "no capability to make nodes; a /dev of its own",
    r"""
for my $node (["block", 0060600, 0xfe00], ["memory", 0020600, 0x101]) {
    my ($name, $mode, $number) = @$node;
    gate("make a $name device", "mknodat", -100, "$a{tree}/node-$name", $mode, $number);
    unlink("$a{tree}/node-$name");
}
for my $path (split(/:/, $a{disks}), "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/kvm") {
    $! = 0; try("open $path", sysopen(my $f, $path, O_RDONLY));
}
""",
)

PROBES = (
    NETWORK, NETWORK6, VSOCK, ABSTRACT, FILES, SYS, OUTSIDE, PROCESSES, PROC, DESCRIPTORS, DEVICES,
)  # fmt: skip
