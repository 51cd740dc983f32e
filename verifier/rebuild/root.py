"""Root file systems for builds: made by mmdebstrap, extended by apt, kept in the cache.

A root is keyed by what goes into it: the exact packages, each with its SHA-256. Building one
again gives the same digest, so the digest stands for every file in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import limits, process
from verifier.errors import BuildError
from verifier.rebuild.dpkg import installed
from verifier.rebuild.log import Log
from verifier.rebuild.model import FailedBuildError
from verifier.source.apt import Apt, Deb
from verifier.source.cache import hold, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Maker = Callable[[Path, Log], None]

BASE_PACKAGES = ("build-essential", "debhelper", "fakeroot")
# Debian's builders have all packages of priority required; these no other one depends on.
REQUIRED_PACKAGES = ("e2fsprogs", "mount", "tzdata")
EPOCH = "1700000000"  # any fixed time: a root must not depend on the day it was made
FORMAT = 1  # raise it when the way roots are made changes
DEBS = "/run/debs"
# Written anew by every run, or copied from this machine: no part of what the packages are.
_VOLATILE = (
    "etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/status-old", "var/lib/dpkg/available-old", "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old", "var/lib/apt/extended_states", "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend", "var/cache/debconf/templates.dat-old",
    "var/cache/debconf/config.dat-old", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-",
)  # fmt: skip
_MOUNT_POINTS = ("etc/hostname", "etc/hosts", "etc/passwd", "etc/group")


@dataclass(frozen=True, slots=True)
class Root:
    """A root at `path`; `digest` covers type, mode, owner and content of everything in it."""

    path: Path
    key: str
    digest: str
    packages: tuple[Deb, ...]


def base_root(apt: Apt) -> Root:
    """A minimal root with what every Debian build needs, from the cache or made now.

    Raises:
        SourceError: a package cannot be had. FailedBuildError: mmdebstrap failed.
    """
    wanted = ("install", "?essential", "apt", *REQUIRED_PACKAGES, *BASE_PACKAGES)
    status = apt.directory / "status"
    debs = apt.resolve(wanted, status)
    key = _key("base", apt.sources(), debs)

    def make(path: Path, log: Log) -> None:
        apt.fetch(wanted, status, debs)
        _mmdebstrap(apt, debs, path, log)

    return _cached(apt, key, debs, make)


def extended_root(apt: Apt, base: Root, wanted: Sequence[str], what: str) -> Root:
    """The base with what apt adds for `wanted` (see `Apt.resolve`); the base when that is nothing.

    The packages are fetched here; installing them happens in a sandbox without network.
    """
    status = base.path / "var/lib/dpkg/status"
    debs = apt.resolve(wanted, status)
    if not debs:
        return base
    key = _key("extended, its loader's cache made last", base.key, debs)

    def make(path: Path, log: Log) -> None:
        _require_root(f"The {what} cannot be installed into a root")
        check(base)
        apt.fetch(wanted, status, debs)
        log.begin(f"installing {len(debs)} packages: {what}")
        _stream(["cp", "-a", "--reflink=auto", str(base.path), str(path)], log)
        _install(apt, debs, path, log)

    replaced = {deb.name for deb in debs}
    kept = (deb for deb in base.packages if deb.name not in replaced)
    return _cached(apt, key, sorted((*kept, *debs), key=lambda deb: deb.file), make)


def check(root: Root) -> None:
    """Hold a cached root against the digest that it was recorded with: a second or two.

    Raises:
        BuildError: someone changed it.
    """
    if digest(root.path) != root.digest:
        raise BuildError(
            f"The cached root {root.path.parent} changed since it was made; remove it and retry."
        )


def _key(*parts: object) -> str:
    text = json.dumps([FORMAT, EPOCH, *parts], default=asdict, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cached(apt: Apt, key: str, debs: Sequence[Deb], make: Maker) -> Root:
    final = apt.cache.under("roots") / key
    with apt.cache.lock(f"root-{key}"):
        if not hold(final):
            with apt.cache.scratch() as scratch:
                scratch.chmod(0o755)
                entry = scratch / "entry"
                entry.mkdir(mode=0o755)
                make(entry / "root", Log(entry / "log", apt.notify))
                _settle(entry / "root")
                _check_installed(entry / "root", debs)
                record = {"digest": digest(entry / "root"), "packages": [asdict(d) for d in debs]}
                (entry / "root.json").write_text(json.dumps(record, indent=1))
                publish(entry, final)
    record = json.loads((final / "root.json").read_text())
    packages = tuple(Deb(**package) for package in record["packages"])
    return Root(final / "root", key, record["digest"], packages)


def _mmdebstrap(apt: Apt, debs: Sequence[Deb], path: Path, log: Log) -> None:
    mode = "root"
    if os.geteuid() != 0:
        mode = "unshare"
        _require_root("A root cannot be made by mmdebstrap", unless=_has_subuids())
    sources = path.parent / "sources.list"
    sources.write_text(apt.sources(binary_only=True))
    # Lists and packages are ours already: mmdebstrap need not fetch, nor see another state.
    links = " ".join(shlex.quote(str(apt.archives / deb.file)) for deb in debs)
    lists = shlex.quote(str(apt.directory / "lists"))
    hook = (
        'mkdir -p "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists && '
        f'cp {links} "$1"/var/cache/apt/archives/ && '
        f'cp {lists}/*_InRelease {lists}/*_Packages "$1"/var/lib/apt/lists/'
    )
    included = ",".join((*REQUIRED_PACKAGES, *BASE_PACKAGES))
    log.begin(f"making a root of {len(debs)} packages")
    argv = [
        "mmdebstrap", f"--mode={mode}", "--variant=apt", "--format=directory",
        f"--include={included}", "--skip=update,download/empty,check/empty",
        "--dpkgopt=force-unsafe-io", f"--setup-hook={hook}",
        '--customize-hook=rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
        apt.archive.suite, str(path), str(sources),
    ]  # fmt: skip
    _stream(argv, log)
    sources.unlink()


def _install(apt: Apt, debs: Sequence[Deb], path: Path, log: Log) -> None:
    """Unpack and configure packages as the root's own root user: no network, few capabilities."""
    here = path.parent / "debs"
    here.mkdir(mode=0o755)
    for deb in debs:
        os.link(apt.archives / deb.file, here / deb.file)
    forbid = path / "usr/sbin/policy-rc.d"  # invoke-rc.d asks it; 101 forbids to start services
    forbid.write_text("#!/bin/sh\nexit 101\n")
    forbid.chmod(0o755)
    capabilities = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP")
    bwrap = ["bwrap", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    bwrap += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for name in (*capabilities, "SYS_CHROOT"):
        bwrap += ["--cap-add", f"CAP_{name}"]
    environment = {
        **process.BASE_ENVIRONMENT,
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "SOURCE_DATE_EPOCH": EPOCH,
    }
    bwrap += ["--clearenv"]
    for name, value in environment.items():
        bwrap += ["--setenv", name, value]
    bwrap += ["--bind", str(path), "/", "--proc", "/proc", "--dev", "/dev"]
    bwrap += ["--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind", str(here), DEBS]  # noqa: S108
    options = ["APT::Sandbox::User=root", "DPkg::Options::=--force-unsafe-io", "Dpkg::Use-Pty=0"]
    # A .buildinfo may name an older version than the base has.
    apt_get = ["apt-get", "-y", "--no-install-recommends", "--allow-downgrades"]
    for option in options:
        apt_get += ["-o", option]
    files = [f"{DEBS}/{deb.file}" for deb in debs]
    _stream([*bwrap, "--", *apt_get, "install", *files], log)
    # Packages of headers add links that the cache lists, and do not ask for it to be made again.
    _stream([*bwrap, "--", "ldconfig"], log)
    forbid.unlink()
    for deb in debs:
        (here / deb.file).unlink()
    here.rmdir()


def _settle(root: Path) -> None:
    """Remove what depends on the day and the machine; lay the files that sandboxes cover."""
    for name in _VOLATILE:
        (root / name).unlink(missing_ok=True)
    for name in ("dev", "tmp", "run", "var/log", "var/cache/apt", "var/lib/apt/lists", "var/tmp"):
        _empty(root / name)
    for name in _MOUNT_POINTS:
        (root / name).touch()


def _check_installed(root: Path, debs: Sequence[Deb]) -> None:
    """The record of packages is what apt meant to install; hold it against what dpkg did."""
    meant = {(deb.name, deb.version, deb.architecture) for deb in debs}
    if odd := sorted(meant ^ installed(root)):
        raise BuildError(f"The root holds other packages than apt resolved, {odd[0]} for one.")


def _empty(directory: Path) -> None:
    """Remove all but directories; those in /dev that mmdebstrap made are mount points."""
    for parent, _, files in os.walk(directory):
        for name in files:
            (Path(parent) / name).unlink()


def digest(root: Path) -> str:
    """SHA-256 over path, type, mode, owner and content; times are left out."""
    lines = []
    for parent, directories, files in os.walk(os.fsencode(root)):
        directories.sort()
        for name in (*directories, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - bytes
            found = os.lstat(path)
            content = b"-"
            if stat.S_ISLNK(found.st_mode):
                content = os.readlink(path)  # noqa: PTH115 - bytes
            elif stat.S_ISREG(found.st_mode):
                with Path(os.fsdecode(path)).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest().encode()
            owner = b"%o %d:%d" % (found.st_mode, found.st_uid, found.st_gid)
            lines.append(b"%s\0%s\0%s\0" % (path[len(os.fsencode(root)) :], owner, content))
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def _has_subuids() -> bool:
    import pwd  # noqa: PLC0415 - absent on Windows

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
        return f"{name}:" in Path("/etc/subuid").read_text()
    except (KeyError, OSError):
        return False


def _require_root(sentence: str, *, unless: bool = False) -> None:
    if os.geteuid() != 0 and not unless:
        raise FailedBuildError(
            f"{sentence} by this user, who has no range in /etc/subuid; run once as root, "
            "and share its cache through VERIFIER_CACHE.",
            "",
            None,
        )


def _stream(argv: Sequence[str], log: Log) -> None:
    done = process.stream(
        argv,
        sink=log.write,
        seconds=limits.FETCH_SECONDS,
        output=limits.TOOL_OUTPUT,
        environment={"SOURCE_DATE_EPOCH": EPOCH, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.stopped or done.status != 0:
        cause = f"was stopped ({done.stopped})" if done.stopped else f"gave status {done.status}"
        raise FailedBuildError(
            f"The root for the build could not be made: {argv[0]} {cause}.", log.tail(), None
        )
