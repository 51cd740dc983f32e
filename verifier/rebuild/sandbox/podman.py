"""podman: the root as an OCI image, run by its digest, in a place of this file's own making.

podman always runs rootless here, for root too, who leaves root first as with bubblewrap: in a
user namespace that maps one user, without /etc/subuid. That is the same for every caller.

A process id namespace lies around podman itself. Its monitor (conmon) leaves podman's process
group, so only the end of that namespace ends a container for sure. A private mount of an empty
/sys/fs/cgroup keeps podman and crun from cgroups: the limits are the group's that the verifier
made, and crun refuses to start where cgroup v1 and v2 are mixed.
"""

from __future__ import annotations

import json
import resource
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from verifier import limits
from verifier.errors import BuildError
from verifier.rebuild.inputs.view import View
from verifier.rebuild.sandbox import seccomp
from verifier.rebuild.sandbox.base import Room, Sandbox, Step
from verifier.rebuild.sandbox.etc import write_etc
from verifier.rebuild.sandbox.image import check_path, image_of, rootless, settings
from verifier.rebuild.user import as_user, check_reachable, give

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from verifier.rebuild.sandbox.cgroup import Group

SOURCES = "/srcs"
_EMPTY = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - inside the sandbox
# Private mounts: no cgroups; and a short path for podman's sockets, whose names have 108 bytes.
_HIDE = (
    "{ test ! -d /sys/fs/cgroup || mount -t tmpfs none /sys/fs/cgroup; } && "
    "mount -t tmpfs none /run && mkdir -m 700 /run/podman || exit 125; "
)


