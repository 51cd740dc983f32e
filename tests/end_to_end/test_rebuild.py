"""Builds in real sandboxes: what they reach, what stops them, and what they leave."""

from __future__ import annotations

import fcntl  # noqa: F401 - loaded before a test gives up the right to read this checkout
import os
import resource  # noqa: F401 - likewise
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import NOBODY, as_nobody, build, open_place
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.rebuild import FailedBuildError
from verifier.rebuild.root import base_root, check
from verifier.rebuild.shipped import resolve
from verifier.source import Cache
from verifier.source.apt import Apt
from verifier.spec import DebianArchive, load

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = Path(__file__).parents[2] / "fixtures" / "specs"


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def test_the_commented_example_builds_twice_alike(place: Path) -> None:
    spec = load(SPECS / "command.toml")
    cache = Cache.open(place / "cache")
    got = source.obtain(spec, cache)
    heard: list[str] = []
    first = rebuild.rebuild(spec, got, cache, place / "one", heard.append)
    again = rebuild.rebuild(spec, got, cache, place / "two")
    assert [output.name for output in first.outputs] == ["out/usr/bin/hello"]
    assert first.outputs == again.outputs
    said = subprocess.run([place / "one/out/usr/bin/hello"], check=True, capture_output=True)
    assert said.stdout == b"Hello from greeting.c\n"
    assert heard[0] == "tools"
    assert "cc" in first.environment.tools
    assert first.environment.variables["SOURCE_DATE_EPOCH"] == "1700000000"
    assert [step.status for step in first.steps] == [0, 0, 0]
    record = first.to_json()
    assert record["sandbox"]["kind"] == "bubblewrap"
    assert record["sandbox"]["umask"] == "0022"
    assert not list(cache.under("scratch").iterdir())


PROBE = """
never() { if "$@" 2>/dev/null; then echo "could: $*"; exit 9; fi; }
{ id -u; id -g; hostname; umask; pwd; whoami; echo "$HOME $TZ $LC_ALL"; } >out
never cat /etc/shadow
never cat SECRET
for path in /root /sys /boot /srv; do never ls $path; done
for path in /usr/x /etc/x /x /srcs/x /proc/sys/kernel/x /dev/x /build/x; do never touch $path; done
never unshare -U true
never unshare -n true
never mount -t tmpfs none /tmp
never chroot / true
test "$(ls -A /home)" = builder
touch /tmp/x /var/tmp/x /run/x /dev/shm/x "$HOME/x"
test "$(ls /proc | grep -c '^[0-9]')" -lt 8
test "$(grep -c : /proc/net/dev)" = 1
test "$(ls /proc/self/fd | wc -l)" = 4
"""
SYSCALLS = """
import ctypes, errno, fcntl, socket
libc = ctypes.CDLL(None, use_errno=True)
def fails(number, *args):
    assert libc.syscall(number, *args) == -1
    return ctypes.get_errno()
import platform
if platform.machine() == "x86_64":
    assert fails(101, 0, 0, 0, 0) == errno.EPERM        # ptrace(PTRACE_TRACEME)
    assert fails(250, 0, 0, 0) == errno.EPERM           # keyctl
    assert fails(425, 8, 0) == errno.ENOSYS             # io_uring_setup
    assert fails(272, 0x10000000) == errno.EPERM        # unshare(CLONE_NEWUSER)
    assert fails(16, 0, 0x5412, b"x") == errno.EPERM    # TIOCSTI
    assert fails(321, 0, 0, 0) == errno.EPERM           # bpf
for family in (40, 17):
    try:
        socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        assert error.errno == errno.EAFNOSUPPORT, error
    else:
        raise SystemExit("a socket of family %d" % family)
for address in ADDRESSES:
    try:
        socket.create_connection(address, 2)
    except OSError:
        continue
    raise SystemExit("reached %r" % (address,))
"""


def check_walls(place: Path) -> None:
    place.mkdir(exist_ok=True)
    secret = place / "secret"
    secret.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [server.getsockname(), ("9.9.9.9", 53)]
        script = f"ADDRESSES = {addresses!r}\n{SYSCALLS}"
        made = build(
            place,
            [PROBE.replace("SECRET", str(secret)), ["/usr/bin/python3", "-c", script]],
        )
    assert (made.output_dir / "out").read_text().split("\n") == [
        "1000", "1000", "sandbox", "0022", "/build/source", "builder",
        "/home/builder UTC C.UTF-8", "",
    ]  # fmt: skip


def test_walls_as_the_caller(place: Path) -> None:
    check_walls(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="the test above ran as a user already")
