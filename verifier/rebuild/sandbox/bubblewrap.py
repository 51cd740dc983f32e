"""The default sandbox: bubblewrap, started anew for each step.

Everything is unshared, the root is read-only, and the real user outside is an unprivileged one
even when root calls: without that, "user 1000" inside a namespace that root made could read
whatever root can.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier import limits
from verifier.rebuild.inputs.view import View
from verifier.rebuild.sandbox import seccomp
from verifier.rebuild.sandbox.base import Room, Sandbox, Step
from verifier.rebuild.sandbox.etc import write_etc
from verifier.rebuild.user import as_user, check_reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.rebuild.sandbox.cgroup import Group

SOURCES = "/srcs"
_HOST_TOOLS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
# What compilers and packaging tools read of /etc; accounts, keys and names stay outside.
_HOST_ETC = (
    "alternatives", "debian_version", "dpkg", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "lsb-release", "magic", "os-release", "perl",
)  # fmt: skip
_EMPTY = ("/run", "/dev/shm", "/tmp", "/var/tmp")  # noqa: S108 - inside the sandbox
_OWN = frozenset({"build", "dev", "home", "proc", "root", "run", "srcs", "sys", "tmp"})


class Bubblewrap(Sandbox):
    """No network, an own or read-only root, private /tmp, /proc, /dev and home, no nesting."""

    kind = "bubblewrap"

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.tree, self.sources = room.build_path, SOURCES
        self.home = f"/home/{room.settings.user}"
        self._root = room.root.path if room.root else Path("/")
        for path in (self._root, room.tree, room.home, room.sources):
            check_reachable(path, room.uid)
        self._etc = write_etc(room)

    def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
        """Leave root, take limits, enter the sandbox, take those that count inside, run."""
        caps = self.room.settings.limits
        # The disk limit is the monitor's; a single file just may not run far past it.
        outer = ["prlimit", "--core=0", "--nofile=4096", f"--fsize={caps.disk + 64 * limits.MIB}"]
        inner = ["prlimit", f"--nproc={caps.processes + 4}", "--"]
        mask = f'umask {self.room.settings.umask:04o}; exec "$@"'
        command = ["/bin/sh", "-c", mask, self.mark, *step.argv]
        bwrap = ["bwrap", *self._namespaces(), *self._variables(step), *self._mounts()]
        if (descriptor := _filter_descriptor()) is not None:
            fds.append(descriptor)
            bwrap += ["--seccomp", str(descriptor)]
        bwrap += ["--chdir", step.directory, "--"]
        return group.join((*as_user(self.room.uid), *outer, *bwrap, *inner, *command))

    def _namespaces(self) -> list[str]:
        settings = self.room.settings
        uid = str(settings.uid)
        return [
            "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
            "--new-session", "--cap-drop", "ALL", "--hostname", settings.hostname,
            "--uid", uid, "--gid", uid,
        ]  # fmt: skip

    def _variables(self, step: Step) -> Iterator[str]:
        yield "--clearenv"
        for name, value in sorted({**self.variables(), **step.environment}.items()):
            yield from ("--setenv", name, value)

    def _mounts(self) -> Iterator[str]:
        room, caps = self.room, self.room.settings.limits
        yield from self._root_mounts()
        yield from ("--proc", "/proc", "--dev", "/dev")
        room_size = str(max(limits.MIB, min(caps.disk, caps.memory // 2)))
        for path in _EMPTY[1:]:
            yield from ("--size", room_size, "--perms", "1777", "--tmpfs", path)
        yield from ("--size", str(16 * limits.MIB), "--tmpfs", _EMPTY[0])
        yield from ("--bind", str(room.tree), self.tree)
        yield from ("--bind", str(room.home), self.home)
        yield from ("--ro-bind", str(room.sources), self.sources)
        yield from ("--remount-ro", "/dev", "--remount-ro", "/")

    def _root_mounts(self) -> Iterator[str]:
        """The root's top-level entries one by one, so that mount points can lie beside them."""
        wanted = _HOST_TOOLS if self.room.root is None else None
        for entry in sorted(self._root.iterdir()):
            inside = f"/{entry.name}"
            if entry.name in _OWN or entry.name == "etc" or (wanted and entry.name not in wanted):
                continue
            if entry.is_symlink():
                yield from ("--symlink", str(entry.readlink()), inside)
            elif entry.is_dir():
                yield from ("--ro-bind", str(entry), inside)
        if self.room.root is None:
            yield from ("--dir", "/etc", "--dir", "/var")
            for name in _HOST_ETC:
                entry = Path("/etc") / name
                if _leads_to_tools(entry):  # so that what it leads to has its own name inside
                    yield from ("--symlink", str(entry.readlink()), f"/etc/{name}")
                elif entry.exists():
                    yield from ("--ro-bind", f"/etc/{name}", f"/etc/{name}")
        else:
            yield from ("--ro-bind", str(self._root / "etc"), "/etc")
        for file in sorted(self._etc.iterdir()):
            yield from ("--ro-bind", str(file), f"/etc/{file.name}")

    def view(self) -> View:
        """The mounts of `_mounts`, as a recording of inputs needs them."""
        room = self.room
        files = [(f"/etc/{file.name}", file) for file in self._etc.iterdir()]
        mounts: list[tuple[str, Path | None]] = [(path, None) for path in ("/dev", *_EMPTY)]
        mounts += [("/proc", None), (self.tree, room.tree), (self.home, room.home)]
        mounts += [(self.sources, room.sources)]
        known = (self.tree, self.home, self.sources, *_EMPTY)
        own = tuple(path for path, _ in files)
        return View((*mounts, *files), known, own, self._root)

    def describe(self) -> dict[str, Any]:
        """Every setting that held."""
        settings = self.room.settings
        return {
            "kind": self.kind,
            "isolation": "no network; read-only root; private /tmp, /proc, /dev and home",
            "root": settings.root,
            "build_path": self.tree,
            "user": settings.user,
            "uid": settings.uid,
            "hostname": settings.hostname,
            "umask": f"{settings.umask:04o}",
            "locale": settings.locale,
            "timezone": settings.timezone,
            "processors": settings.processors,
            "seccomp": seccomp.program() is not None,
            "limits": asdict(settings.limits),
        }


def _leads_to_tools(entry: Path) -> bool:
    """Whether it is a link to a file that the sandbox shows under the same name."""
    if not entry.is_symlink():
        return False
    target = os.path.normpath(entry.parent / entry.readlink())
    return target.startswith("/usr/") and entry.exists() and str(entry.resolve()) == target


def _filter_descriptor() -> int | None:
    """The filter in an anonymous file that bwrap reads; None on an unknown architecture."""
    code = seccomp.program()
    if code is None:
        return None
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(descriptor, code)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