class Podman(Sandbox):
    """No network, a read-only image, private /tmp, /proc, /dev and home, no nesting."""

    kind = "podman"
    # podman, conmon and crun: a thread for each of many things. The build's own limit on
    # processes holds inside; its memory may be larger by this much.
    own_processes = 200
    own_memory = 256 * limits.MIB

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.tree, self.sources = room.build_path, SOURCES
        self.home = f"/home/{room.settings.user}"
        if room.root is None:
            raise BuildError("podman needs an image: set sandbox.root to debian:SUITE.")
        for path in (room.work, room.tree, room.home, room.sources):
            check_path(path)
        self._image = image_of(room.root, room.uid)
        pinned = room.settings.image
        if pinned is not None and pinned != self._image.digest:
            raise BuildError(
                f"The image of {room.settings.root} is {self._image.digest}, not {pinned} as "
                "sandbox.image says: its packages changed; look at them, then pin the new one."
            )
        for path in (self._image.store, room.tree, room.home, room.sources):
            check_reachable(path, room.uid)
        self._etc = write_etc(room)
        self._own = room.work / "podman"
        self._own.mkdir(mode=0o700)
        self._environment = settings(self._own, self._image.store)
        (self._own / "seccomp.json").write_text(json.dumps(seccomp.profile()))
        give(self._own, room.uid)

    def launch(self, step: Step, group: Group, fds: list[int]) -> Sequence[str]:
        """Leave root, take limits, make the place for podman, run the step by podman in it."""
        del fds
        caps = self.room.settings.limits
        outer = ["prlimit", "--core=0", "--nofile=4096", f"--fsize={caps.disk + 64 * limits.MIB}"]
        place = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--mount-proc"]
        place += ["--fork", "--kill-child"]
        podman = ["podman", "--cgroup-manager=cgroupfs", "--events-backend=none", "run"]
        podman += [*self._walls(), *self._mounts(), f"--workdir={step.directory}"]
        podman += [self._image.identity.removeprefix("sha256:"), *self._command(step)]
        script = f"{_HIDE}{shlex.join(podman)}"
        return group.join(
            (*as_user(self.room.uid, die=True), *outer, *place, "--", "/bin/sh", "-c", script)
        )

    def launch_environment(self, step: Step) -> dict[str, str]:
        """What podman itself needs; the step's is set inside."""
        del step
        private = {"XDG_RUNTIME_DIR": "/run/podman"}
        return {**self._environment, **rootless(self.room.uid), **private}

    def _walls(self) -> Iterator[str]:
        held = self.room.settings
        uid = str(held.uid)
        yield from ("--pull=never", "--rm", "--network=none", "--cgroups=disabled")
        yield from ("--uts=private", "--ipc=private", "--pid=private", "--read-only")
        yield from ("--read-only-tmpfs=false", "--log-driver=none", "--no-hosts")
        yield from (f"--hostname={held.hostname}", f"--user={uid}:{uid}", "--passwd=false")
        # The user of podman's namespace, and nobody else, is the build's user.
        yield from (f"--uidmap={uid}:0:1", f"--gidmap={uid}:0:1", "--cap-drop=ALL")
        yield from ("--security-opt=no-new-privileges", "--security-opt=mask=/sys")
        yield f"--security-opt=seccomp={self._own / 'seccomp.json'}"
        # crun sets what podman asks for, and nobody may ask for more than they have.
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        yield from ("--ulimit=nofile=4096:4096", f"--ulimit=nproc={most}:{most}")

    def _mounts(self) -> Iterator[str]:
        room, caps = self.room, self.room.settings.limits
        size = max(limits.MIB, min(caps.disk, caps.memory // 2))
        yield f"--shm-size={size}"
        for path, most in zip(_EMPTY, (size, size, 16 * limits.MIB), strict=True):
            yield f"--tmpfs={path}:rw,exec,nosuid,nodev,size={most},mode=1777,notmpcopyup"
        yield f"--volume={room.tree}:{self.tree}:rw,exec,nosuid,nodev"
        yield f"--volume={room.home}:{self.home}:rw,exec,nosuid,nodev"
        yield f"--volume={room.sources}:{self.sources}:ro"
        for file in sorted(self._etc.iterdir()):
            yield f"--volume={file}:/etc/{file.name}:ro"

    def _command(self, step: Step) -> Iterator[str]:
        """The step, in the environment that it should have and no other."""
        held = self.room.settings
        yield from ("/usr/bin/env", "-i")
        for name, value in sorted({**self.variables(), **step.environment}.items()):
            yield f"{name}={value}"
        yield from ("prlimit", f"--nproc={held.limits.processes + 4}", "--")
        yield from ("/bin/sh", "-c", f'umask {held.umask:04o}; exec "$@"', self.mark)
        yield from step.argv

    def view(self) -> View:
        """The mounts of `_mounts` and podman's own, over the image as podman unpacked it.

        `image_of` has checked the unpacked files. podman's layer above them holds mount points
        and /etc/mtab, a link into /proc.
        """
        room = self.room
        files = [(f"/etc/{file.name}", file) for file in self._etc.iterdir()]
        mounts: list[tuple[str, Path | None]] = [(path, None) for path in (*_EMPTY, "/dev/shm")]  # noqa: S108 - inside
        mounts += [("/dev", None), ("/proc", None), ("/sys", None)]
        mounts += [(self.tree, room.tree), (self.home, room.home), (self.sources, room.sources)]
        known = (self.tree, self.home, self.sources, *_EMPTY, "/dev/shm")  # noqa: S108 - inside
        own = tuple(path for path, _ in files)
        return View((*mounts, *files), known, own, self._image.files)

    def describe(self) -> dict[str, Any]:
        """Every setting that held."""
        held = self.room.settings
        return {
            "kind": self.kind,
            "isolation": "no network; read-only image; private /tmp, /proc, /dev and home",
            "root": held.root,
            "image": self._image.digest,
            "image_config": self._image.identity,
            "build_path": self.tree,
            "user": held.user,
            "uid": held.uid,
            "hostname": held.hostname,
            "umask": f"{held.umask:04o}",
            "locale": held.locale,
            "timezone": held.timezone,
            "processors": held.processors,
            "seccomp": True,
            "limits": asdict(held.limits),
        }