def test_walls_as_a_user(place: Path) -> None:
    os.chown(place, NOBODY, NOBODY)
    as_nobody(lambda: check_walls(place / "user"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
def test_root_is_left_outside_too(place: Path) -> None:
    """What a build writes belongs to a user without rights, not to root mapped to 1000."""
    made = build(place, ["stat -c %u /usr . >out"])
    # Were the sandbox's user 1000 root outside, root's files would show as 1000's.
    assert (made.output_dir / "out").read_text().split() == ["65534", "1000"]


@pytest.mark.parametrize(
    ("limits", "step", "said"),
    [
        ("seconds = 1", "sleep 60", "was stopped at its time limit of 1 s"),
        ("output = 100000", "yes", "was stopped when the log passed its limit of 100000 bytes"),
        (
            "disk = '20 MiB'",
            "for n in 1 2 3 4 5; do head -c 9000000 /dev/zero >$n; sleep 0.1; done; sleep 9",
            "was stopped at its disk limit of 20971520 bytes",
        ),
        ("disk = '20 MiB'", "head -c 999000000 /dev/zero >big", "was stopped at its disk limit"),
        (
            "memory = '64 MiB'",
            "/usr/bin/perl -e '$x = \"x\" x 300000000; sleep 9'",
            "was stopped at its memory limit of 67108864 bytes",
        ),
        (
            "processes = 50",
            "f() { sleep 20 & f; }; f",
            "was stopped at its limit of 50 processes",
        ),
    ],
    ids=["time", "output", "disk", "one file", "memory", "fork bomb"],
)
def test_limits(place: Path, limits: str, step: str, said: str) -> None:
    os.chmod(place, 0o777)  # noqa: PTH101

    def attempt() -> None:
        user = place / str(os.geteuid())
        with pytest.raises(FailedBuildError) as caught:
            build(user, [step], extra=f"[sandbox.limits]\n{limits}")
        assert said in str(caught.value)
        assert caught.value.log is not None
        assert caught.value.log.exists()

    attempt()
    if os.geteuid() == 0:
        as_nobody(attempt)  # without a control group: the monitor counts


def test_a_failed_step_says_so_and_keeps_its_log(place: Path) -> None:
    with pytest.raises(FailedBuildError) as caught:
        build(place, ["echo going well", "echo this is why >&2; exit 7", "echo not reached"])
    assert str(caught.value).startswith("The build step 'step 2 (echo this is why >&2; exit 7)'")
    assert str(caught.value).endswith("failed with exit status 7.")
    assert caught.value.log_tail.endswith("this is why\n")
    assert "not reached" not in caught.value.log_tail.replace("echo not reached", "")
    assert not list((place / "cache/scratch").iterdir())


def test_a_step_cannot_outlive_its_sandbox(place: Path) -> None:
    made = build(place, ["(sleep 7.1234 &) ; touch out"])
    assert made.outputs
    listing = subprocess.run(["ps", "ax"], check=True, capture_output=True, text=True).stdout
    assert "sleep 7.1234" not in listing


def test_an_unmade_output_and_a_filled_directory(place: Path) -> None:
    with pytest.raises(BuildError, match="made no file that matches the output 'out'"):
        build(place, ["true"])
    spec = load(place / "audit.toml")
    with pytest.raises(BuildError, match="is not empty"):
        rebuild.rebuild(spec, source.obtain(spec, Cache.open(place)), Cache.open(place), place)


def test_host_is_said_plainly(place: Path) -> None:
    extra = '[sandbox]\nkind = "host"'
    made = build(place, ["pwd >out; readlink /proc/self/ns/net >>out"], extra=extra)
    assert made.sandbox["kind"] == "host"
    assert "none" in made.sandbox["isolation"]
    directory, network = (made.output_dir / "out").read_text().split()
    assert directory == made.sandbox["build_path"]
    assert network == str(Path("/proc/self/ns/net").readlink())
    with pytest.raises(FailedBuildError, match="failed with exit status 3"):
        build(place, ["exit 3"], extra=extra)


@pytest.mark.skipif(os.geteuid() != 0, reason="a user can enter their own directories")
def test_a_closed_cache_is_named(place: Path) -> None:
    place.chmod(0o700)
    with pytest.raises(BuildError, match=r"cannot enter .*set VERIFIER_CACHE"):
        build(place, ["touch out"])


def test_a_clock_is_set_in_the_sandbox(place: Path) -> None:
    assert list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "install libfaketime"
    made = build(place, ["date -u +%F >out"], extra="[sandbox]\nclock = 2022-12-26T12:00:00Z")
    assert (made.output_dir / "out").read_text() == "2022-12-26\n"
    assert made.clock == "2022-12-26T12:00:00+00:00"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_debians_tree_is_rebuilt_from_its_source(tmp_path: Path) -> None:
    path = tmp_path / "tree.toml"
    path.write_text(
        '[source]\nkind = "debian"\npackage = "tree"\nversion = "2.1.0-1"\n'
        '[build]\nrecipe = "debian"\n'
        '[[artifacts]]\nshipped = "deb:tree=2.1.0-1!/usr/bin/tree"\n'
        'rebuilt = "tree_2.1.0-1_*.deb!/usr/bin/tree"\n'
    )
    spec, cache = load(path), Cache.open()
    made = rebuild.rebuild(spec, source.obtain(spec, cache), cache, tmp_path / "out")
    assert made.root_digest is not None
    assert {"gcc-12", "debhelper"} <= {package.name for package in made.environment.packages}
    assert made.inputs is not None
    assert (made.inputs.unaccounted, made.inputs.problems) == ((), ())
    assert "tree_2.1.0-1_amd64.deb" in {output.name for output in made.outputs}
    (pair,) = resolve(spec, tmp_path / "out", tmp_path / "work", cache)
    assert pair.shipped.stat().st_size == pair.rebuilt.stat().st_size


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_asking_apt_about_a_root_leaves_it_alone() -> None:
    """apt makes lock files beside the dpkg status that it is shown."""
    apt = Apt(Cache.open(), DebianArchive(), lambda _text: None)
    base = base_root(apt)
    wanted, status = ("install", "xxd"), base.path / "var/lib/dpkg/status"
    debs = apt.resolve(wanted, status)
    for deb in debs:
        (apt.archives / deb.file).unlink(missing_ok=True)
    apt.fetch(wanted, status, debs)
    check(base)
